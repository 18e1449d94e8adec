"""What was found: the run's folder and its files, written so that a crash harms none of them, and read back."""
