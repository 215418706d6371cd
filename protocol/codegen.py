"""Generated source, and functions made of it whose lines show in tracebacks."""

from __future__ import annotations

import linecache
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from struct import Struct
from typing import Any, Final

FORMATS: Final = {
    "bool": "?",
    "int8": "b",
    "int16": "h",
    "uint16": "H",
    "int32": "i",
    "int64": "q",
    "float64": "d",
    "uuid": "16s",
}
"""What `struct` calls the kinds of fixed size."""

_IDENTIFIERS: Final = {"?": "t", "16s": "u"}


class Source:
    """Lines of Python in the making, and the names that they take from outside."""

    def __init__(self, reserved: str, namespace: dict[str, Any]) -> None:
        self.namespace = namespace
        self._lines: list[str] = []
        self._indent = ""
        self._taken = {*reserved.split(), *namespace}

    def line(self, text: str) -> None:
        self._lines.append(f"{self._indent}{text}\n")

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        """Indent what is written inside under `head`, such as `if n:`."""
        self.line(head)
        self._indent += "    "
        yield
        self._indent = self._indent[:-4]

    def variable(self, name: str) -> str:
        """A name like `name` that is not in use yet."""
        unique, count = name, 1
        while unique in self._taken:
            count += 1
            unique = f"{name}_{count}"
        self._taken.add(unique)
        return unique

    def bind(self, name: str, value: object) -> str:
        """Make `value` known as `name`, or as a name like it if another value has that one."""
        unique, count = name, 1
        while self.namespace.setdefault(unique, value) is not value:
            count += 1
            unique = f"{name}_{count}"
        return unique

    def fixed(self, verb: str, formats: list[str]) -> str:
        """The name of a bound `unpack_from` or `pack` of these adjacent fields."""
        name = f"{verb}_{''.join(_IDENTIFIERS.get(format, format) for format in formats)}"
        if name not in self.namespace:
            self.namespace[name] = getattr(Struct(">" + "".join(formats)), verb)
        return name

    def compile(self, title: str, name: str) -> Callable[..., Any]:
        """The function `name` that the lines define."""
        return compile_function(title, name, "".join(self._lines), self.namespace)


def compile_function(title: str, name: str, source: str, namespace: dict[str, Any]) -> Callable[..., Any]:
    """Execute `source` in `namespace` and return the function `name` that it defines.

    `title` names the source in tracebacks (`<ottla ProduceRequest v9 decode>`), where `linecache` finds its lines.
    """
    filename = f"<ottla {title}>"
    exec(compile(source, filename, "exec"), namespace)
    # A modification time of None keeps linecache.checkcache from looking for the file on disk and dropping the entry.
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    function: Callable[..., Any] = namespace[name]
    return function
