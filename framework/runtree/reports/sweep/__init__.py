"""The sections of a sweep's page, each made from the files of its folder; a section without content is left out."""
