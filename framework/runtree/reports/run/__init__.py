"""The sections of a run's page, each from the run's facts; one that has nothing to tell is absent."""
