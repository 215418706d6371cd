"""Records that are deleted under load: by clients and by retention, over crashes, and for as long as it takes."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest
from kio.schema.errors import ErrorCode

from benchmarks.wire import free_ports
from tests.support.broker_process import BrokerProcess
from tests.support.record_batches import decode_batches, encode_batch
from tests.support.records_over_the_wire import fetch, list_offset, produce
from tests.support.wait import wait_until
from tests.support.wire import WireClient

from .producers import LibrdkafkaProducer, RawProducer, RecordingProducer
from .record_deleter import RecordDeleter

ROUNDS = 10
PARTITIONS = 2
TOPIC = "shrinking"
SEGMENT_BYTES = 32 << 10
RETENTION_BYTES = 128 << 10
SEGMENTS_MAX = RETENTION_BYTES // SEGMENT_BYTES + 2
"""Of a log: what retention leaves, which are not quite full, and the one that is written to."""
RESIDENT_GROWTH_BYTES_MAX = 2 << 20


def create_topic(broker: BrokerProcess, partitions: int) -> None:
    configs = {
        "internal.segment.bytes": SEGMENT_BYTES,
        "retention.bytes": RETENTION_BYTES,
        "file.delete.delay.ms": 20,
    }
    topic = {
        "name": TOPIC,
        "num_partitions": partitions,
        "replication_factor": 1,
        "configs": [{"name": name, "value": str(value)} for name, value in configs.items()],
    }
    with broker.connect() as client:
        assert client.ask("CreateTopics", 7, timeout_ms=30_000, topics=[topic]).topics[0].error_code == 0


def log_files(broker: BrokerProcess, partition: int) -> list[Path]:
    """The files of a partition's segments, deleted ones included."""
    return list(broker.ready.directory.glob(f"*/{TOPIC}-{partition}/*.log*"))


@pytest.mark.timeout(300)
def test_kill_while_records_are_deleted(make_broker: Callable[..., BrokerProcess]) -> None:
    broker = make_broker("--set", "log.retention.check.interval.ms=100", port=free_ports(1)[0]).start()
    create_topic(broker, PARTITIONS)
    producers: list[RecordingProducer] = [
        LibrdkafkaProducer("librdkafka", broker.address, TOPIC, PARTITIONS),
        RawProducer("raw", broker.address, TOPIC, PARTITIONS),
    ]
    deleter = RecordDeleter("deleter", broker.address, TOPIC, PARTITIONS)
    for client in (*producers, deleter):
        client.start()
    moments = random.Random()
    for _ in range(ROUNDS):
        await_progress(producers, deleter, moments.randrange(50, 250))
        broker.kill()
        told = {producer.name: list(producer.acknowledged) for producer in producers}
        starts = list(deleter.low_watermarks)
        broker.start()
        check_log(broker, starts, told)
    for client in (*producers, deleter):
        client.finish()
    told = {producer.name: producer.acknowledged for producer in producers}
    check_log(broker, deleter.low_watermarks, told)
    for partition in range(PARTITIONS):
        await_small(broker, partition)
    broker.restart()
    check_log(broker, deleter.low_watermarks, told)
    # Until now the client that deletes may always have been the faster one.
    with broker.connect() as client:

        def retention_deletes() -> bool:
            produce(client, TOPIC, bytes(SEGMENT_BYTES // 2))
            return "by retention.bytes=" in broker.log

        wait_until(retention_deletes, "retention deletes segments")
    assert "Traceback" not in broker.log


def await_progress(producers: list[RecordingProducer], deleter: RecordDeleter, count: int) -> None:
    """Wait until each producer has had so many more records acknowledged, and some more deletions."""
    wanted = [len(producer.acknowledged) + count for producer in producers]
    deletions = deleter.acknowledged + 3

    def reached() -> bool:
        for client in (*producers, deleter):
            if client.failure is not None:
                raise client.failure
        enough = [len(producer.acknowledged) >= total for producer, total in zip(producers, wanted, strict=True)]
        return all(enough) and deleter.acknowledged >= deletions

    wait_until(reached, f"{count} acknowledged records of each producer, and 3 deletions")


def check_log(broker: BrokerProcess, starts: Sequence[int], told: Mapping[str, Sequence[tuple[int, int, int]]]) -> None:
    """No log begins before what was acknowledged as deleted; every other acknowledged record is there, in its place."""
    for partition, acknowledged_start in enumerate(starts):
        with broker.connect() as client:
            stored, start, end = read(client, partition)
        assert start >= acknowledged_start
        assert [offset for offset in range(start, end) if offset not in stored] == []
        for name, acknowledged in told.items():
            for at, number, offset in acknowledged:
                if at == partition:
                    assert offset < end
                    assert offset < start or stored[offset] == [name.encode(), str(number).encode()]


def read(client: WireClient, partition: int) -> tuple[dict[int, list[bytes]], int, int]:
    """Whose each record is and its number, by offset; where the log began at last and ended at first, under load."""
    stored: dict[int, list[bytes]] = {}
    offset, end = (list_offset(client, TOPIC, which, partition=partition).offset for which in (-2, -1))
    while offset < end:
        answer = fetch(client, TOPIC, offset, partition=partition)
        if answer.error_code == ErrorCode.offset_out_of_range:
            offset = list_offset(client, TOPIC, -2, partition=partition).offset
            continue
        for batch in decode_batches(answer.records):
            for record in batch.records:
                stored[record.offset] = (record.value or b"").split(b" ", 2)[:2]
            offset = batch.last_offset + 1
    return stored, list_offset(client, TOPIC, -2, partition=partition).offset, end


def await_small(broker: BrokerProcess, partition: int) -> None:
    """Wait until retention has been enforced, and the deleted files are gone."""

    def is_small() -> bool:
        files = [path.name for path in log_files(broker, partition)]
        return len(files) <= SEGMENTS_MAX and not any(name.endswith(".deleted") for name in files)

    wait_until(is_small, f"at most {SEGMENTS_MAX} files of {TOPIC}-{partition}")


def test_the_disk_the_descriptors_and_the_memory_stay_small(make_broker: Callable[..., BrokerProcess]) -> None:
    """Two thousand segments come and go."""
    broker = make_broker("--set", "log.retention.check.interval.ms=100").start()
    create_topic(broker, partitions=1)
    seen: list[tuple[int, int]] = []
    for _ in range(20):
        with broker.connect() as client:
            for _ in range(25):
                send_segments(client, 4)
        await_small(broker, 0)
        seen.append((descriptors(broker), resident_bytes(broker)))
    with broker.connect() as client:
        start, end = (list_offset(client, TOPIC, which).offset for which in (-2, -1))
        assert end == 20 * 25 * 4
        assert end - start <= SEGMENTS_MAX
    warm = seen[len(seen) // 2]
    assert seen[-1][0] <= warm[0] + 2
    assert seen[-1][1] <= warm[1] + RESIDENT_GROWTH_BYTES_MAX


def send_segments(client: WireClient, count: int) -> None:
    """Produce batches of which each fills a segment, all of them in flight at once."""
    batch = encode_batch([bytes(SEGMENT_BYTES - 100)])
    topics = [{"name": TOPIC, "partition_data": [{"index": 0, "records": batch}]}]
    sent = [client.send("Produce", 9, acks=-1, timeout_ms=30_000, topic_data=topics) for _ in range(count)]
    for correlation_id in sent:
        answer = client.receive("Produce", 9, correlation_id)
        assert answer.responses[0].partition_responses[0].error_code == 0


def descriptors(broker: BrokerProcess) -> int:
    return len(os.listdir(f"/proc/{broker.pid}/fd"))


def resident_bytes(broker: BrokerProcess) -> int:
    with open(f"/proc/{broker.pid}/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
