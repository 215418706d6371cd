"""How Kafka's messages are declared: one class per structure, one line per field, all versions together.

    class ProduceRequest(Message, api_key=0, versions="3-13", flexible="9+"):
        transactional_id: str | None = string(nullable="3+", default=None)
        acks: int = int16()
        timeout_ms: int = int32()
        topic_data: list[TopicProduceData] = array(TopicProduceData)

Names, types, versions and defaults are those of Kafka's message definitions
(`clients/src/main/resources/common/message`). To a type checker such a class is a dataclass with a keyword-only
constructor; at run time it is a mutable object with slots. Nothing is compiled when a class is made: its constructor is
at the first call, its codecs (`protocol.codec`) at their first use, so that importing a message costs microseconds.

A version range is written `"3+"`, `"3-13"` or `"3"`. A field that a version lacks keeps its default there. On encoding,
a value other than the default is then an error, unless the field is `ignorable` and may be dropped.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, ClassVar, Final, NamedTuple, TypeVar, cast, dataclass_transform, overload

from .codegen import compile_function

T = TypeVar("T")

ZERO_UUID: Final = bytes(16)
"""The topic id that means "none"."""


class Versions(NamedTuple):
    """An inclusive range of API versions."""

    first: int
    last: int

    def __contains__(self, version: object) -> bool:
        return isinstance(version, int) and self.first <= version <= self.last

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"


NO_VERSIONS: Final = Versions(0, -1)
LATEST: Final = 0x7FFF


@lru_cache(maxsize=256)
def parse_versions(text: str) -> Versions:
    """Read a range written `3+`, `3-13`, `3` or `none`."""
    if text == "none":
        return NO_VERSIONS
    first, dash, last = text.partition("-")
    if dash:
        return Versions(int(first), int(last))
    if first.endswith("+"):
        return Versions(int(first[:-1]), LATEST)
    return Versions(int(first), int(first))


class _Required:
    """The type of `REQUIRED`, whose repr shows in signatures."""

    def __repr__(self) -> str:
        return "REQUIRED"


REQUIRED: Final = _Required()


class Field:
    """One field of a structure: its wire type and, per version, whether it is there, may be null, and is tagged."""

    __slots__ = ("default", "element", "ignorable", "kind", "name", "nullable", "tag", "versions")

    def __init__(
        self,
        kind: str,
        versions: str,
        default: object,
        ignorable: bool,
        tag: int | None,
        nullable: str = "none",
        element: Field | type[Struct] | None = None,
    ) -> None:
        self.name = ""  # given by the class that holds the field
        self.kind = kind
        self.versions = parse_versions(versions)
        self.nullable = parse_versions(nullable)
        self.default = default
        self.ignorable = ignorable
        self.tag = tag
        self.element = element

    def __repr__(self) -> str:
        return f"<{self.kind} {self.name}>"

    @property
    def struct(self) -> type[Struct] | None:
        """The class of a structure, or of an array's structures."""
        return self.element if isinstance(self.element, type) else None


# Each specifier below is typed as what the attribute holds, so that a checker compares it with the annotation.


def boolean(
    versions: str = "0+", *, default: object = REQUIRED, ignorable: bool = False, tag: int | None = None
) -> bool:
    """One byte, 0 or 1."""
    return cast("bool", Field("bool", versions, default, ignorable, tag))


def int8(versions: str = "0+", *, default: object = REQUIRED, ignorable: bool = False, tag: int | None = None) -> int:
    """A signed byte."""
    return cast("int", Field("int8", versions, default, ignorable, tag))


def int16(versions: str = "0+", *, default: object = REQUIRED, ignorable: bool = False, tag: int | None = None) -> int:
    """Two bytes, signed, big-endian; error codes too."""
    return cast("int", Field("int16", versions, default, ignorable, tag))


def uint16(versions: str = "0+") -> int:
    """Two bytes, unsigned, big-endian: ports."""
    return cast("int", Field("uint16", versions, REQUIRED, False, None))


def int32(versions: str = "0+", *, default: object = REQUIRED, ignorable: bool = False, tag: int | None = None) -> int:
    """Four bytes, signed, big-endian."""
    return cast("int", Field("int32", versions, default, ignorable, tag))


def int64(versions: str = "0+", *, default: object = REQUIRED, ignorable: bool = False, tag: int | None = None) -> int:
    """Eight bytes, signed, big-endian."""
    return cast("int", Field("int64", versions, default, ignorable, tag))


def float64(versions: str = "0+") -> float:
    """Eight bytes, a double, big-endian."""
    return cast("float", Field("float64", versions, REQUIRED, False, None))


@overload
def string(
    versions: str = "0+", *, default: object = REQUIRED, ignorable: bool = False, tag: int | None = None
) -> str: ...
@overload
def string(
    versions: str = "0+", *, nullable: str, default: object = REQUIRED, ignorable: bool = False, tag: int | None = None
) -> str | None: ...
def string(
    versions: str = "0+",
    *,
    nullable: str = "none",
    default: object = REQUIRED,
    ignorable: bool = False,
    tag: int | None = None,
) -> str | None:
    """UTF-8 of at most 32,767 bytes; its length is an int16, or a varint in flexible versions."""
    return cast("str | None", Field("string", versions, default, ignorable, tag, nullable))


def uuid(versions: str = "0+", *, ignorable: bool = False, tag: int | None = None) -> bytes:
    """Sixteen raw bytes; the default is `ZERO_UUID`."""
    return cast("bytes", Field("uuid", versions, ZERO_UUID, ignorable, tag))


@overload
def binary(versions: str = "0+", *, default: object = REQUIRED, ignorable: bool = False) -> bytes: ...
@overload
def binary(
    versions: str = "0+", *, nullable: str, default: object = REQUIRED, ignorable: bool = False
) -> bytes | None: ...
def binary(
    versions: str = "0+", *, nullable: str = "none", default: object = REQUIRED, ignorable: bool = False
) -> bytes | None:
    """Opaque bytes that outlive the frame, so decoded as a copy; the length is an int32, or a varint if flexible."""
    return cast("bytes | None", Field("bytes", versions, default, ignorable, None, nullable))


def records(versions: str = "0+", *, nullable: str = "none", default: object = REQUIRED) -> Any:
    """Record batches: decoded as a view of the frame, encoded from any part that has a length."""
    return Field("records", versions, default, False, None, nullable)


@overload
def array(
    element: Callable[..., T], versions: str = "0+", *, ignorable: bool = False, tag: int | None = None
) -> list[T]: ...
@overload
def array(
    element: Callable[..., T], versions: str = "0+", *, nullable: str, ignorable: bool = False, tag: int | None = None
) -> list[T] | None: ...
def array(
    element: Callable[..., T],
    versions: str = "0+",
    *,
    nullable: str = "none",
    ignorable: bool = False,
    tag: int | None = None,
) -> list[T] | None:
    """A list of structures (their class) or of plain values (`int32`, `string`); the default is an empty one."""
    inner: Any = element if isinstance(element, type) else element()
    return cast("list[T] | None", Field("array", versions, [], ignorable, tag, nullable, inner))


@overload
def struct(element: type[T], versions: str = "0+", *, ignorable: bool = False, tag: int | None = None) -> T: ...
@overload
def struct(
    element: type[T], versions: str = "0+", *, nullable: str, ignorable: bool = False, tag: int | None = None
) -> T | None: ...
def struct(
    element: type[T],
    versions: str = "0+",
    *,
    nullable: str = "none",
    ignorable: bool = False,
    tag: int | None = None,
) -> T | None:
    """A structure inside a structure; one that may be null is null by default and has a byte before it (KIP-893).

    The default of any other is one shared object with the defaults of all its fields, which refuses assignment: put a
    new object in its place.
    """
    inner: Any = element
    default = inner.__default__() if nullable == "none" else None
    return cast("T | None", Field("struct", versions, default, ignorable, tag, nullable, inner))


# To a checker array, struct and uuid are no field specifiers but plain default values: such fields always have one.
@dataclass_transform(
    kw_only_default=True,
    field_specifiers=(boolean, int8, int16, uint16, int32, int64, float64, string, binary, records),
)
class StructType(type):
    """Turns the declared fields into slots."""

    def __new__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **keywords: Any) -> StructType:
        fields = []
        for attribute, value in namespace.items():
            if isinstance(value, Field):
                value.name = attribute
                fields.append(value)
        for field in fields:
            del namespace[field.name]
        namespace["__slots__"] = tuple(field.name for field in fields)
        namespace["__fields__"] = tuple(fields)
        return super().__new__(cls, name, bases, namespace, **keywords)

    def __init__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **keywords: Any) -> None:
        super().__init__(name, bases, namespace)


class Struct(metaclass=StructType):
    """A structure inside a message; its versions are those of the message."""

    __fields__: ClassVar[tuple[Field, ...]]

    def __init__(self, **values: Any) -> None:
        # The first call of a class makes its real constructor; from then on this one is out of the way.
        cls = type(self)
        compiled: Any = compile_constructor(cls)
        cls.__init__ = compiled  # type: ignore[method-assign]
        compiled(self, **values)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Struct) or self.__fields__ is not other.__fields__:
            return NotImplemented
        return all(getattr(self, field.name) == getattr(other, field.name) for field in self.__fields__)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        values = ", ".join(f"{field.name}={getattr(self, field.name, '?')!r}" for field in self.__fields__)
        return f"{type(self).__name__}({values})"

    @classmethod
    def __default__(cls) -> Struct:
        """The object with all defaults that stands for an absent structure; it cannot be changed."""
        namespace = {"__slots__": (), "__setattr__": _refuse_assignment}
        frozen = cast("type[Struct]", type.__new__(StructType, cls.__name__, (cls,), namespace))
        default = object.__new__(frozen)
        for field in cls.__fields__:
            object.__setattr__(default, field.name, field.default)
        return default


def _refuse_assignment(self: Struct, name: str, value: object) -> None:
    raise AttributeError(f"this {type(self).__name__} is the shared default: assign a new one instead of its {name}")


def _first(versions: str) -> int | None:
    return None if versions == "none" else parse_versions(versions).first


class Versioned(Struct):
    """A structure that stands alone and has versions: a message, or the key or value of a coordinator's record.

    `flexible` are the versions with compact lengths and tagged fields (KIP-482).
    """

    VERSIONS: ClassVar[Versions]
    FLEXIBLE_SINCE: ClassVar[int | None]

    def __init_subclass__(cls, *, versions: str = "none", flexible: str = "none") -> None:
        cls.VERSIONS = parse_versions(versions)
        cls.FLEXIBLE_SINCE = _first(flexible)

    @classmethod
    def is_flexible(cls, version: int) -> bool:
        """Whether this version has compact lengths and tagged fields."""
        return cls.FLEXIBLE_SINCE is not None and version >= cls.FLEXIBLE_SINCE


class Message(Versioned):
    """The body of a request or a response; `flexible_header` differs from `flexible` only where ApiVersions answers."""

    API_KEY: ClassVar[int]
    API_NAME: ClassVar[str]
    """As in Kafka's documentation: `Produce`, `ListOffsets`."""
    HEADER_FLEXIBLE_SINCE: ClassVar[int | None]

    def __init_subclass__(
        cls, *, api_key: int, versions: str, flexible: str = "none", flexible_header: str | None = None
    ) -> None:
        super().__init_subclass__(versions=versions, flexible=flexible)
        cls.API_KEY = api_key
        cls.API_NAME = cls.__name__.removesuffix("Request").removesuffix("Response")
        cls.HEADER_FLEXIBLE_SINCE = cls.FLEXIBLE_SINCE if flexible_header is None else _first(flexible_header)

    @classmethod
    def has_flexible_header(cls, version: int) -> bool:
        """Whether the header before this version's body ends with tagged fields."""
        return cls.HEADER_FLEXIBLE_SINCE is not None and version >= cls.HEADER_FLEXIBLE_SINCE


def compile_constructor(cls: type[Struct]) -> Callable[..., None]:
    """The `__init__` that a dataclass would have: keywords only, each list default a list of its own."""
    parameters = []
    stores = []
    namespace: dict[str, object] = {"REQUIRED": REQUIRED}
    for field in cls.__fields__:
        name = field.name
        if field.kind == "array":
            parameters.append(f"{name}=REQUIRED")
            stores.append(f"self.{name} = [] if {name} is REQUIRED else {name}")
            continue
        if field.default is REQUIRED:
            parameters.append(name)
        else:
            parameters.append(f"{name}=default_{name}")
            namespace[f"default_{name}"] = field.default
        stores.append(f"self.{name} = {name}")
    signature = f"def __init__(self, *, {', '.join(parameters)}):"
    source = "\n    ".join([signature, *stores])
    return compile_function(f"{cls.__name__}.__init__", "__init__", source, namespace)
