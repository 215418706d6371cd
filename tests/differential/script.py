"""What is sent to both brokers, as text: one request a line, in the syntax of Python.

    c1.CreateTopics(5, topics=[{name: 'orders', num_partitions: 3, replication_factor: 1}])
    m1 = c2.JoinGroup(5, group_id='readers', session_timeout_ms=60000, protocol_type='consumer')
    c2.Heartbeat(4, group_id='readers', generation_id=m1.generation_id, member_id=m1.member_id)
    c1.Produce(9, acks=-1, topic_data=[{name: 'orders', partition_data: [{index: 0, records: batch(2)}]}])

`c1` is a connection, made at its first use. `m1 = ` names an answer, `m1.member_id` is what stands in it, for each
broker in its own. A field that is left out has its default. `c1.start.JoinGroup(...)` does not wait for the answer,
`c1.finish()` does. `_client_id`, `_cut` (bytes taken from the frame's end), `_append` (bytes put there) and `_key`
(another API key) are about the frame.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

Value = Any
"""None, a bool, a number, text, bytes, a Reference, a Call, or a list or a mapping by field names of such."""

FINISH: Final = "finish"
FRAME_OPTIONS: Final = ("_client_id", "_cut", "_append", "_key")


@dataclass(frozen=True)
class Reference:
    """A field of an earlier answer."""

    label: str
    field: str

    def __str__(self) -> str:
        return f"{self.label}.{self.field}"


@dataclass(frozen=True)
class Call:
    """A value that is made when it is sent, as `batch(3)`; `tests.differential.side` has them all."""

    name: str
    arguments: tuple[Value, ...] = ()
    keywords: Mapping[str, Value] = field(default_factory=dict)

    def __str__(self) -> str:
        words = [render_value(argument) for argument in self.arguments]
        words += [f"{name}={render_value(value)}" for name, value in self.keywords.items()]
        return f"{self.name}({', '.join(words)})"


@dataclass(frozen=True)
class Step:
    """One line of a script: a request, or, with the api FINISH, the wait for the answer of one that was started."""

    connection: str
    api: str
    version: int = 0
    fields: Mapping[str, Value] = field(default_factory=dict)
    label: str = ""
    is_started: bool = False

    @property
    def body(self) -> dict[str, Value]:
        """The fields of the message."""
        return {name: value for name, value in self.fields.items() if name not in FRAME_OPTIONS}

    def __str__(self) -> str:
        if self.api == FINISH:
            return f"{self.connection}.finish()"
        words = [str(self.version), *(f"{name}={render_value(value)}" for name, value in self.fields.items())]
        start = "start." if self.is_started else ""
        name = f"{self.label} = " if self.label else ""
        return f"{name}{self.connection}.{start}{self.api}({', '.join(words)})"


Script = Sequence[Step]


def render(script: Script) -> str:
    """Write a script as text."""
    return "".join(f"{step}\n" for step in script)


def parse(text: str) -> list[Step]:
    """Read a script; lines that begin with # are comments. Raises ValueError, naming the line, for anything else."""
    return [_parse_line(line) for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def render_value(value: Value) -> str:
    """Write one value as it stands in a script."""
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{name}: {render_value(item)}' for name, item in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(render_value, value))}]"
    if isinstance(value, str | bytes) and len(value) > 30 and len(set(value)) == 1:
        return f"{value[:1]!r} * {len(value)}"
    if isinstance(value, Reference | Call):
        return str(value)
    return repr(value)


def _parse_line(line: str) -> Step:
    try:
        (statement,) = ast.parse(line.strip()).body
        match statement:
            case ast.Expr(value=ast.Call() as call):
                return _parse_call(call, "")
            case ast.Assign(targets=[ast.Name(id=label)], value=ast.Call() as call):
                return _parse_call(call, label)
        raise ValueError("neither a request nor an answer's name and a request")
    except (SyntaxError, ValueError) as error:
        raise ValueError(f"{error} in the line: {line}") from error


def _parse_call(call: ast.Call, label: str) -> Step:
    fields = {keyword.arg or "": _parse_value(keyword.value) for keyword in call.keywords}
    match call:
        case ast.Call(func=ast.Attribute(value=ast.Name(id=connection), attr="finish"), args=[]):
            return Step(connection, FINISH)
        case ast.Call(func=ast.Attribute(value=ast.Name(id=connection), attr=api), args=[version]):
            return Step(connection, api, _parse_value(version), fields, label)
        case ast.Call(
            func=ast.Attribute(value=ast.Attribute(value=ast.Name(id=connection), attr="start"), attr=api),
            args=[version],
        ):
            return Step(connection, api, _parse_value(version), fields, label, is_started=True)
    raise ValueError("not connection.Api(version, ...)")


def _parse_value(node: ast.expr) -> Value:
    match node:
        case ast.Name(id="nan" | "inf" as name):
            return float(name)
        case ast.Attribute(value=ast.Name(id=label), attr=name):
            return Reference(label, name)
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=keywords):
            return Call(
                name,
                tuple(map(_parse_value, arguments)),
                {keyword.arg or "": _parse_value(keyword.value) for keyword in keywords},
            )
        case ast.Dict(keys=keys, values=values):
            names = [key.id for key in keys if isinstance(key, ast.Name)]
            return dict(zip(names, map(_parse_value, values), strict=True))
        case ast.List(elts=elements):
            return list(map(_parse_value, elements))
        case ast.BinOp(left=unit, op=ast.Mult(), right=ast.Constant(value=int(count))):
            return ast.literal_eval(unit) * count
    return ast.literal_eval(node)
