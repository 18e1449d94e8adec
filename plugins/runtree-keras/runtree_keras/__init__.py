"""Keras 3 on torch as algorithms of runtree: ``runtree train algorithm=keras_mlp``."""
