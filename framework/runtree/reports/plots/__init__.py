"""Plots of a run on matplotlib, by the display classes of scikit-learn where there is one."""
