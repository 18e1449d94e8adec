"""A run's model as one of MLflow's, without a pickle: the model's own folder, and a loader that asks runtree."""

import tempfile
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtree.records.layout import RunFolder
from runtree_mlflow.store import Store

if TYPE_CHECKING:
    import pandas as pd

PLACE = "model"
NEEDED = ("runtree", "runtree-mlflow", "scikit-learn", "pandas", "numpy")


def send_model(store: Store, folder: RunFolder, run_id: str) -> None:
    """Send the model as an artifact ``model`` that ``mlflow.pyfunc.load_model("runs:/<id>/model")`` loads."""
    with tempfile.TemporaryDirectory() as place:
        target = Path(place) / PLACE
        describe(folder.model, target, run_id)
        store.client.log_artifacts(run_id, str(target), PLACE)


def describe(model: Path, target: Path, run_id: str) -> None:
    """Write MLflow's description of a model, and a copy of the model below it."""
    needed = [f"{name}=={version(name)}" for name in NEEDED]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow warns of its own classes' type hints
        import mlflow.pyfunc
        from mlflow.models import Model

        described = Model(artifact_path=PLACE, run_id=run_id)
        mlflow.pyfunc.save_model(
            str(target), "runtree_mlflow.model", str(model), pip_requirements=needed, mlflow_model=described
        )


class Loaded:
    """A model as MLflow calls it."""

    def __init__(self, predictor: Any) -> None:
        self.predictor = predictor

    def predict(self, model_input: "pd.DataFrame", params: dict[str, Any] | None = None) -> "pd.DataFrame":
        """Return a row for each row: ``prediction``, and ``p_<class>`` where the model gives chances."""
        found: pd.DataFrame = self.predictor.predict(model_input)
        return found


def _load_pyfunc(path: str) -> Loaded:
    """Load what `send_model` sent; MLflow calls it by this name. Nothing is unpickled: runtree's own rules hold."""
    from runtree.lifecycle.predict import read_predictor
    from runtree.plugins import installed_plugins

    plugins = installed_plugins()
    return Loaded(read_predictor(Path(path), plugins, plugins.trusted_types()))
