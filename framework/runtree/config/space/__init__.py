"""Search spaces: from text in Hydra's sweep grammar to dimensions with conditions."""
