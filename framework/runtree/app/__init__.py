"""What the command line and the tests call: the application, one run, many runs."""

from runtree.app.application import App, rest_idle_threads
from runtree.app.training import Done, train

__all__ = ["App", "Done", "rest_idle_threads", "train"]
