"""The files of runs and sweeps: written so that a crash damages none of them, read back, indexed and compared."""
