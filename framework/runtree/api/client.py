"""A client of `runtree serve` that needs nothing but the standard library."""

import json
import math
import ssl
import time
from collections.abc import Mapping, Sequence
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from runtree.contract.errors import DataError, RequestError

if TYPE_CHECKING:
    import pandas as pd

    Rows = Sequence[Mapping[str, Any]] | pd.DataFrame


class ServiceError(RequestError):
    """A service that refused a request, or cannot be reached; `status` is that of HTTP, 0 without an answer."""

    def __init__(self, message: str, *hints: str, status: int = 0) -> None:
        super().__init__(message, *hints)
        self.status = status


class Client:
    """A service of `runtree serve`.

    Parameters
    ----------
    url
        Its address, such as ``http://127.0.0.1:8000``.
    key
        The API key, if it has any.
    timeout
        Seconds to wait for an answer.
    retries
        How often a request is repeated where the service has too much to do (503, 429) or the connection broke.
    certificate
        A PEM file with the certificate of the service, or of who signed it, where this machine does not trust it.

    Raises
    ------
    RequestError
        The address is none of a service, or the file no certificate.

    Examples
    --------
    >>> client = Client("http://127.0.0.1:8000")  # doctest: +SKIP
    >>> client.predict([{"age": 41, "city": "Ulm"}])  # doctest: +SKIP
    ['yes']
    """

    def __init__(
        self,
        url: str,
        key: str | None = None,
        timeout: float = 30.0,
        retries: int = 3,
        certificate: str | Path | None = None,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise RequestError(f"'{url}' is not the address of a service", "type: http://127.0.0.1:8000")
        self.url, self._path, self._retries = url, parts.path.rstrip("/"), retries
        self._connection: HTTPConnection
        if parts.scheme == "https":
            trusted = _trust(certificate)
            self._connection = HTTPSConnection(parts.hostname, parts.port, timeout=timeout, context=trusted)
        else:
            self._connection = HTTPConnection(parts.hostname, parts.port, timeout=timeout)
        self._headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {key}"} if key else {})

    def predict(self, rows: "Rows") -> list[Any]:
        """Return the predicted label or number of each row.

        Raises
        ------
        DataError
            Rows cannot be predicted; the error names the first. `answer` returns the predictions of the others.
        ServiceError
            The service refuses the request, or cannot be reached.
        """
        return [found["prediction"] for found in self._predicted(rows)]

    def predict_proba(self, rows: "Rows") -> list[dict[str, float]]:
        """Return the probability of each class, for each row.

        Raises
        ------
        DataError, ServiceError
            As `predict` does; also if the model gives no probabilities.
        """
        found = self._predicted(rows)
        if any("probabilities" not in output for output in found):
            raise DataError("this model gives no probabilities")
        return [output["probabilities"] for output in found]

    def answer(self, rows: "Rows", request_id: str | None = None) -> dict[str, Any]:
        """Return the whole answer: model, version, request id, and for each row a prediction or an error."""
        headers = {"x-request-id": request_id} if request_id else {}
        status, document = self._ask("POST", "/predict", {"rows": _records(rows)}, headers)
        if "predictions" not in document:
            raise _refused(status, document)
        return document

    def explain(
        self, row: "Mapping[str, Any] | pd.Series[Any]", label: str | None = None, request_id: str | None = None
    ) -> dict[str, Any]:
        """Return what each field adds to the prediction for a row, or to the probability of a class.

        With the `request_id` of an answer, by the model that gave it: it may have been a canary.
        """
        body = {"row": _records([row])[0], **({"class": label} if label is not None else {})}
        headers = {"x-request-id": request_id} if request_id else {}
        status, document = self._ask("POST", "/explain", body, headers)
        if status != 200:
            raise _refused(status, document)
        return document

    def is_ready(self) -> bool:
        """Return whether the service takes requests."""
        try:
            return self._ask("GET", "/v2/health/ready")[0] == 200
        except ServiceError:
            return False

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _predicted(self, rows: "Rows") -> list[dict[str, Any]]:
        outputs: list[dict[str, Any]] = self.answer(rows)["predictions"]
        failed = [(place, output) for place, output in enumerate(outputs) if "error" in output]
        if failed:
            place, output = failed[0]
            raise DataError(f"row {place}: {output['error']}", *output.get("more", ()))
        return outputs

    def _ask(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, dict[str, Any]]:
        content = None if body is None else _encode(body)
        fault: Exception | None = None
        for attempt in range(self._retries + 1):
            try:
                self._connection.request(method, self._path + path, content, {**self._headers, **(headers or {})})
                response = self._connection.getresponse()
                text = response.read()
            except ssl.SSLCertVerificationError as error:
                self._connection.close()
                hint = "if it is your own, type: Client(url, certificate='FILE.pem')"
                raise ServiceError(
                    f"{self.url}: its certificate is not trusted: {error.verify_message}", hint
                ) from None
            except (OSError, HTTPException) as error:  # a connection that was idle may have been closed meanwhile
                self._connection.close()
                fault = error
                time.sleep(0.1 * attempt)
                continue
            if response.status in (429, 503) and method == "POST" and attempt < self._retries:
                time.sleep(float(response.headers.get("retry-after") or 1))
                continue
            try:
                document = json.loads(text)
            except ValueError:
                document = {}
            return response.status, document if isinstance(document, dict) else {}
        raise ServiceError(f"{self.url} cannot be reached: {fault}", "start it: runtree serve RUN") from fault


def _records(rows: Any) -> list[dict[str, Any]]:
    """Return rows as JSON has them: null for a missing value, texts for dates."""
    found = rows.to_dict("records") if hasattr(rows, "to_dict") else rows
    if isinstance(found, (str, bytes, Mapping)) or not all(hasattr(row, "items") for row in found):
        raise DataError("rows: a list of rows, or a data frame, is expected", "such as [{'age': 41, 'city': 'Ulm'}]")
    records = [{str(name): _plain(value) for name, value in row.items()} for row in found]
    for place, record in enumerate(records):
        for name, value in record.items():
            if isinstance(value, float) and math.isinf(value):
                raise DataError(f"row {place}: field '{name}': a finite number is expected")
    return records


def _encode(body: Any) -> bytes:
    try:
        return json.dumps(body, allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise DataError(f"rows: JSON has no such value: {error}") from None


def _trust(certificate: str | Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=certificate)
    except OSError as error:
        raise RequestError(
            f"certificate={str(certificate)!r}: {error.strerror or error}", "needed: a PEM file"
        ) from None


def _plain(value: Any) -> Any:
    if isinstance(value, (str, int)):
        return value
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)) or int(getattr(value, "ndim", 0)):  # a list of Parquet is an array of NumPy
        return [_plain(one) for one in value]
    # a missing number, date or value of pandas is the one thing that does not equal itself, or cannot say
    if value is None or str(value) in ("NaT", "<NA>") or (isinstance(value, float) and value != value):
        return None
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return value.item() if hasattr(value, "item") else value


def _refused(status: int, document: Mapping[str, Any]) -> ServiceError:
    said = document.get("error") or f"the service answered with status {status}"
    return ServiceError(str(said), *map(str, document.get("hints", ())), status=status)
