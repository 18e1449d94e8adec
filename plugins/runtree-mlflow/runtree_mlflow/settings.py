"""Where to send, and how that reaches another process: in its environment, where no list of processes shows it."""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass

ASKED = "RUNTREE_MLFLOW"
# A server that is down is to be noticed soon, where MLflow's own values keep trying for minutes, and standard output is
# for results. What the user has set stays.
QUICK = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
CREDENTIALS = ("MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN")


@dataclass(frozen=True)
class Settings:
    """What the config says; None leaves it to MLflow's environment variables."""

    uri: str | None = None
    experiment: str | None = None
    model: bool = True

    def environment(self) -> dict[str, str]:
        """Return the environment of a process that sends."""
        own = {**QUICK, **os.environ, ASKED: json.dumps({**asdict(self), "uri": None})}
        return own | ({"MLFLOW_TRACKING_URI": self.uri} if self.uri else {})


def asked(environment: Mapping[str, str]) -> Settings:
    """Return the settings that another process handed over."""
    return Settings(**json.loads(environment.get(ASKED, "{}")))


def harmless(text: object) -> str:
    """Return one line of text without credentials; of a long one the beginning and the end, where the cause stands."""
    line = re.sub(r"://[^/\s@]+@", "://***@", " ".join(str(text).split()))
    for name in CREDENTIALS:
        line = line.replace(os.environ.get(name) or "\0", "***")
    return line if len(line) <= 300 else f"{line[:150]} … {line[-150:]}"


def set_defaults() -> None:
    """Let this process notice soon that a server is down."""
    for name, value in QUICK.items():
        os.environ.setdefault(name, value)
