"""LightGBM as a choice of runtree's: ``runtree train algorithm=lightgbm``."""
