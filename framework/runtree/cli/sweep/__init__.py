"""The output of the command line for sweeps, while they run and at their end."""
