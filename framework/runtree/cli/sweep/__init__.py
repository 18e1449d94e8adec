"""What the command line shows of sweeps: before, while and after they run."""
