"""What is asked: where config groups lie, how they are composed, frozen, checked and built."""
