"""Consuming without a group, and asking for offsets."""

from __future__ import annotations

from tests.clients.setting import Setting, feature
from tests.support.record_batches import Record
from tests.support.records_over_the_wire import produce

FIRST_MS = 1_700_000_000_000


@feature("consume from the beginning")
def consume_from_beginning(setting: Setting) -> None:
    topic = setting.make_topic(partitions=2)
    for partition in (0, 1):
        for start in range(0, 100, 10):
            produce(setting.wire, topic, *_values(partition, start, start + 10), partition=partition)
    read = setting.ask("consume", topic=topic, partitions=[0, 1], count=200)
    for partition in (0, 1):
        got = [(each["offset"], each["value"]) for each in read if each["partition"] == partition]
        assert got == [(offset, f"{partition}: {offset}") for offset in range(100)]


@feature("seek to an offset")
def seek(setting: Setting) -> None:
    topic = setting.make_topic()
    for start in range(0, 100, 10):
        produce(setting.wire, topic, *_values(0, start, start + 10))
    # The broker sends the whole batch, and the client drops what lies before the offset.
    read = setting.ask("consume", topic=topic, offset=45, count=55)
    assert [each["offset"] for each in read] == list(range(45, 100))


@feature("offset out of range is reset")
def offset_out_of_range(setting: Setting) -> None:
    topic = setting.make_topic()
    produce(setting.wire, topic, b"a", b"b")
    read = setting.ask("consume", topic=topic, offset=1000, reset="earliest", count=2)
    assert [each["offset"] for each in read] == [0, 1]


@feature("first and end offsets")
def beginning_and_end(setting: Setting) -> None:
    topic = setting.make_topic()
    assert setting.ask("offsets", topic=topic, timestamps=[]) == {"beginning": 0, "end": 0, "times": []}
    produce(setting.wire, topic, b"a", b"b", b"c")
    assert setting.ask("offsets", topic=topic, timestamps=[]) == {"beginning": 0, "end": 3, "times": []}


@feature("offsets by timestamp")
def offsets_by_timestamp(setting: Setting) -> None:
    topic = setting.make_topic()
    for index in range(5):
        times = (FIRST_MS + index * 1000, FIRST_MS + index * 1000 + 500)
        produce(setting.wire, topic, *(Record(b"x", timestamp=timestamp) for timestamp in times))
    timestamps = [0, FIRST_MS + 1500, FIRST_MS + 1501, FIRST_MS + 60_000]
    found = setting.ask("offsets", topic=topic, timestamps=timestamps)["times"]
    assert found[3] is None
    assert [offset for offset, _ in found[:3]] == [0, 3, 4]
    assert [timestamp for _, timestamp in found[:3]] in (
        [FIRST_MS, FIRST_MS + 1500, FIRST_MS + 2000],
        [None] * 3,  # a client that does not tell
    )


@feature("read committed")
def read_committed(setting: Setting) -> None:
    topic = setting.make_topic()
    produce(setting.wire, topic, b"a", b"b")
    read = setting.ask("consume", topic=topic, count=2, read_committed=True)
    assert [each["value"] for each in read] == ["a", "b"]


@feature("wait for new records")
def tail(setting: Setting) -> None:
    topic = setting.make_topic()
    produce(setting.wire, topic, b"old")
    (read,) = setting.ask("tail", topic=topic, value="new")
    assert (read["offset"], read["value"]) == (1, "new")


@feature("log append time")
def log_append_time(setting: Setting) -> None:
    topic = setting.make_topic(message_timestamp_type="LogAppendTime")
    setting.ask("produce", topic=topic, records=[{"value": "v", "timestamp": FIRST_MS}])
    (read,) = setting.ask("consume", topic=topic, count=1)
    assert read["is_log_append_time"] is True
    assert read["timestamp"] > FIRST_MS


def _values(partition: int, start: int, end: int) -> list[bytes]:
    return [f"{partition}: {offset}".encode() for offset in range(start, end)]
