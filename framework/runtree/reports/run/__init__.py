"""The sections of a run's page, each made from the files of the run; a section without content is left out."""
