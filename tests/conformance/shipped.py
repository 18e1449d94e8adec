"""The shipped options, so that a suite can be made for each."""

from collections.abc import Iterator

from runtree.app import App
from runtree.plugins import BUILTIN, make_plugins


def options(group: str) -> Iterator[str]:
    """Yield the options of a group that runtree itself ships."""
    catalogue = App(make_plugins(found=[])).catalogue
    return (name for name, option in catalogue.groups[group].items() if option.provider == BUILTIN)


RUN_CODE = {"import", "command", "container"}  # options that name nothing by themselves: code of the user's own


def class_name(option: str) -> str:
    """Return the name of an option's test class: random_forest → TestRandomForest."""
    return "Test" + "".join(word.capitalize() for word in option.split("_"))
