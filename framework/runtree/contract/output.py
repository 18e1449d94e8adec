"""Text on its way to a terminal or a log: without secrets, and without characters that control a terminal."""

import re
from typing import Any, TextIO

from runtree.contract.redaction import redact_values

# C0 without tab and line ends, DEL, C1, the marks that turn the direction of writing, line separators of Unicode, and
# tags, which are invisible. Colours (SGR) stay, but for the one that hides text (8)
_COLOUR = r"\x1b\[(?!(?:\d*;)*0*8[;m])[0-9;]{0,20}m"
_CURSOR = r"\x1b\[\??[0-9;]{0,20}[A-HJKhlm]"
_CONTROLS = (
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufff9-\ufffb"
    r"\U000e0000-\U000e007f]"
)
# a carriage return goes to the start of the line: a progress bar begins with one, a text has no use for one inside
_RETURN = r"(?<=.)\r(?!\n)"
_CONTROL = re.compile(f"({_COLOUR})|({_CONTROLS}|{_RETURN})")
_CONTROL_WITH_CURSOR = re.compile(f"({_CURSOR})|({_CONTROLS}|{_RETURN})")


def escape_controls(text: str, cursor: bool = False) -> str:
    """Return a text with control characters written as ``\\x1b`` or ``\\u202e``; tabs, line ends and colours stay.

    Parameters
    ----------
    cursor
        Whether sequences that move the cursor stay as well, for a panel that is redrawn in place.
    """
    if text.isprintable():  # nearly always, and much faster than the search
        return text
    pattern = _CONTROL_WITH_CURSOR if cursor else _CONTROL
    return pattern.sub(lambda match: match[1] or _escape(match[2]), text)


def _escape(character: str) -> str:
    code = ord(character)
    # \u and not \x above ASCII, as JSON has it: it escapes those below itself
    return f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


class SafeStream:
    """A text stream that passes on what is written to it without secrets and control characters."""

    def __init__(self, stream: TextIO, cursor: bool = False) -> None:
        self.stream, self._cursor = stream, cursor

    def write(self, text: str) -> int:
        """Write a text, and return its length as it was given."""
        self.stream.write(escape_controls(redact_values(text), self._cursor))
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Write each of the lines."""
        for line in lines:
            self.write(line)

    def with_cursor(self) -> "SafeStream":
        """Return the same stream for a panel: sequences that move the cursor pass."""
        return SafeStream(self.stream, cursor=True)

    # everything else (fileno, isatty, flush, encoding) is that of the stream
    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)
