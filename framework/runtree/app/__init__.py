"""The application and the verbs: what the command line and the tests call."""

from runtree.app.application import App, rest_idle_threads
from runtree.app.train import TrainCallbacks, TrainResult, train

__all__ = ["App", "TrainCallbacks", "TrainResult", "rest_idle_threads", "train"]
