"""What outlives the broker, whether it was stopped or killed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kio.schema.errors import ErrorCode

from tests.support.broker_process import BrokerProcess
from tests.support.record_batches import Batch, decode_batches, encode_batch
from tests.support.records_over_the_wire import (
    describe,
    fetch,
    list_offset,
    produce,
    produce_batch,
    read_all,
    values_of,
)
from tests.support.wait import wait_until
from tests.support.wire import WireClient


def restart_cleanly(broker: BrokerProcess) -> None:
    broker.restart()


def kill_and_start(broker: BrokerProcess) -> None:
    broker.kill()
    broker.start()


both_ways = pytest.mark.parametrize("restart", [restart_cleanly, kill_and_start])

Restart = Callable[[BrokerProcess], None]


def create(broker: BrokerProcess, name: str, partitions: int = 1, **configs: str) -> None:
    with broker.connect() as client:
        (result,) = client.ask(
            "CreateTopics",
            7,
            timeout_ms=30_000,
            topics=[
                {
                    "name": name,
                    "num_partitions": partitions,
                    "replication_factor": 1,
                    "configs": [{"name": key.replace("_", "."), "value": value} for key, value in configs.items()],
                }
            ],
        ).topics
    assert result.error_code == 0, result


def topic(broker: BrokerProcess, name: str) -> Any:
    with broker.connect() as client:
        (described,) = describe(client, name).topics
    return described


def new_producer_id(client: WireClient) -> int:
    answer = client.ask("InitProducerId", 4, transactional_id=None, transaction_timeout_ms=60_000)
    assert (answer.error_code, answer.producer_epoch) == (0, 0)
    return int(answer.producer_id)


@both_ways
def test_topics_ids_and_cluster_id_stay(broker: BrokerProcess, restart: Restart) -> None:
    create(broker, "one")
    create(broker, "three", partitions=3)
    before = topic(broker, "one"), topic(broker, "three")
    cluster_id = broker.ready.cluster_id
    restart(broker)
    assert broker.ready.cluster_id == cluster_id
    for old in before:
        new = topic(broker, old.name)
        assert (new.error_code, new.topic_id) == (0, old.topic_id)
        for old_partition, new_partition in zip(old.partitions, new.partitions, strict=True):
            assert new_partition.partition_index == old_partition.partition_index
            assert new_partition.leader_id == old_partition.leader_id


@both_ways
def test_topic_configs_stay_in_force(broker: BrokerProcess, restart: Restart) -> None:
    create(broker, "small", max_message_bytes="500")
    restart(broker)
    with broker.connect() as client:
        produce(client, "small", b"short")
        answer = produce_batch(client, "small", encode_batch([bytes(600)]))
    assert answer.error_code == ErrorCode.message_too_large


@both_ways
def test_records_stay_and_offsets_continue(broker: BrokerProcess, restart: Restart) -> None:
    create(broker, "kept", partitions=2, segment_bytes="1048576")
    with broker.connect() as client:
        for _ in range(30):
            produce(client, "kept", bytes(100_000), partition=1)
        before = read_all(client, "kept", partition=1)
    restart(broker)
    with broker.connect() as client:
        assert read_all(client, "kept", partition=1) == before
        assert produce(client, "kept", b"first", partition=0) == 0
        assert produce(client, "kept", b"next", partition=1) == 30
        assert fetch(client, "kept", 30, partition=1).high_watermark == 31


@both_ways
def test_timestamps_are_found_as_before(broker: BrokerProcess, restart: Restart) -> None:
    create(broker, "kept", segment_bytes="1048576")
    with broker.connect() as client:
        for _ in range(30):
            produce(client, "kept", bytes(100_000))
        records = [record for batch in read_all(client, "kept") for record in batch.records]
    restart(broker)
    with broker.connect() as client:
        for record in records:
            first = next(each for each in records if each.timestamp >= record.timestamp)
            assert list_offset(client, "kept", record.timestamp).offset == first.offset
        assert list_offset(client, "kept", records[-1].timestamp + 1).offset == -1


@both_ways
def test_a_deleted_topic_stays_deleted(make_broker: Callable[..., BrokerProcess], restart: Restart) -> None:
    broker = make_broker("--set", "log.segment.delete.delay.ms=50").start()
    create(broker, "again")
    old = topic(broker, "again")
    with broker.connect() as client:
        produce(client, "again", b"gone")
        (result,) = client.ask("DeleteTopics", 5, timeout_ms=30_000, topic_names=["again"]).responses
        assert result.error_code == 0
    restart(broker)
    assert topic(broker, "again").error_code == ErrorCode.unknown_topic_or_partition
    wait_until(lambda: not partition_directories(broker, "again"), "the files of the deleted topic are removed")
    create(broker, "again")
    assert topic(broker, "again").topic_id != old.topic_id
    with broker.connect() as client:
        assert read_all(client, "again") == []


def partition_directories(broker: BrokerProcess, name: str) -> list[Path]:
    return [path for path in (broker.ready.directory / "broker-0").iterdir() if path.name.startswith(f"{name}-")]


@both_ways
def test_the_leader_epoch_rises_and_old_epochs_end_where_they_ended(broker: BrokerProcess, restart: Restart) -> None:
    create(broker, "led")
    ends: dict[int, int] = {}
    for count in (3, 2, 4):
        epoch = topic(broker, "led").partitions[0].leader_epoch
        assert epoch > max(ends, default=-1)
        with broker.connect() as client:
            for _ in range(count):
                ends[epoch] = produce(client, "led", b"x") + 1
        restart(broker)
    current = topic(broker, "led").partitions[0].leader_epoch
    assert current > max(ends)
    with broker.connect() as client:
        assert {batch.leader_epoch for batch in read_all(client, "led")} == set(ends)

        def ask(leader_epoch: int, current_leader_epoch: int = -1) -> Any:
            partition = {"partition": 0, "leader_epoch": leader_epoch, "current_leader_epoch": current_leader_epoch}
            topics = [{"topic": "led", "partitions": [partition]}]
            (answer,) = client.ask("OffsetForLeaderEpoch", 4, replica_id=-1, topics=topics).topics
            return answer.partitions[0]

        for epoch, end in ends.items():
            found = ask(epoch)
            assert (found.error_code, found.leader_epoch, found.end_offset) == (0, epoch, end)
        assert ask(max(ends), current_leader_epoch=max(ends)).error_code == ErrorCode.fenced_leader_epoch
        assert ask(max(ends), current_leader_epoch=current + 1).error_code == ErrorCode.unknown_leader_epoch


@both_ways
def test_duplicates_are_known_after_a_restart(broker: BrokerProcess, restart: Restart) -> None:
    create(broker, "once")
    with broker.connect() as client:
        producer_id = new_producer_id(client)

        def batch(sequence: int) -> bytes:
            return encode_batch([b"x", b"y"], producer_id=producer_id, producer_epoch=0, base_sequence=sequence)

        batches = [batch(sequence) for sequence in range(0, 14, 2)]
        for offset, each in zip(range(0, 14, 2), batches, strict=True):
            assert produce_batch(client, "once", each).base_offset == offset
    for _ in range(2):
        restart(broker)
        with broker.connect() as client:
            for offset, each in list(zip(range(0, 14, 2), batches, strict=True))[-5:]:
                answer = produce_batch(client, "once", each)
                assert (answer.error_code, answer.base_offset) == (0, offset)
            gap = produce_batch(client, "once", batch(100))
            assert gap.error_code == ErrorCode.out_of_order_sequence_number
            assert list_offset(client, "once", -1).offset == 14
    with broker.connect() as client:
        assert produce_batch(client, "once", batch(14)).base_offset == 14


def test_producer_ids_are_never_given_twice(broker: BrokerProcess) -> None:
    given: list[int] = []
    for number in range(8):
        with broker.connect() as client:
            given += [new_producer_id(client) for _ in range(3)]
        (restart_cleanly if number % 2 else kill_and_start)(broker)
    assert len(set(given)) == len(given)
    assert given == sorted(given)


def test_a_damaged_tail_is_cut_and_named(broker: BrokerProcess) -> None:
    create(broker, "torn")
    with broker.connect() as client:
        for value in (b"zero", b"one", b"two"):
            produce(client, "torn", value)
    broker.kill()
    log = broker.ready.directory / "broker-0" / "torn-0" / f"{0:020}.log"
    # As a crash of the machine may leave it: a batch whose end is missing.
    torn_bytes = 9
    log.write_bytes(log.read_bytes()[:-torn_bytes])
    broker.start()
    assert "torn-0" in broker.log
    with broker.connect() as client:
        assert values_of(read_all(client, "torn")) == [b"zero", b"one"]
        assert produce(client, "torn", b"again") == 2
    broker.restart()
    with broker.connect() as client:
        assert values_of(read_all(client, "torn")) == [b"zero", b"one", b"again"]


def test_garbage_behind_the_last_batch_is_cut(broker: BrokerProcess) -> None:
    create(broker, "torn")
    with broker.connect() as client:
        produce(client, "torn", b"zero")
    broker.kill()
    log = broker.ready.directory / "broker-0" / "torn-0" / f"{0:020}.log"
    whole = log.read_bytes()
    log.write_bytes(whole + bytes(300))
    broker.start()
    assert "torn-0" in broker.log
    assert log.read_bytes() == whole
    with broker.connect() as client:
        assert produce(client, "torn", b"one") == 1


def test_lost_indexes_are_rebuilt(broker: BrokerProcess) -> None:
    create(broker, "kept", segment_bytes="1048576")
    with broker.connect() as client:
        for _ in range(30):
            produce(client, "kept", bytes(100_000))
        before = read_all(client, "kept")
    broker.kill()
    for path in (broker.ready.directory / "broker-0" / "kept-0").iterdir():
        if path.suffix in (".index", ".timeindex"):
            path.unlink()
    broker.start()
    with broker.connect() as client:
        assert read_all(client, "kept") == before
        for batch in before:
            assert values_of(read_one(client, batch.base_offset)) == values_of([batch])


def read_one(client: WireClient, offset: int) -> list[Batch]:
    return decode_batches(fetch(client, "kept", offset, max_bytes=1).records)


def test_the_marker_of_a_clean_stop(broker: BrokerProcess) -> None:
    marker = broker.ready.directory / "broker-0" / ".kafka_cleanshutdown"
    assert not marker.exists()
    assert broker.stop() == 0
    assert marker.exists()
    broker.start()
    assert not marker.exists()
