"""The settings, and passing them to the sending process: by environment variables, which process lists do not show."""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass

SETTINGS_VARIABLE = "RUNTREE_MLFLOW"
# MLflow's defaults retry for minutes, and it prints to standard output, which is for results. Variables that the user
# has set stay.
MLFLOW_DEFAULTS = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
CREDENTIALS = ("MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN")


@dataclass(frozen=True)
class Settings:
    """The config; None means MLflow's environment variables."""

    uri: str | None = None
    experiment: str | None = None
    model: bool = True

    def environment(self) -> dict[str, str]:
        """Return the environment of the sending process."""
        own = {**MLFLOW_DEFAULTS, **os.environ, SETTINGS_VARIABLE: json.dumps({**asdict(self), "uri": None})}
        return own | ({"MLFLOW_TRACKING_URI": self.uri} if self.uri else {})


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Return the settings from the environment of the sending process."""
    return Settings(**json.loads(environment.get(SETTINGS_VARIABLE, "{}")))


def redact(text: object) -> str:
    """Return one line of text without credentials, shortened in the middle."""
    line = re.sub(r"://[^/\s@]+@", "://***@", " ".join(str(text).split()))
    for name in CREDENTIALS:
        line = line.replace(os.environ.get(name) or "\0", "***")
    return line if len(line) <= 300 else f"{line[:150]} … {line[-150:]}"


def set_defaults() -> None:
    """Set MLflow's variables for this process, unless the user has set them."""
    for name, value in MLFLOW_DEFAULTS.items():
        os.environ.setdefault(name, value)
