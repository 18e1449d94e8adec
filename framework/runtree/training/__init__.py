"""How one model is fitted: its fit plan, stop criteria, checkpoints, decision threshold, and copies on folds."""
