"""The compiler of encoders: a message class and a version become one straight-line function.

What it writes looks like this (the response of Produce v9, shortened):

    def encode(message, parts):
        try:
            out = []
            write = out.append
            ...
            for item in message.responses:
                text = item.name.encode()
                size = len(text) + 1
                write(one_byte[size] if size < 128 else encode_string_size(size))
                write(text)
                ...
            parts.append(b"".join(out))
        except (struct_error, TypeError, AttributeError) as error:
            raise fault(message, error) from error

Adjacent fields of fixed size, and the length behind them if it takes one byte, are packed by one `struct`. Only records
interrupt the joining: they become parts of their own, so that they are never copied. An element of an array whose class
stands alone (`Versioned`) may be given as its bytes, encoded before in the same version.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sized
from struct import calcsize
from struct import error as struct_error
from typing import Any, Final

from .codegen import FORMATS, Source
from .decoding import STRING_BYTES_MAX, int_format
from .schema import ZERO_UUID, Field, Struct, Versioned
from .varint import encode_uvarint

Part = bytes | bytearray | memoryview | Sized
"""A piece of a frame: bytes, or something that has a length and knows how to be sent, such as a span of a file."""

INTEGER_BITS: Final = {"int8": 8, "int16": 16, "int32": 32, "int64": 64}
ONE_BYTE: Final = tuple(bytes((value,)) for value in range(128))


def compile_encoder(cls: type[Versioned], version: int) -> Callable[[Any, list[Part]], None]:
    """Make the function that appends the parts of a `cls` in `version` to a list."""
    return _EncoderCompiler(cls, version).compile()


class _EncoderCompiler:
    def __init__(self, cls: type[Versioned], version: int) -> None:
        self.message = cls
        self.title = f"{cls.__name__} v{version}"
        self.version = version
        self.flexible = cls.is_flexible(version)
        self.write = "write"
        self.source = Source(
            "count data error out parts size tags text values write",
            {
                "ZERO_UUID": ZERO_UUID,
                "encode_string_size": encode_string_size,
                "encode_uvarint": encode_uvarint,
                "fault": self.fault,
                "int_format": int_format,
                "one_byte": ONE_BYTE,
                "struct_error": struct_error,
                "unsupported": self.unsupported,
            },
        )
        self.run: list[tuple[str, str]] = []  # adjacent fields of fixed size not yet written: format, expression

    def compile(self) -> Callable[[Any, list[Part]], None]:
        source = self.source
        with source.block("def encode(message, parts):"):
            with source.block("try:"):
                source.line("out = []")
                source.line("write = out.append")
                self.structure(self.message, source.variable("message"))
                self.flush()
                source.line('parts.append(b"".join(out))')
            with source.block("except (struct_error, TypeError, AttributeError, UnicodeEncodeError) as error:"):
                source.line("raise fault(message, error) from error")
        return source.compile(f"{self.title} encode", "encode")

    def structure(self, cls: type[Struct], variable: str) -> None:
        """Write the fields of one structure and its tags; refuse what the version cannot carry."""
        for field in cls.__fields__:
            if self.version not in field.versions and not field.ignorable:
                with self.source.block(f"if {self.differs(field, f'{variable}.{field.name}')}:"):
                    self.source.line(f'raise unsupported("{cls.__name__}.{field.name}")')
        present = [field for field in cls.__fields__ if self.version in field.versions]
        for field in present:
            if field.tag is None:
                self.value(field, f"{variable}.{field.name}")
        if self.flexible:
            tagged = [field for field in present if field.tag is not None]
            self.tags(sorted(tagged, key=lambda field: field.tag or 0), variable)

    def differs(self, field: Field, expression: str) -> str:
        """The condition under which a field holds something else than its default."""
        if field.kind == "struct":
            default = self.source.bind(f"default_{field.name}", field.default)
            return f"{expression} is not {default} and {expression} != {default}"
        if field.default is None:
            return f"{expression} is not None"
        default = "ZERO_UUID" if field.kind == "uuid" else repr(field.default)
        return f"{expression} != {default}"

    def value(self, field: Field, value: str) -> None:
        """Write the encoding of one value, given as an expression."""
        if field.kind in FORMATS:
            if field.kind == "uuid":  # which struct would pad or cut
                with self.source.block(f"if len({value}) != 16:"):
                    self.source.line(f'raise TypeError("{field.name} is not 16 bytes long")')
            self.run.append((FORMATS[field.kind], value))
        elif field.kind == "struct":
            self.inner_structure(field, value)
        elif field.kind == "array":
            self.array(field, value)
        elif field.kind == "string":
            self.string(field, value)
        elif field.kind == "bytes":
            self.data_size(field, value)
            with self.source.block("if data:"):
                self.source.line(f"{self.write}(data)")
        else:
            self.records(field, value)

    def inner_structure(self, field: Field, value: str) -> None:
        """Write a structure, behind a byte that is -1 for null where it may be null."""
        assert field.struct is not None
        variable = self.source.variable(field.name)
        self.source.line(f"{variable} = {value}")
        if self.version not in field.nullable:
            self.structure(field.struct, variable)
            return
        self.flush()
        with self.source.block(f"if {variable} is None:"):
            self.source.line(f'{self.write}(b"\\xff")')
        with self.source.block("else:"):
            self.run.append(("b", "1"))
            self.structure(field.struct, variable)
            self.flush()

    def flush(self, size: str | None = None, encode_size: str = "encode_uvarint") -> None:
        """Write the packing of the pending fields of fixed size, and of a compact length behind them."""
        formats = [format for format, _ in self.run]
        values = [value for format, value in self.run if format != "x"]
        self.run.clear()
        if not formats:
            packed = ""
        elif values:
            packed = f"{self.source.fixed('pack', formats)}({', '.join(values)})"
        else:
            packed = repr(bytes(len(formats)))
        if size is None:
            if packed:
                self.source.line(f"{self.write}({packed})")
        elif not packed:
            self.source.line(f"{self.write}(one_byte[{size}] if {size} < 128 else {encode_size}({size}))")
        else:
            with self.source.block(f"if {size} < 128:"):
                pack = self.source.fixed("pack", [*formats, "B"])
                self.source.line(f"{self.write}({pack}({', '.join([*values, size])}))")
            with self.source.block("else:"):
                self.source.line(f"{self.write}({packed} + {encode_size}({size}))")

    def size(self, classic: str, encode_size: str = "encode_uvarint") -> None:
        """Write the encoding of the length or count in `size`, which is one above the true one if compact."""
        if self.flexible:
            self.flush("size", encode_size)
        else:
            self.run.append((classic, "size"))
            self.flush()

    @property
    def null_size(self) -> int:
        return 0 if self.flexible else -1

    @property
    def plus_one(self) -> str:
        return " + 1" if self.flexible else ""

    def string(self, field: Field, value: str) -> None:
        source = self.source
        if self.version in field.nullable:
            source.line(f"text = {value}")
            with source.block("if text is None:"):
                source.line('text = b""')
                source.line(f"size = {self.null_size}")
            with source.block("else:"):
                source.line("text = text.encode()")
                source.line(f"size = len(text){self.plus_one}")
        else:
            source.line(f"text = {value}.encode()")
            source.line(f"size = len(text){self.plus_one}")
        self.size("h", "encode_string_size")
        source.line(f"{self.write}(text)")

    def data_size(self, field: Field, value: str) -> None:
        """Write the length of bytes or records, which stay in `data`."""
        self.source.line(f"data = {value}")
        null = f"{self.null_size} if data is None else " if self.version in field.nullable else ""
        self.source.line(f"size = {null}len(data){self.plus_one}")
        self.size("i")

    def records(self, field: Field, value: str) -> None:
        """Write the length of records, what has gathered so far as one part, and the records as another."""
        assert self.write == "write", "records inside a tag would be out of order"
        source = self.source
        self.data_size(field, value)
        with source.block("if data:"):
            source.line('parts.append(b"".join(out))')
            source.line("out.clear()")
            source.line("parts.append(data)")

    def array(self, field: Field, value: str) -> None:
        """Write the count of an array and its elements, inlined."""
        source = self.source
        items = source.variable(field.name)
        source.line(f"{items} = {value}")
        nullable = self.version in field.nullable
        source.line(
            f"size = {f'{self.null_size} if {items} is None else ' if nullable else ''}len({items}){self.plus_one}"
        )
        self.size("i")
        if isinstance(field.element, Field) and field.element.kind in FORMATS:
            with source.block(f"if {items}:"):
                pack = f"int_format({FORMATS[field.element.kind]!r}, len({items})).pack"
                source.line(f"{self.write}({pack}(*{items}))")
            return
        item = source.variable(f"{field.name}_item")
        with source.block(f"for {item} in {items}{' or ()' if nullable else ''}:"):
            if field.struct is not None and issubclass(field.struct, Versioned):
                # What has an encoder of its own may have been encoded before.
                with source.block(f"if {item}.__class__ is bytes:"):
                    source.line(f"{self.write}({item})")
                    source.line("continue")
            if field.struct is not None:
                self.structure(field.struct, item)
            else:
                assert isinstance(field.element, Field)
                self.value(field.element, item)
            self.flush()

    def tags(self, fields: list[Field], variable: str) -> None:
        """Write the tagged fields that end a structure: those that differ from their default, in ascending order."""
        if not fields:
            self.run.append(("x", ""))
            return
        source = self.source
        conditions = []
        for field in fields:
            condition = source.variable(f"has_{field.name}")
            source.line(f"{condition} = {self.differs(field, f'{variable}.{field.name}')}")
            conditions.append(condition)
        count = source.variable("tags")
        source.line(f"{count} = {' + '.join(conditions)}")
        self.run.append(("B", count))
        self.flush()
        with source.block(f"if {count}:"):
            for field, condition in zip(fields, conditions, strict=True):
                with source.block(f"if {condition}:"):
                    self.tag(field, f"{variable}.{field.name}")

    def tag(self, field: Field, value: str) -> None:
        """Write one tagged field: its tag, its size, and its value, which may be encoded apart to learn its size."""
        source = self.source
        if field.kind in FORMATS:
            prefix = encode_uvarint(field.tag or 0) + encode_uvarint(calcsize(">" + FORMATS[field.kind]))
            self.run.append((f"{len(prefix)}s", repr(prefix)))
            self.value(field, value)
            self.flush()
            return
        body = source.variable(f"{field.name}_body")
        source.line(f"{body} = []")
        outer, self.write = self.write, f"{body}.append"
        self.value(field, value)
        self.flush()
        self.write = outer
        source.line(f'{body} = b"".join({body})')
        source.line(f"{self.write}({encode_uvarint(field.tag or 0)!r} + encode_uvarint(len({body})) + {body})")

    def unsupported(self, field: str) -> ValueError:
        """The error for a value that this version would drop silently."""
        return ValueError(f"{self.title} cannot carry {field}")

    def fault(self, message: Struct, error: Exception) -> ValueError:
        """The error for a value that cannot be encoded; it looks for the field, which `struct` does not name."""
        return ValueError(f"{self.title}: {_find_fault(message, self.message, self.version, '') or error}")


def _find_fault(struct: object, cls: type[Struct], version: int, path: str) -> str | None:
    if not isinstance(struct, cls):
        return f"{path or 'the message'} is no {cls.__name__} but {struct!r}"
    faults = (
        _find_value_fault(field, getattr(struct, field.name), version, f"{path}.{field.name}".lstrip("."))
        for field in cls.__fields__
        if version in field.versions
    )
    return next((fault for fault in faults if fault), None)


def _find_value_fault(field: Field, value: Any, version: int, path: str) -> str | None:
    if value is None:
        return None if version in field.nullable else f"{path} is None"
    if field.kind == "array":
        items = enumerate(value)
        faults: Iterator[str | None]
        if isinstance(field.element, Field):
            element = field.element
            faults = (_find_value_fault(element, item, version, f"{path}[{index}]") for index, item in items)
        else:
            cls = field.struct or Struct
            encoded = bytes if issubclass(cls, Versioned) else ()
            faults = (
                _find_fault(item, cls, version, f"{path}[{index}]")
                for index, item in items
                if not isinstance(item, encoded)
            )
        return next((fault for fault in faults if fault), None)
    if field.struct is not None:
        return _find_fault(value, field.struct, version, path)
    if field.kind in INTEGER_BITS:
        half = 1 << INTEGER_BITS[field.kind] - 1
        fits = isinstance(value, int) and -half <= value < half
    elif field.kind == "uint16":
        fits = isinstance(value, int) and 0 <= value < 1 << 16
    elif field.kind == "float64":
        fits = isinstance(value, int | float)
    elif field.kind == "string":
        fits = isinstance(value, str) and len(value.encode(errors="replace")) <= STRING_BYTES_MAX
        fits = fits and value.encode(errors="replace").decode() == value  # no lone surrogates
    elif field.kind == "bytes":
        fits = isinstance(value, bytes | bytearray | memoryview)
    else:
        fits = field.kind != "uuid" or (isinstance(value, bytes) and len(value) == 16)
    return None if fits else f"{path} is no {field.kind}: {value!r:.80}"


def encode_string_size(size: int) -> bytes:
    """The compact length, one above the true one, of a string that may be too long."""
    if size > STRING_BYTES_MAX + 1:
        raise TypeError(f"a string of {size - 1} bytes is longer than {STRING_BYTES_MAX}")
    return encode_uvarint(size)
