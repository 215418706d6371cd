"""Records, to admin clients."""

from __future__ import annotations

from tests.clients.setting import Setting, feature
from tests.support.record_batches import Record, encode_batch
from tests.support.records_over_the_wire import fetch, list_offset, produce, produce_batch, read_all, values_of

OFFSET_OUT_OF_RANGE = 1
UNKNOWN_TOPIC_OR_PARTITION = 3
EARLIEST = -2


@feature("delete records")
def delete_records(setting: Setting) -> None:
    topic = setting.make_topic(partitions=3)
    for partition in range(3):
        produce(setting.wire, topic, *[b"%d" % index for index in range(10)], partition=partition)
    low_watermarks = setting.ask("delete_records", offsets=[[topic, 0, 4], [topic, 1, -1], [topic, 2, 0]])
    assert low_watermarks == [4, 10, 0]
    assert [list_offset(setting.wire, topic, EARLIEST, partition=index).offset for index in range(3)] == [4, 10, 0]
    assert fetch(setting.wire, topic, 3).error_code == OFFSET_OUT_OF_RANGE
    read = setting.ask("consume", topic=topic, count=6)
    assert [each["offset"] for each in read] == list(range(4, 10))


@feature("records that are not there are not deleted, the others are")
def refuse_to_delete(setting: Setting) -> None:
    topic = setting.make_topic(partitions=2)
    for partition in range(2):
        produce(setting.wire, topic, *[b"value"] * 10, partition=partition)
    setting.refused(OFFSET_OUT_OF_RANGE, "delete_records", offsets=[[topic, 0, 11], [topic, 1, 7]])
    assert [list_offset(setting.wire, topic, EARLIEST, partition=index).offset for index in range(2)] == [0, 7]


@feature("offsets by time, asked by the admin client")
def offsets_by_time(setting: Setting) -> None:
    topic = setting.make_topic()
    for timestamp_ms in (1000, 3000, 2000):
        produce(setting.wire, topic, Record(b"value", timestamp=timestamp_ms))
    found = setting.ask(
        "list_offsets", topic=topic, partition=0, times=["earliest", "latest", "max_timestamp", 1500, 5000]
    )
    assert found == [0, 3, 1, 1, -1]


@feature("producers of a partition")
def producers(setting: Setting) -> None:
    topic = setting.make_topic()
    assert setting.ask("producers", topic=topic, partition=0) == []
    made = setting.wire.ask("InitProducerId", 4, transactional_id=None, transaction_timeout_ms=60_000)
    batch = encode_batch([b"value"] * 3, producer_id=made.producer_id, producer_epoch=0, base_sequence=0)
    assert produce_batch(setting.wire, topic, batch).error_code == 0
    assert setting.ask("producers", topic=topic, partition=0) == [[made.producer_id, 0, 2]]
    setting.refused(UNKNOWN_TOPIC_OR_PARTITION, "producers", topic=topic, partition=1)
    assert values_of(read_all(setting.wire, topic)) == [b"value"] * 3
