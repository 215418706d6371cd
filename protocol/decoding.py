"""The compiler of decoders: a message class and a version become one straight-line function.

What it writes looks like this (Produce v9, shortened):

    def decode(buffer, position):
        try:
            limit = len(buffer)
            message = new(ProduceRequest)
            size = buffer[position]
            ...
            message.acks, message.timeout_ms, size = unpack_from_hiB(buffer, position)
            position += 7
            ...
            if position > limit: raise MalformedFrame(...)
            return message, position
        except (struct_error, IndexError) as error:
            raise MalformedFrame("ProduceRequest v9: it ends too early") from error
        except UnicodeDecodeError as error:
            raise MalformedFrame(f"ProduceRequest v9: {error}") from error

Adjacent fields of fixed size, the first byte of a length behind them included, are read by one `struct`; structures
and arrays are inlined. A length is not compared with what is left: a slice past the end only comes out short and leaves
`position` past the limit, where the next read fails, or else the comparison at the end does. Only counts are compared
at once, with the least that so many elements can take, before anything is made for them.

Kafka's leniency is kept: any negative size is null where null has a meaning, varints may be longer than needed, unknown
tags may repeat, any byte but 0 is true. Two things are stricter: text must be UTF-8, and a known tag must end where its
size says.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from struct import Struct as Format
from struct import calcsize
from struct import error as struct_error
from typing import Any, Final

from .codegen import FORMATS, Source
from .errors import MalformedFrame
from .schema import REQUIRED, ZERO_UUID, Field, Struct, Versioned
from .varint import Buffer, read_uvarint

STRING_BYTES_MAX: Final = 0x7FFF


def compile_decoder(cls: type[Versioned], version: int) -> Callable[[memoryview, int], tuple[Any, int]]:
    """Make the function that decodes `version` of `cls` from a buffer and a position."""
    return _DecoderCompiler(cls, version).compile()


class _DecoderCompiler:
    def __init__(self, cls: type[Versioned], version: int) -> None:
        self.message = cls
        self.title = f"{cls.__name__} v{version}"
        self.version = version
        self.flexible = cls.is_flexible(version)
        self.source = Source(
            "buffer end error limit position size tag tags",
            {
                "MalformedFrame": MalformedFrame,
                "ZERO_UUID": ZERO_UUID,
                "int_format": int_format,
                "new": object.__new__,
                "read_more": read_more,
                "read_string_size": read_string_size,
                "skip_tags": skip_tags,
                "struct_error": struct_error,
            },
        )
        self.run: list[tuple[str, str]] = []  # adjacent fields of fixed size not yet written: format, target

    def compile(self) -> Callable[[memoryview, int], tuple[Any, int]]:
        source = self.source
        with source.block("def decode(buffer, position):"):
            with source.block("try:"):
                source.line("limit = len(buffer)")
                self.structure(self.message, source.variable("message"))
                self.flush()
                with source.block("if position > limit:"):
                    source.line(f'raise MalformedFrame(f"{self.title}: {{position - limit}} bytes are missing")')
                source.line("return message, position")
            with source.block("except (struct_error, IndexError) as error:"):
                source.line(f'raise MalformedFrame("{self.title}: it ends too early") from error')
            with source.block("except UnicodeDecodeError as error:"):
                source.line(f'raise MalformedFrame(f"{self.title}: {{error}}") from error')
        return source.compile(f"{self.title} decode", "decode")

    def structure(self, cls: type[Struct], variable: str) -> None:
        """Write the making of one structure: its object, what the version lacks, its fields, its tags."""
        self.source.line(f"{variable} = new({self.source.bind(cls.__name__, cls)})")
        present = [field for field in cls.__fields__ if self.version in field.versions]
        for field in cls.__fields__:
            if field.tag is not None or field not in present:
                self.source.line(f"{variable}.{field.name} = {self.default(field)}")
        for field in present:
            if field.tag is None:
                self.value(field, f"{variable}.{field.name}")
        if self.flexible:
            self.tags([field for field in present if field.tag is not None], variable)

    def default(self, field: Field) -> str:
        """The expression of a field's default."""
        if field.default is REQUIRED:
            raise ValueError(f"{self.title}: {field.name} is not in this version and has no default")
        if field.kind == "struct":
            return self.source.bind(f"default_{field.name}", field.default)
        return "ZERO_UUID" if field.kind == "uuid" else repr(field.default)

    def value(self, field: Field, target: str) -> None:
        """Write the reading of one value into `target`."""
        if field.kind in FORMATS:
            self.run.append((FORMATS[field.kind], target))
        elif field.kind == "struct":
            self.inner_structure(field, target)
        elif field.kind == "array":
            self.array(field, target)
        else:
            self.blob(field, target)

    def inner_structure(self, field: Field, target: str) -> None:
        """Write the reading of a structure, behind a byte that is below 0 for null where it may be null."""
        assert field.struct is not None
        # The default that stands there would refuse the stores, so the new object comes first.
        variable = self.source.variable(field.name)
        if self.version not in field.nullable:
            self.structure(field.struct, variable)
            self.source.line(f"{target} = {variable}")
            return
        self.run.append(("b", "size"))
        self.flush()
        with self.source.block("if size >= 0:"):
            self.structure(field.struct, variable)
            self.flush()
            self.source.line(f"{target} = {variable}")
        self.null(field, target)

    def flush(self) -> None:
        """Write the reading of the pending fields of fixed size."""
        if not self.run:
            return
        formats = [format for format, _ in self.run]
        targets = ", ".join(target for _, target in self.run)
        if formats == ["B"]:
            self.source.line(f"{targets} = buffer[position]")
            self.source.line("position += 1")
        else:
            comma = "," if len(formats) == 1 else ""
            unpack_from = self.source.fixed("unpack_from", formats)
            self.source.line(f"{targets}{comma} = {unpack_from}(buffer, position)")
            self.source.line(f"position += {calcsize('>' + ''.join(formats))}")
        self.run.clear()

    def size(self, classic: str, read_rest: str) -> str:
        """Write the reading of a length or count; return the condition under which there is a value.

        A compact one is a varint, one above the true size, and 0 for null; a classic one is below 0 for null.
        """
        self.run.append(("B" if self.flexible else classic, "size"))
        self.flush()
        if not self.flexible:
            return "size >= 0"
        with self.source.block("if size > 127:"):
            self.source.line(f"size, position = {read_rest}(buffer, position, size)")
        return "size"

    def null(self, field: Field, target: str) -> None:
        """Write what happens where a length or count says null."""
        with self.source.block("else:"):
            if self.version in field.nullable:
                self.source.line(f"{target} = None")
            else:
                self.source.line(f'raise MalformedFrame("{self.title}: {field.name} is null")')

    def blob(self, field: Field, target: str) -> None:
        """Write the reading of a string, of bytes or of records."""
        is_string = field.kind == "string"
        there = self.size("h" if is_string else "i", "read_string_size" if is_string else "read_more")
        with self.source.block(f"if {there}:"):
            self.source.line(f"end = position + size{' - 1' if self.flexible else ''}")
            # A fifth faster than str(view, "utf-8").
            copied = {"string": ".tobytes().decode()", "bytes": ".tobytes()", "records": ""}[field.kind]
            self.source.line(f"{target} = buffer[position:end]{copied}")
            self.source.line("position = end")
        self.null(field, target)

    def array(self, field: Field, target: str) -> None:
        """Write the reading of an array, its elements inlined."""
        source = self.source
        there = self.size("i", "read_more")
        with source.block(f"if {there}:"):
            if self.flexible:
                source.line("size -= 1")
            least = self.least_bytes(field)
            with source.block(f"if size{f' * {least}' if least > 1 else ''} > limit - position:"):
                source.line(f'raise MalformedFrame(f"{self.title}: {field.name} of {{size}} elements does not fit")')
            if isinstance(field.element, Field) and field.element.kind in FORMATS:
                source.line(
                    f"{target} = list(int_format({FORMATS[field.element.kind]!r}, size).unpack_from(buffer, position))"
                )
                source.line(f"position += {least} * size")
            else:
                self.elements(field, target)
        self.null(field, target)

    def elements(self, field: Field, target: str) -> None:
        items = self.source.variable(field.name)
        item = self.source.variable(f"{field.name}_item")
        self.source.line(f"{target} = {items} = []")
        with self.source.block("for _ in range(size):"):
            if field.struct is not None:
                self.structure(field.struct, item)
            else:
                assert isinstance(field.element, Field)
                self.value(field.element, item)
            self.flush()
            self.source.line(f"{items}.append({item})")

    def tags(self, fields: list[Field], variable: str) -> None:
        """Write the reading of the tagged fields that end a structure, of which there are mostly none."""
        source = self.source
        self.run.append(("B", "tags"))
        self.flush()
        with source.block("if tags:"):
            if not fields:
                source.line("position = skip_tags(buffer, position, tags)")
                return
            with source.block("if tags > 127:"):
                source.line("tags, position = read_more(buffer, position, tags)")
            with source.block("for _ in range(tags):"):
                for name in ("tag", "size"):
                    source.line(f"{name} = buffer[position]")
                    source.line("position += 1")
                    with source.block(f"if {name} > 127:"):
                        source.line(f"{name}, position = read_more(buffer, position, {name})")
                end = source.variable("tag_end")
                source.line(f"{end} = position + size")
                for index, field in enumerate(fields):
                    with source.block(f"{'elif' if index else 'if'} tag == {field.tag}:"):
                        self.value(field, f"{variable}.{field.name}")
                        self.flush()
                        with source.block(f"if position != {end}:"):
                            source.line(
                                f'raise MalformedFrame("{self.title}: {field.name} does not end where its tag says")'
                            )
                with source.block("else:"):
                    source.line(f"position = {end}")

    def least_bytes(self, field: Field) -> int:
        """The fewest bytes that one element of an array takes."""
        if field.struct is not None:
            return self.least_struct_bytes(field.struct)
        assert isinstance(field.element, Field)
        return self.least_value_bytes(field.element)

    def least_struct_bytes(self, cls: type[Struct]) -> int:
        present = (field for field in cls.__fields__ if self.version in field.versions and field.tag is None)
        return sum(map(self.least_value_bytes, present)) + self.flexible

    def least_value_bytes(self, field: Field) -> int:
        if field.kind in FORMATS:
            return calcsize(">" + FORMATS[field.kind])
        if field.kind == "struct":
            assert field.struct is not None
            return 1 if self.version in field.nullable else self.least_struct_bytes(field.struct)
        if self.flexible:
            return 1
        return 2 if field.kind == "string" else 4


@lru_cache(maxsize=128)
def int_format(format: str, count: int) -> Format:
    """The struct of an array of `count` numbers."""
    return Format(f">{count}{format}")


def read_more(buffer: Buffer, position: int, first: int) -> tuple[int, int]:
    """Read the rest of a varint of several bytes whose first byte lies right before `position`."""
    second = buffer[position]
    if second < 0x80:
        return first & 0x7F | second << 7, position + 1
    return read_uvarint(buffer, position - 1)


def read_string_size(buffer: Buffer, position: int, first: int) -> tuple[int, int]:
    """As read_more, for the length of a string."""
    size, position = read_more(buffer, position, first)
    if size > STRING_BYTES_MAX + 1:
        raise MalformedFrame(f"a string of {size - 1} bytes")
    return size, position


def skip_tags(buffer: Buffer, position: int, count: int) -> int:
    """Pass over tagged fields that nobody knows, of which the first byte of the count has been read.

    Raises IndexError as well as MalformedFrame; a size too large ends past the buffer, which the next read notices.
    """
    if count > 127:
        count, position = read_more(buffer, position, count)
    for _ in range(count):
        _, position = read_uvarint(buffer, position)
        size, position = read_uvarint(buffer, position)
        position += size
    return position
