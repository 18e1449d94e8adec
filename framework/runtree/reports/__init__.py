"""Pictures and pages: one self-contained `report.html` for a run and for a sweep, made from its folder alone."""
