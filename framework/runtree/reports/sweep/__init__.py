"""The sections of a sweep's page, each from the files of its folder; one that has nothing to tell is absent."""
