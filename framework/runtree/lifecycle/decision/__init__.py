"""What is done with a classifier's chances: set right by calibration, cut at a threshold."""
