"""The stage `explain`: an error in it is a warning and does not fail the run."""

import json
import logging
import shutil

from runtree import Run
from runtree_shap.explanation import explain_test_rows
from runtree_shap.files import write_files
from runtree_shap.outputs import call_quietly
from runtree_shap.plot import write_plot
from runtree_shap.settings import Skipped, read_settings

log = logging.getLogger("runtree.shap")


def explain_run(run: Run) -> None:
    """Write `explain/` and the plot, or the reason reason there are none."""
    folder = run.folder / "explain"
    try:
        settings = read_settings(run.config)
        if not settings.rows:
            return
        explained = call_quietly(lambda: explain_test_rows(run, settings))
        write_files(folder, explained)
    except Exception as error:
        reason = (
            str(error) if isinstance(error, Skipped) else f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
        )
        log.warning("shap: %s is not explained: %s", run.config["algorithm"].get("name", "the model"), reason)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        (folder / "skipped.json").write_text(json.dumps({"reason": reason}, indent=1) + "\n", encoding="utf-8")
        return
    try:
        call_quietly(lambda: write_plot(run.folder / "plots", explained, settings.shown))
    except Exception as error:
        log.warning("shap: the plot is left out: %s: %s", type(error).__name__, error)
