"""The application and the verbs: what the command line and the tests call."""

from runtree.app.application import App
from runtree.app.train import TrainCallbacks, TrainResult, train

__all__ = ["App", "TrainCallbacks", "TrainResult", "train"]
