"""The stage `explain`: a failure here is a warning, never a failed run."""

import json
import logging
import shutil

from runtree import Run
from runtree_shap.files import write_files
from runtree_shap.found import explained
from runtree_shap.outputs import quietly
from runtree_shap.picture import write_picture
from runtree_shap.settings import Skipped, read_settings

log = logging.getLogger("runtree.shap")


def explain_run(run: Run) -> None:
    """Write `explain/` and the picture, or why there are none."""
    folder = run.folder / "explain"
    try:
        settings = read_settings(run.config)
        if not settings.rows:
            return
        found = quietly(lambda: explained(run, settings))
        write_files(folder, found)
    except Exception as error:
        why = (
            str(error) if isinstance(error, Skipped) else f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
        )
        log.warning("shap: %s is not explained: %s", run.config["algorithm"].get("name", "the model"), why)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        (folder / "skipped.json").write_text(json.dumps({"why": why}, indent=1) + "\n", encoding="utf-8")
        return
    try:
        quietly(lambda: write_picture(run.folder / "plots", found, settings.shown))
    except Exception as error:
        log.warning("shap: the picture was not drawn: %s: %s", type(error).__name__, error)
