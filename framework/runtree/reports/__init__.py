"""`report.html` of a run and of a sweep, one self-contained file each made from the folder alone; plots of a run."""
