"""Several devices: a process each, that share every batch."""
