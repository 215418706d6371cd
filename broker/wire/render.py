"""Messages as readable text and as JSON: one line each, the same for the same message, whatever made it.

    render(message, 9)      transactional_id=null acks=-1 timeout_ms=30000 topic_data=[{name="orders" ...}]
    render_json(message, 9) {"transactional_id": null, "acks": -1, "timeout_ms": 30000, "topic_data": [...]}
    to_plain(message, 9)    what json.loads makes of the latter: dicts, lists, strings, numbers, None

Fields have the names and the order of their declarations; those that the version lacks are left out, and so are tagged
fields that have their default and are not on the wire. Error codes are shown by name, topic ids in Kafka's base64.
Bytes are text where they are text, everything else of them is `\\xNN` (`escape`); secrets are `<hidden>`.

Records, and more than the first bytes of a binary field, are only shown where `contents` are asked for: then as a list
of batches (`record_contents`), decompressed. `to_plain` shows them unless told otherwise, since it is for comparing.

A renderer is compiled for each class and version at its first use, as codecs are, and for the same reason: the log of a
busy broker costs what rendering costs.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from protocol.codec import decoder
from protocol.codegen import FORMATS, Source
from protocol.errors import ErrorCode
from protocol.schema import ZERO_UUID, Field, Struct, Versioned
from protocol.uuid import uuid_to_text

from .escaping import escape, quote, quote_escaped
from .record_contents import describe
from .secrets import SECRET_FIELDS, is_secret_config

HIDDEN: Final = "<hidden>"
BINARY_BYTES_SHOWN: Final = 64
"""How much of a binary field is shown where contents are not asked for."""

Renderer = Callable[[Any], str]


def render(message: Versioned, version: int, *, contents: bool = False) -> str:
    """Return the message as a line of readable text."""
    return renderer(type(message), version, contents=contents)(message)


def render_json(message: Versioned, version: int, *, contents: bool = False) -> str:
    """Return the message as a JSON object on one line."""
    return renderer(type(message), version, contents=contents, as_json=True)(message)


def to_plain(message: Versioned, version: int, *, contents: bool = True) -> dict[str, Any]:
    """Return the message as plain values, to be compared or normalized."""
    plain: dict[str, Any] = json.loads(render_json(message, version, contents=contents))
    return plain


def plain_to_text(value: Any) -> str:
    """Return plain values in the style of readable text."""
    if isinstance(value, dict):
        return f"{{{' '.join(f'{name}={plain_to_text(item)}' for name, item in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(plain_to_text, value))}]"
    if isinstance(value, str):
        return quote_escaped(value)
    return json.dumps(value)


def _plain_to_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


class _ErrorNames(dict[int, str]):
    """The names of error codes; a code that is not known is its number."""

    def __missing__(self, code: int) -> str:
        return str(int(code))


class _Style(NamedTuple):
    """How the two forms differ."""

    label: str
    separator: str
    errors: _ErrorNames
    word: Callable[[str], str]
    """How a word is written that is not the wire's own text, as `<hidden>`."""
    escaped: Callable[[str], str]
    plain: Callable[[Any], str]


_TEXT: Final = _Style(
    label="{}=",
    separator=" ",
    errors=_ErrorNames({int(code): code.name for code in ErrorCode}),
    word=str,
    escaped=quote_escaped,
    plain=plain_to_text,
)
_JSON: Final = _Style(
    label='"{}": ',
    separator=", ",
    errors=_ErrorNames({int(code): f'"{code.name}"' for code in ErrorCode}),
    word=quote,
    escaped=quote,
    plain=_plain_to_json,
)

# What is kept here depends on nothing but the declarations, as with codecs.
_renderers: dict[tuple[type[Versioned], int, bool, bool], Renderer] = {}


def renderer(cls: type[Versioned], version: int, *, contents: bool = False, as_json: bool = False) -> Renderer:
    """The function that renders a `cls` of `version`. It takes what a decoder makes and what an encoder takes."""
    key = (cls, version, contents, as_json)
    function = _renderers.get(key)
    if function is None:
        style = _JSON if as_json else _TEXT
        function = _renderers[key] = _RendererCompiler(cls, version, style, contents).compile()
    return function


class _RendererCompiler:
    """Writes one function for each structure of a message, which fills a template with the structure's fields:

    def AbortedTransaction(s): return '{producer_id=%d first_offset=%d}' % (s.producer_id, s.first_offset)
    """

    def __init__(self, cls: type[Versioned], version: int, style: _Style, contents: bool) -> None:
        self.message = cls
        self.version = version
        self.style = style
        self.functions: dict[type[Struct], str] = {}
        self.source = Source(
            "item s",
            {
                "ZERO_UUID": ZERO_UUID,
                "binary": self._binary_whole if contents else self._binary_cut,
                "config_value": self._config_value,
                "errors": style.errors,
                "hidden": style.word(HIDDEN),
                "quote": quote,
                "records": self._records if contents else self._records_size,
                "uuid": self._uuid,
            },
        )

    def compile(self) -> Renderer:
        name = self.function(self.message)
        return self.source.compile(f"{self.message.__name__} v{self.version} render", name)

    def function(self, cls: type[Struct]) -> str:
        """Write the function of a structure, behind those of the structures in it; return its name."""
        if cls in self.functions:
            return self.functions[cls]
        present = [field for field in cls.__fields__ if self.version in field.versions]
        templates: list[str] = []
        expressions: list[str] = []
        for field in (field for field in present if field.tag is None):
            template, expression = self.value(cls, field)
            templates.append(self.style.separator + self.label(field) + template)
            expressions.append(expression)
        for field in (field for field in present if field.tag is not None):
            template, expression = self.value(cls, field)
            text = f"{self.style.separator + self.label(field) + template!r} % ({expression},)"
            templates.append("%s")
            expressions.append(f"({text} if {self.differs(field)} else '')")
        arguments = f"({', '.join(expressions)}{',' if len(expressions) == 1 else ''})"
        body = f"({''.join(templates)!r} % {arguments})[{len(self.style.separator)}:]"
        if cls is not self.message or self.style is _JSON:
            body = f"'{{' + {body} + '}}'"
        name = self.functions[cls] = self.source.variable(cls.__name__)
        with self.source.block(f"def {name}(s):"):
            if cls is not self.message and issubclass(cls, Versioned):
                # What stands alone may have been encoded before, for the encoder's sake.
                decode = self.source.bind(f"decode_{name}", decoder(cls, self.version))
                self.source.line(f"if s.__class__ is bytes: s = {decode}(memoryview(s), 0)[0]")
            self.source.line(f"return {body}")
        return name

    def label(self, field: Field) -> str:
        return self.style.label.format(field.name)

    def differs(self, field: Field) -> str:
        """The condition under which a tagged field is on the wire."""
        if field.kind == "struct":
            default = self.source.bind(f"default_{field.name}", field.default)
            return f"s.{field.name} is not {default} and s.{field.name} != {default}"
        return f"s.{field.name} != {'ZERO_UUID' if field.kind == 'uuid' else repr(field.default)}"

    def value(self, cls: type[Struct], field: Field) -> tuple[str, str]:
        """Return the conversion that a template has for the field, and the expression of its value."""
        value = f"s.{field.name}"
        if (cls.__name__, field.name) in SECRET_FIELDS:
            return "%s", "hidden"
        if field.name == "value" and field.kind == "string" and any(each.name == "name" for each in cls.__fields__):
            return "%s", f"config_value(s.name, {value})"
        if field.name.endswith("error_code") and field.kind == "int16":
            return "%s", f"errors[{value}]"
        if field.kind == "bool":
            return "%s", f"('true' if {value} else 'false')"
        if field.kind == "float64":
            return "%r", value
        if field.kind in FORMATS and field.kind != "uuid":
            return "%d", value
        text = self.array(field, value) if field.kind == "array" else f"{self.converter(field)}({value})"
        return "%s", f"('null' if {value} is None else {text})" if self.version in field.nullable else text

    def array(self, field: Field, value: str) -> str:
        element = field.element if isinstance(field.element, Field) else field
        return f"'[' + ', '.join(map({self.converter(element)}, {value})) + ']'"

    def converter(self, field: Field) -> str:
        """The name of the function that renders one value of the field, or one element of an array of structures."""
        if field.struct is not None:
            return self.function(field.struct)
        return {"string": "quote", "uuid": "uuid", "bytes": "binary", "records": "records"}.get(field.kind, "str")

    def _uuid(self, value: bytes) -> str:
        return self.style.word(uuid_to_text(value))

    def _binary_whole(self, data: bytes) -> str:
        return self.style.escaped(escape(data))

    def _binary_cut(self, data: bytes) -> str:
        if len(data) <= BINARY_BYTES_SHOWN:
            return self.style.escaped(escape(data))
        return self.style.escaped(f"{escape(data[:BINARY_BYTES_SHOWN])}... ({len(data)} bytes)")

    def _records(self, data: Any) -> str:
        return self.style.plain(describe(data))

    def _records_size(self, data: Any) -> str:
        return self.style.word(f"<{len(data)} bytes>")

    def _config_value(self, name: str, value: str | None) -> str:
        if value is None:
            return "null"
        return self.style.word(HIDDEN) if is_secret_config(name) else quote(value)
