"""Configuration files: Java's .properties as Kafka reads them, and TOML."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from .config import StartupError

# A line as Properties.load sees it: continued by a backslash that no other one escapes.
_CONTINUED = re.compile(r"(?<!\\)(\\\\)*\\$")
_LINE_END = re.compile(r"\r\n|\r|\n")
_KEY = re.compile(r"(?P<key>(?:[^\\=: \t\f]|\\.)*)[ \t\f]*(?:[=:][ \t\f]*)?(?P<value>.*)", re.DOTALL)
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.|$)", re.DOTALL)
_SPACE = " \t\f"
_ESCAPED = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}


class FileProperties(NamedTuple):
    """What a file says: properties by name, as text, and the lines that they begin on, of .properties alone."""

    file: str
    texts: dict[str, str]
    lines: dict[str, int]

    def place(self, name: str) -> str:
        """Where the property stands, for people."""
        return f"{self.file}, line {self.lines[name]}" if name in self.lines else self.file


def read_config_file(file: str) -> FileProperties:
    """Return the properties of a .properties or .toml file, the last one of a name holding.

    Raises:
        StartupError: it cannot be read, has another ending, or is not what its ending says.
    """
    path = Path(file)
    if path.suffix not in (".properties", ".toml"):
        raise StartupError(f"The configuration file {file} must end in .properties or .toml.")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise StartupError(f"Cannot read the configuration file {file}: {error.strerror}.") from error
    if b"\0" in content:
        raise StartupError(f"The configuration file {file} is not text; write it in UTF-8, one NAME=VALUE a line.")
    text = _decode(content)
    try:
        if path.suffix == ".toml":
            return FileProperties(file, parse_toml(text), {})
        return FileProperties(file, *parse_properties(text))
    except ValueError as error:
        raise StartupError(f"{file}: {error}.") from error


def parse_properties(text: str) -> tuple[dict[str, str], dict[str, int]]:
    """Return the properties of a text in the syntax of java.util.Properties, and the lines that they begin on.

    Raises:
        ValueError: a `\\u` is not followed by four hexadecimal digits.
    """
    properties: dict[str, str] = {}
    lines: dict[str, int] = {}
    for number, line in _logical_lines(text):
        match = _KEY.fullmatch(line)
        assert match is not None, "every line has a key, if an empty one"
        try:
            name, value = _unescape(match["key"]), _unescape(match["value"])
        except ValueError as error:
            raise ValueError(f"line {number} has a {error}") from error
        properties[name], lines[name] = value, number
    return properties, lines


def parse_toml(text: str) -> dict[str, str]:
    """Return the properties of a TOML text: quoted names, dotted names and tables all come to the same.

    Raises:
        ValueError: it is no TOML, or a value is none of string, number, boolean, and list of these.
    """
    import tomllib  # only those pay for it who use it

    return dict(_flatten("", tomllib.loads(text)))


def _decode(content: bytes) -> str:
    """Return a file's text: UTF-8, or else Latin-1, the encoding of .properties files before Java 9."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield the lines that hold a property, without leading space, continued ones joined, by number of the first."""
    pending: str | None = None
    first = 0
    for number, line in enumerate(_LINE_END.split(text), 1):
        stripped = line.lstrip(_SPACE)
        if pending is None:
            if not stripped or stripped[0] in "#!":
                continue
            first = number
        joined = (pending or "") + stripped
        if _CONTINUED.search(joined):
            pending = joined[:-1]
        else:
            pending = None
            yield first, joined
    if pending is not None:
        yield first, pending


def _unescape(text: str) -> str:
    def plain(match: re.Match[str]) -> str:
        escaped = match[1]
        if len(escaped) == 5:
            return chr(int(escaped[1:], 16))
        if escaped == "u":
            raise ValueError("malformed \\u escape")  # without the text, which may be a password
        return _ESCAPED.get(escaped, escaped)

    # Java writes a character beyond the 16-bit plane as two escapes, which are one character only together.
    return _ESCAPE.sub(plain, text).encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _flatten(prefix: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flatten(f"{prefix}.{key}" if prefix else key, inner)
    elif isinstance(value, list):
        yield prefix, ",".join(_scalar(prefix, item) for item in value)
    else:
        yield prefix, _scalar(prefix, value)


def _scalar(name: str, value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str() | int() | float():
            return str(value)
        case _:
            raise ValueError(f"{name} has a value of a type that no property has")
