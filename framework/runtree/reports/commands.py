"""Command lines that a page offers, ready to be typed."""

import shlex

from runtree.contract.types import RunRecord

DEFAULT_OUTPUTS = "outputs"


def outputs_option(record: RunRecord) -> list[str]:
    """Return the option that names the output tree, empty for the default one."""
    outputs = str(record.config.get("outputs") or DEFAULT_OUTPUTS)
    return [] if outputs == DEFAULT_OUTPUTS else ["--outputs", outputs]


def command_line(*words: str) -> str:
    # quoted for a shell: the line is meant to be pasted, and an override may contain spaces or quotes
    return shlex.join(["runtree", *words])
