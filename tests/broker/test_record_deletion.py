"""Retention over all partitions of a broker: what goes, what is logged, and what a failing disk does to it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from broker.partition import Partition
from storage.log import Expired
from tests.storage.log_support import FailingFilesystem, broken, no_space
from tests.support.hosted_topics import HostedTopics, batch

BATCH_BYTES = len(batch(b"x"))
TWO_BATCHES = {"internal.segment.bytes": str(2 * BATCH_BYTES)}


@pytest.fixture
def filesystem() -> FailingFilesystem:
    return FailingFilesystem()


@pytest.fixture
async def broker(tmp_path: Path, filesystem: FailingFilesystem) -> AsyncIterator[HostedTopics]:
    made = HostedTopics(tmp_path, {"log.segment.delete.delay.ms": "1000"}, filesystem=filesystem)
    yield made
    made.close()


def fill(broker: HostedTopics, topic: str, count: int = 5, index: int = 0) -> None:
    for _ in range(count):
        broker.append(topic, b"x", index=index)


def starts(broker: HostedTopics, topic: str, partitions: int = 1) -> list[int]:
    return [broker.partition(topic, index).log_start_offset for index in range(partitions)]


def files(directory: Path, pattern: str) -> list[str]:
    return sorted(os.path.relpath(path, directory) for path in directory.glob(pattern))


async def test_each_topic_by_its_own_settings(broker: HostedTopics, tmp_path: Path) -> None:
    by_size = {**TWO_BATCHES, "retention.bytes": str(3 * BATCH_BYTES), "file.delete.delay.ms": "0"}
    await broker.create("by-size", 2, configs=by_size)
    await broker.create("by-age", configs={**TWO_BATCHES, "retention.ms": "5000"})
    await broker.create("kept", configs={**TWO_BATCHES, "retention.ms": "0", "cleanup.policy": ""})
    await broker.create("compacted", configs={**TWO_BATCHES, "retention.ms": "0", "cleanup.policy": "compact"})
    for topic in ("by-size", "by-age", "kept", "compacted"):
        fill(broker, topic)
    await broker.record_deletion.enforce_retention()
    assert starts(broker, "by-size", 2) == [2, 0]
    assert starts(broker, "by-age") == [0]
    broker.clock.advance(5001)
    fill(broker, "by-age", 1)
    await broker.record_deletion.enforce_retention()
    assert starts(broker, "by-age") == [4], "the last record shares its segment with the fifth"
    assert starts(broker, "kept") == starts(broker, "compacted") == [0]
    # Those without a delay are due, those with the broker's default not yet.
    assert broker.logs.remove_deleted() == 1000
    assert files(tmp_path, "*/*.log*") == sorted(
        [
            *(f"by-size-0/{offset:020d}.log" for offset in (2, 4)),
            f"by-size-1/{0:020d}.log",
            *(f"by-age-0/{offset:020d}.log.deleted" for offset in (0, 2)),
            f"by-age-0/{4:020d}.log",
            *(f"{topic}-0/{offset:020d}.log" for topic in ("kept", "compacted") for offset in (0, 2, 4)),
        ]
    )


async def test_an_expired_log_is_emptied_and_goes_on(broker: HostedTopics) -> None:
    await broker.create("t", configs={"retention.ms": "5000"})
    fill(broker, "t")
    broker.clock.advance(5001)
    await broker.record_deletion.enforce_retention()
    partition = broker.partition("t")
    assert (partition.log_start_offset, partition.high_watermark, partition.log.size_bytes) == (5, 5, 0)
    fill(broker, "t")
    await broker.record_deletion.enforce_retention()
    assert (partition.log_start_offset, partition.high_watermark) == (5, 10)


async def test_one_line_says_what_went_and_why(broker: HostedTopics, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    configs = {**TWO_BATCHES, "retention.ms": "5000", "retention.bytes": str(5 * BATCH_BYTES)}
    await broker.create("t", configs=configs)
    fill(broker, "t", 2)
    fill(broker, "t", 6)
    broker.clock.advance(5001)
    fill(broker, "t", 2)
    await broker.record_deletion.enforce_retention()
    await broker.record_deletion.enforce_retention()
    assert [record.message for record in caplog.records if record.name == "broker.record_deletion"] == [
        f"[t-0] Deleted segments: 2 by retention.bytes={5 * BATCH_BYTES}, 2 by retention.ms=5000; "
        f"{8 * BATCH_BYTES} bytes, and the log begins at offset 8 now"
    ]


async def test_what_is_not_committed_stays(broker: HostedTopics) -> None:
    await broker.create("t", configs={**TWO_BATCHES, "retention.bytes": "0"})
    fill(broker, "t")
    broker.partition("t").high_watermark = 3
    await broker.record_deletion.enforce_retention()
    assert starts(broker, "t") == [2]


async def test_a_full_disk_gets_room(broker: HostedTopics, filesystem: FailingFilesystem, tmp_path: Path) -> None:
    await broker.create("t", configs={**TWO_BATCHES, "retention.bytes": "0", "file.delete.delay.ms": "0"})
    await broker.create("u", configs={"retention.bytes": "0", "file.delete.delay.ms": "0"})
    fill(broker, "t")
    fill(broker, "u")
    filesystem.fail["pwrite"] = filesystem.fail["create"] = no_space
    for _ in range(2):
        await broker.record_deletion.enforce_retention()
    assert broker.logs.remove_deleted() is None
    assert starts(broker, "t") == [4], "a new segment needs room"
    assert files(tmp_path, "*/*.log*") == [f"t-0/{4:020d}.log", f"u-0/{0:020d}.log"]
    assert broker.logs.online_directories == [str(tmp_path)]
    filesystem.fail.clear()
    await broker.record_deletion.enforce_retention()
    assert broker.logs.remove_deleted() is None
    assert files(tmp_path, "*/*.log*") == [f"t-0/{5:020d}.log", f"u-0/{5:020d}.log"]


async def test_a_broken_disk_ends_it_for_its_directory(broker: HostedTopics, filesystem: FailingFilesystem) -> None:
    await broker.create("t", 2, configs={"retention.bytes": "0"})
    for index in range(2):
        fill(broker, "t", index=index)
    filesystem.fail["create"] = broken
    await broker.record_deletion.enforce_retention()
    assert broker.logs.online_directories == []
    await broker.record_deletion.enforce_retention()


async def test_what_ends_a_round_keeps_no_files_of_those_before(
    broker: HostedTopics, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fail(partition: Partition, now_ms: int) -> Expired | None:
        if partition.index == 1:
            raise RuntimeError("a bug")
        return expire(partition, now_ms)

    await broker.create("t", 3, configs={"retention.bytes": "0", "file.delete.delay.ms": "0"})
    for index in range(3):
        fill(broker, "t", index=index)
    expire = Partition.expire
    monkeypatch.setattr(Partition, "expire", fail)
    with pytest.raises(RuntimeError):
        await broker.record_deletion.enforce_retention()
    assert starts(broker, "t", 3) == [5, 0, 0]
    assert broker.logs.remove_deleted() is None
    assert files(tmp_path, "t-0/*.log*") == [f"t-0/{5:020d}.log"]
    assert (tmp_path / "log-start-offset-checkpoint").read_text() == "0\n1\nt 0 5\n"


async def test_a_deleted_topic_is_left_alone(broker: HostedTopics) -> None:
    topic = await broker.create("t", configs={"retention.bytes": "0"})
    fill(broker, "t")
    await broker.delete(topic)
    await broker.record_deletion.enforce_retention()


async def test_a_topic_made_again_keeps_its_files(broker: HostedTopics, tmp_path: Path) -> None:
    topic = await broker.create("t", configs={"retention.bytes": "0", "file.delete.delay.ms": "0"})
    fill(broker, "t")
    partition = broker.partition("t")
    expired = partition.expire(broker.clock.now_ms())
    assert expired is not None
    await broker.delete(topic)
    await broker.create("t")
    fill(broker, "t", 1)
    broker.logs.delete_segments({partition.log: expired.segments})
    broker.logs.remove_deleted()
    assert files(tmp_path, "t-0/*.log*") == [f"t-0/{0:020d}.log"]


async def test_what_cannot_be_deleted_yet_goes_later(
    broker: HostedTopics, filesystem: FailingFilesystem, tmp_path: Path
) -> None:
    await broker.create("t", configs={**TWO_BATCHES, "retention.bytes": "0", "file.delete.delay.ms": "0"})
    fill(broker, "t")
    filesystem.fail["unlink"] = no_space  # as where a removal takes room itself
    await broker.record_deletion.enforce_retention()
    filesystem.fail.clear()
    await broker.record_deletion.enforce_retention()
    assert broker.logs.remove_deleted() is None
    assert files(tmp_path, "*/*.log*") == [f"t-0/{5:020d}.log"]
