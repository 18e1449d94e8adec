"""Secrets on their way out: the one redactor that every writer calls, whether it writes a file, a log or a terminal.

It knows the values of the secrets that this process has read, and hides them wherever they occur: in an error of a
library, in a traceback, in a key of a mapping. Names of keys are the second net, for secrets that were typed instead of
being named as ``${secret:NAME}``.
"""

import os
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

HIDDEN = "***"
REFERENCE = re.compile(r"\$\{secret:([A-Za-z_][A-Za-z0-9_]*)\}")
_NAMES = (
    r"passwords?|passwd|passphrase|pwd|secrets?|token|credentials?|dsn|authorization|connection_?string"
    r"|(?:api|access|private|secret|account|shared|encryption|signing|ssh|hash)_?key(?:_id)?"
)
# the last word of a key, so that `token` and `hf_token` are secret, `tokenizer` and `max_tokens` are not
_SECRET_KEY = re.compile(rf"(^|[._\-+])({_NAMES})$")
_CAMEL_CASE = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
# `password=x`, `?token=x`, `{user:x,password:y}`, `'password': 'x'`; not `db.password: not a number`, as errors begin
_ASSIGNMENT = re.compile(
    rf"""((?<!\$\{{)(?:(?<![A-Za-z0-9])|(?<=[a-z0-9])(?=[A-Z]))(?i:{_NAMES})(?:["']\s*[:=]\s*|\s?=\s?|:(?=\S)))"""
    r"""("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|\$\{[^}]*\}|\[[^\]]*\]|\{[^}]*\}|[^\s,;&"'(){}\[\]<>]+)"""
)
_PLAIN = re.compile(r"['\"]?(\*\*\*|null|none|true|false|\$\{.*|…)?['\"]?", re.IGNORECASE)
_NUMBER = re.compile(r"[-+]?[\d.]+")
_BEARER = re.compile(r"(\bbearer\s+)[\w.~+/=-]{8,}", re.IGNORECASE)
# credentials in a URL: user:password@ in any, user@ (a token) in http and https
_ADDRESS = re.compile(r"://[^/\s@:]*:[^/\s@]+@|(?<=http)s?://[^/\s@]+@")
# no pattern above matches a text without one of these
_HINTS = ("pass", "pwd", "secret", "token", "credential", "dsn", "authorization", "connection", "key", "bearer", "://")
# letters alone are as likely a word of a report or a name of a file format as a password
_WORD = re.compile(r"[a-z]+")
MIN_TYPED_LENGTH = 6  # of a secret that was typed under a telling key, to be hidden in other places, too
MIN_SUBSTRING_LENGTH = 8  # shorter ones are hidden as whole words only


class _KnownValues:
    """The values of the secrets that this process has read, and the pattern that finds any of them."""

    def __init__(self) -> None:
        self.names: dict[str, str | None] = {}  # by value: the name of the environment variable, None if it was typed
        self.text: re.Pattern[str] | None = None
        self.bytes: re.Pattern[bytes] | None = None

    def add(self, value: str, name: str | None) -> None:
        if self.names.get(value) is None and value.strip():
            known = value in self.names
            self.names[value] = name
            if not known:
                forms = {form for item in self.names for form in _forms(item)}
                # the longest first: of two secrets one may begin with the other
                pattern = "|".join(_bounded(form) for form in sorted(forms, key=lambda form: (-len(form), form)))
                self.bytes = re.compile(pattern.encode())
                self.text = re.compile(pattern)


_KNOWN = _KnownValues()


def _forms(value: str) -> Iterable[str]:
    """Yield a value as the formats of files write it: JSON, HTML, URLs, Python, and line by line."""
    import html
    import json
    from urllib.parse import quote, quote_plus

    parts = {value, value.strip(), *(line.strip() for line in value.splitlines() if len(line.strip()) >= 8)}
    for part in parts:
        yield from (part, html.escape(part), html.escape(part, quote=False), quote(part), quote(part, safe=""))
        yield from (quote_plus(part), json.dumps(part)[1:-1], json.dumps(part, ensure_ascii=False)[1:-1])
        yield from (repr(part)[1:-1], part.replace("'", "''"))


def _bounded(form: str) -> str:
    # a short one, or a number, would be found in the middle of other words and numbers
    if form.isdecimal() or (len(form) < MIN_SUBSTRING_LENGTH and re.fullmatch(r"\w+", form)):
        return rf"(?<![\w.]){re.escape(form)}(?!\w|\.\d)"
    return re.escape(form)


def remember_secret(value: str, name: str | None = None) -> None:
    """Hide a value from now on, wherever this process writes it; `name` is the variable that it was read from."""
    _KNOWN.add(value, name)


def _remember_typed(value: str) -> None:
    if len(value) >= MIN_TYPED_LENGTH and not _WORD.fullmatch(value) and not REFERENCE.search(value):
        remember_secret(value)


def knows_secrets() -> bool:
    """Return whether this process has read any secret."""
    return _KNOWN.text is not None


def holds_secret(content: str | bytes) -> bool:
    """Return whether a text or the bytes of a file hold the value of a secret."""
    if isinstance(content, bytes):
        return _KNOWN.bytes is not None and _KNOWN.bytes.search(content) is not None
    return _KNOWN.text is not None and _KNOWN.text.search(content) is not None


def redact_values(node: Any) -> Any:
    """Return a text, or nested mappings and lists, without the values of known secrets."""
    pattern = _KNOWN.text
    return node if pattern is None else _replace_values(node, pattern)


def _replace_values(node: Any, pattern: re.Pattern[str], key: bool = False) -> Any:
    if isinstance(node, str):
        # a key that is a word of our own formats stays, or no reader would find it
        return node if key and _WORD.fullmatch(node) else pattern.sub(HIDDEN, node)
    if isinstance(node, Mapping):
        return {_replace_values(name, pattern, key=True): _replace_values(item, pattern) for name, item in node.items()}
    return [_replace_values(item, pattern) for item in node] if isinstance(node, (list, tuple)) else node


def redact_text(text: str) -> str:
    """Return a text without known values, and without what is assigned to telling names such as `password=`."""
    return _without_assigned(redact_values(text))


def _without_assigned(text: str, typed: bool = False) -> str:
    lowered = text.lower()
    if not any(hint in lowered for hint in _HINTS):
        return text

    def hide(match: re.Match[str]) -> str:
        if _keeps_value(match[1], match[2]):
            return match[0]
        if typed:
            remember_pieces(match[2])
        return f"{match[1]}{HIDDEN}"

    text = _ASSIGNMENT.sub(hide, text)
    return _without_credentials(_BEARER.sub(rf"\1{HIDDEN}", text))


def _keeps_value(key: str, value: str) -> bool:
    """Return whether what is assigned to a telling name is no secret: null, a reference, the number of a token."""
    number = key.lower().rstrip("\"' :=").endswith("token") and _NUMBER.fullmatch(value)
    return bool(number or _PLAIN.fullmatch(value))


def remember_pieces(value: str) -> None:
    """Hide a value that was typed under a telling key, and each of the values in a list or a choice of several."""
    for piece in {value.strip("'\""), *re.split(r"[\s,(){}\[\]'\"]+", value)}:
        _remember_typed(piece)


def _without_credentials(text: str) -> str:
    return _ADDRESS.sub(_hidden_credentials, text) if "://" in text else text


def _hidden_credentials(match: re.Match[str]) -> str:
    """Return the part of a URL before the host; a ``${secret:NAME}`` is no secret itself and stays."""
    return match[0] if REFERENCE.search(match[0]) else f"{match[0].partition('//')[0]}//{HIDDEN}@"


def redact(node: Any, key: str = "") -> Any:
    """Return a config node without known values, without the values of keys such as `password`, and without
    credentials in URLs and connection strings. What a key hides is hidden everywhere from now on.
    """
    return _redact(node, is_secret_key(key), key)


def _redact(node: Any, hide: bool, key: str) -> Any:
    if isinstance(node, str):
        if hide and not REFERENCE.fullmatch(node):
            _remember_typed(node)
            return HIDDEN
        if "${secret:" in node:
            for name in REFERENCE.findall(node):
                # not yet revealed here, but perhaps in a worker, whose output this process passes on
                if name in os.environ:
                    remember_secret(os.environ[name], name)
        elif _KNOWN.text is not None:
            node = _KNOWN.text.sub(HIDDEN, node)
        # most values have neither sign, and a sweep redacts the config of each run
        return _without_assigned(node, typed=True) if "=" in node or ":" in node else node
    # dict before Mapping, whose check is slower: each run of a sweep is redacted
    if isinstance(node, (dict, Mapping)):
        names = node if _KNOWN.text is None else map(redact_values, node)
        parts = (_redact(item, hide or is_secret_key(str(name)), str(name)) for name, item in node.items())
        return dict(zip(names, parts, strict=True))
    if isinstance(node, (list, tuple)):
        items = [_redact(item, hide, key) for item in node]
        return items if isinstance(node, list) else tuple(items)
    # `password=123456` is a number in YAML; a token that is a number is one of a vocabulary
    if hide and isinstance(node, (int, float)) and not isinstance(node, bool) and not key.lower().endswith("token"):
        _remember_typed(str(node))
        return HIDDEN
    return node


# a sweep redacts the same keys for each run
@lru_cache(maxsize=1024)
def is_secret_key(key: str) -> bool:
    """Return whether the name of a key says that its value is secret: `password`, `hf_token`, `apiKey`."""
    return _SECRET_KEY.search(_CAMEL_CASE.sub("_", key).lower()) is not None


def redact_override(override: str) -> str:
    """Return an override, or any word of a command line, without secrets; they are hidden everywhere from now on."""
    key, sign, value = override.partition("=")
    # the value may be quoted, for the shell or for Hydra
    bare = value.strip("'\"")
    if sign and is_secret_key(key.strip()):
        if all(REFERENCE.fullmatch(part.strip()) for part in bare.split(",")) or _keeps_value(key, bare):
            return override
        remember_pieces(value)
        return f"{key}={HIDDEN}"
    text: str = redact_values(override)
    return _without_assigned(text, typed=True)
