"""Keras 3 on torch as a choice of runtree's: ``runtree train algorithm=keras_mlp``."""
