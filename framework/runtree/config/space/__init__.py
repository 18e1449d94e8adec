"""The space: what may be chosen, from text in Hydra's sweep grammar to dimensions and their conditions."""
