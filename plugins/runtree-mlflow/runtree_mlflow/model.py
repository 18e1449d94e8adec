"""The model of a run as an MLflow model without pickle: its folder, and a loader that calls runtree."""

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
REQUIRED = ("runtree", "runtree-mlflow", "scikit-learn", "pandas", "numpy")


def send_model(store: Store, folder: RunFolder, run_id: str) -> None:
    """Send the model as an artifact ``model`` that ``mlflow.pyfunc.load_model("runs:/<id>/model")`` loads."""
    with tempfile.TemporaryDirectory() as place:
        target = Path(place) / PLACE
        describe(folder.model, target, run_id)
        store.client.log_artifacts(run_id, str(target), PLACE)


def describe(model: Path, target: Path, run_id: str) -> None:
    """Write an MLflow model that contains a copy of the model folder."""
    requirements = [f"{name}=={version(name)}" for name in REQUIRED]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow warns about type hints of its own classes
        import mlflow.pyfunc
        from mlflow.models import Model

        described = Model(artifact_path=PLACE, run_id=run_id)
        mlflow.pyfunc.save_model(
            str(target), "runtree_mlflow.model", str(model), pip_requirements=requirements, mlflow_model=described
        )


class LoadedModel:
    """The interface that MLflow calls."""

    def __init__(self, predictor: Any) -> None:
        self.predictor = predictor

    def predict(self, model_input: "pd.DataFrame", params: dict[str, Any] | None = None) -> "pd.DataFrame":
        """Return the column ``prediction``, and ``p_<class>`` if the model predicts probabilities."""
        predictions: pd.DataFrame = self.predictor.predict(model_input)
        return predictions


def _load_pyfunc(path: str) -> LoadedModel:
    """Load the model that `send_model` sent; MLflow calls this name. runtree's allow-list applies."""
    from runtree.lifecycle.predict import read_predictor
    from runtree.plugins import installed_plugins

    plugins = installed_plugins()
    return LoadedModel(read_predictor(Path(path), plugins, plugins.trusted_types()))
