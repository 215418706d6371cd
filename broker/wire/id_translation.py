"""Recorded requests with the ids in them that another broker has given out since.

A topic that is made again has another id, a member that joins again another name, and later requests must have those.
Two `Normalizer`s know which is which: what the recorded broker called by a placeholder, the new one calls so too.
"""

from __future__ import annotations

import struct
from typing import Any, Final

from protocol.checksum import crc32c
from protocol.codec import Part, encoder
from protocol.errors import MalformedFrame
from protocol.record_batch import NO_PRODUCER_ID, read_header
from protocol.schema import Field, Struct
from protocol.uuid import uuid_from_text, uuid_to_text

from .decoding import Undecoded, decode_request
from .normalize import IDS, Normalizer
from .render import to_plain

_CRC: Final = struct.Struct(">I")
_CRC_POSITION: Final = 17
_CRC_START: Final = 21
_PRODUCER_ID: Final = struct.Struct(">q")
_PRODUCER_ID_POSITION: Final = 43


def translate(frame: bytes, recorded: Normalizer, new: Normalizer) -> bytes:
    """Return a recorded request as it has to be sent to the new broker; what cannot be decoded stays as it is.

    Both sides learn the ids that the client has made up.
    """
    view = memoryview(frame)
    try:
        header, message = decode_request(view)
    except MalformedFrame:
        return frame
    if isinstance(message, Undecoded):
        return frame
    version = header.api_version
    recorded.request(to_plain(message, version))
    translator = _Translator(version, recorded, new)
    translator.struct(message)
    new.request(to_plain(message, version))
    if not translator.has_changed:
        return frame  # with all that may be in it that is not known here
    parts: list[Part] = [frame[: header.body_position]]
    encoder(type(message), version)(message, parts)
    return b"".join(parts)  # type: ignore[arg-type]  # a request holds no spans of files


class _Translator:
    """Puts the new broker's ids into one message, in place."""

    def __init__(self, version: int, recorded: Normalizer, new: Normalizer) -> None:
        self.version = version
        self.recorded = recorded
        self.new = new
        self.has_changed = False

    def struct(self, message: Struct) -> None:
        for field in message.__fields__:
            if self.version in field.versions:
                value = getattr(message, field.name)
                translated = self.value(field, value)
                if translated is not value and translated != value:
                    setattr(message, field.name, translated)
                    self.has_changed = True

    def value(self, field: Field, value: Any) -> Any:
        if value is None:
            return None
        if field.kind == "records":
            return self.records(value)
        if field.struct is not None:
            for item in value if field.kind == "array" else [value]:
                self.struct(item)
            return value
        kind = IDS.get(field.name)
        if kind is None:
            return value
        if isinstance(value, list):
            return [self.id(kind, item) for item in value]
        return self.id(kind, value)

    def id(self, kind: str, value: Any) -> Any:
        if isinstance(value, bytes):
            return uuid_from_text(self.id(kind, uuid_to_text(value)))
        translated = self.new.value(self.recorded.placeholder_or_kind(kind, value))
        return value if translated is None else translated

    def records(self, batch: memoryview) -> memoryview | bytearray:
        """Return a producer's batch with its new id, and the checksum that this makes."""
        try:
            producer_id = read_header(batch).producer_id
        except MalformedFrame:
            return batch
        if producer_id == NO_PRODUCER_ID:
            return batch
        copy = bytearray(batch)
        _PRODUCER_ID.pack_into(copy, _PRODUCER_ID_POSITION, self.id("producer", producer_id))
        _CRC.pack_into(copy, _CRC_POSITION, crc32c(memoryview(copy)[_CRC_START:]))
        return copy
