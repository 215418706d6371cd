"""Producing, but for compression."""

from __future__ import annotations

from typing import Any

import pytest

from tests.clients.client_process import ClientError
from tests.clients.setting import Setting, feature
from tests.support.record_batches import Record
from tests.support.records_over_the_wire import produce, read_all, values_of
from tests.support.wait import wait_until

MESSAGE_TOO_LARGE = 10
FIRST_MS = 1_700_000_000_000


@feature("produce, acks=0")
def produce_acks_0(setting: Setting) -> None:
    topic = setting.make_topic()
    setting.ask("produce", topic=topic, records=_records("a", "b", "c"), acks=0)
    # Nothing tells the client when they are stored.
    wait_until(lambda: values_of(read_all(setting.wire, topic)) == [b"a", b"b", b"c"], "the records are stored")


@feature("produce, acks=1")
def produce_acks_1(setting: Setting) -> None:
    _produce_and_look(setting, acks=1)


@feature("produce, acks=all")
def produce_acks_all(setting: Setting) -> None:
    _produce_and_look(setting, acks="all")


@feature("keys, nulls, headers, timestamps")
def keys_and_headers(setting: Setting) -> None:
    topic = setting.make_topic()
    headers = [["trace", "1"], ["empty", ""], ["trace", "2"]]
    records: list[dict[str, Any]] = [
        {"value": "v", "key": "k", "timestamp": FIRST_MS + 5, "headers": headers},
        {"value": None, "key": "deleted", "timestamp": FIRST_MS},
        {"value": "", "key": None, "timestamp": FIRST_MS + 7},
    ]
    setting.ask("produce", topic=topic, records=records)
    stored = [record for batch in read_all(setting.wire, topic) for record in batch.records]
    assert [(record.timestamp, record.key, record.value) for record in stored] == [
        (FIRST_MS + 5, b"k", b"v"),
        (FIRST_MS, b"deleted", None),
        (FIRST_MS + 7, None, b""),
    ]
    assert stored[0].headers == (("trace", b"1"), ("empty", b""), ("trace", b"2"))
    read = setting.ask("consume", topic=topic, count=3)
    for expected, got in zip(records, read, strict=True):
        assert {key: got[key] for key in expected} == expected


@feature("header without a value")
def null_header(setting: Setting) -> None:
    topic = setting.make_topic()
    produce(setting.wire, topic, Record(b"v", headers=(("null", None),)))
    (read,) = setting.ask("consume", topic=topic, count=1)
    assert read["headers"] == [["null", None]]
    setting.ask("produce", topic=topic, records=[{"value": "v", "headers": [["null", None]]}])
    stored = [record for batch in read_all(setting.wire, topic) for record in batch.records]
    assert stored[1].headers == (("null", None),)


@feature("idempotent producer")
def idempotent_producer(setting: Setting) -> None:
    topic = setting.make_topic()
    values = [f"value {index}" for index in range(500)]
    assert setting.ask("produce", topic=topic, records=_records(*values), idempotent=True) == list(range(500))
    batches = read_all(setting.wire, topic)
    assert values_of(batches) == [value.encode() for value in values]
    assert {batch.producer_epoch for batch in batches} == {0}
    assert len({batch.producer_id for batch in batches}) == 1
    assert all(batch.base_sequence == batch.base_offset for batch in batches)


@feature("message of 1 MB")
def large_message(setting: Setting) -> None:
    topic = setting.make_topic()
    value = "x" * 999_000
    setting.ask("produce", topic=topic, records=_records(value))
    (read,) = setting.ask("consume", topic=topic, count=1)
    assert read["value"] == value


@feature("message of 5 MB is refused")
def too_large_message(setting: Setting) -> None:
    topic = setting.make_topic()
    with pytest.raises(ClientError) as caught:
        setting.ask("produce", topic=topic, records=_records("x" * 5_000_000), max_request_size=10_000_000)
    assert caught.value.code == MESSAGE_TOO_LARGE
    assert read_all(setting.wire, topic) == []


def _produce_and_look(setting: Setting, acks: int | str) -> None:
    topic = setting.make_topic()
    produce(setting.wire, topic, b"before")
    assert setting.ask("produce", topic=topic, records=_records("a", "b", "c"), acks=acks) == [1, 2, 3]
    assert values_of(read_all(setting.wire, topic)) == [b"before", b"a", b"b", b"c"]


def _records(*values: str) -> list[dict[str, Any]]:
    return [{"value": value} for value in values]
