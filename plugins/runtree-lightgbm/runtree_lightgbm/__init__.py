"""LightGBM as an algorithm of runtree: ``runtree train algorithm=lightgbm``."""
