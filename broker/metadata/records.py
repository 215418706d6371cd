"""The values of the metadata store: compact JSON, so that both engines' own tools can show them.

A field that is not there has its default; an unknown field is ignored, so an older broker can read what a newer one
wrote. Replicas, ISR and leaders are node ids.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar

from protocol.uuid import uuid_from_text, uuid_to_text

from .store import StoreError

_T = TypeVar("_T")


class BrokerRecord(NamedTuple):
    """A broker: how often it was started before this time, and its rack."""

    start_count: int
    rack: str | None


class TopicRecord(NamedTuple):
    """A topic: its id (16 bytes), its configuration overrides, and the replicas of each partition, the leader first."""

    topic_id: bytes
    configs: Mapping[str, str]
    assignment: tuple[tuple[int, ...], ...]


class PartitionRecord(NamedTuple):
    """A partition's state where it is no longer the one its topic was made with; a leader of -1 is none."""

    replicas: tuple[int, ...]
    isr: tuple[int, ...]
    leader: int
    leader_epoch: int


def _encode(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode()


def _decoder(decode: Callable[[bytes], _T]) -> Callable[[bytes], _T]:
    """A decoder that raises StoreError for what it cannot make sense of."""

    @functools.wraps(decode)
    def checked(value: bytes) -> _T:
        try:
            return decode(value)
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise StoreError(f"The metadata holds a value that cannot be read: {value[:100]!r}.") from error

    return checked


def encode_broker(record: BrokerRecord) -> bytes:
    """The value of a `brokers/` key."""
    return _encode({"start_count": record.start_count, "rack": record.rack})


@_decoder
def decode_broker(value: bytes) -> BrokerRecord:
    """Read the value of a `brokers/` key."""
    fields = json.loads(value)
    return BrokerRecord(fields["start_count"], fields.get("rack"))


def encode_topic(record: TopicRecord) -> bytes:
    """The value of a `topics/` key."""
    fields = {"id": uuid_to_text(record.topic_id), "configs": record.configs, "assignment": record.assignment}
    return _encode(fields)


@_decoder
def decode_topic(value: bytes) -> TopicRecord:
    """Read the value of a `topics/` key."""
    fields = json.loads(value)
    return TopicRecord(uuid_from_text(fields["id"]), fields.get("configs", {}), tuple(map(tuple, fields["assignment"])))


def encode_partition(record: PartitionRecord) -> bytes:
    """The value of a `partitions/` key."""
    return _encode(record._asdict())


@_decoder
def decode_partition(value: bytes) -> PartitionRecord:
    """Read the value of a `partitions/` key."""
    fields = json.loads(value)
    return PartitionRecord(tuple(fields["replicas"]), tuple(fields["isr"]), fields["leader"], fields["leader_epoch"])


def encode_configs(configs: Mapping[str, str]) -> bytes:
    """The value of a `configs/` key: properties as the text that was given."""
    return _encode({"configs": configs})


@_decoder
def decode_configs(value: bytes) -> dict[str, str]:
    """Read the value of a `configs/` key."""
    return dict(json.loads(value)["configs"])


def encode_number(number: int) -> bytes:
    """The value of a key that holds a count."""
    return b"%d" % number


@_decoder
def decode_number(value: bytes) -> int:
    """Read the value of a key that holds a count."""
    return int(value)
