"""Apache Kafka's own dump tool reads what we write, and finds nothing wrong with it."""

from __future__ import annotations

import os
import random
import re
from pathlib import Path

import pytest
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from benchmarks.kafka_jars import run_tool
from storage.log_config import LogConfig
from tests.storage.log_support import NOW_MS, create_log
from tests.support.java import FETCH_TIMEOUT_S, require_kafka

TOOL = "org.apache.kafka.tools.DumpLogSegments"
BATCHES = 300
_WRONG = re.compile(r"error|exception|mismatch|isvalid: false|corrupt|out of order|not sorted|invalid", re.IGNORECASE)


def write_log(directory: str) -> int:
    """Writes a log of several segments, all codecs, with idempotent batches between, and returns its end offset."""
    chance = random.Random(3)
    log = create_log(directory, LogConfig(segment_bytes=60_000))
    sequence = 0
    for number in range(BATCHES):
        is_idempotent = chance.random() < 0.5
        builder = DefaultRecordBatchBuilder(
            magic=2,
            compression_type=number % 5,
            is_transactional=False,
            producer_id=7 if is_idempotent else -1,
            producer_epoch=0 if is_idempotent else -1,
            base_sequence=sequence if is_idempotent else -1,
            batch_size=1 << 20,
        )
        count = chance.randint(1, 5)
        for index in range(count):
            timestamp = NOW_MS + number * 10 + chance.randint(-30, 30)
            builder.append(index, timestamp, b"key", chance.randbytes(chance.randint(0, 300)), [("h", b"v")])
        sequence += count if is_idempotent else 0
        log.append(bytes(builder.build()), 1 + number // 100, NOW_MS)
    log.close()
    assert len(log.segments) > 2
    return log.log_end_offset


def dump(directory: str, suffixes: tuple[str, ...], *options: str) -> str:
    files = [f"{directory}/{name}" for name in sorted(os.listdir(directory)) if name.endswith(suffixes)]
    done = run_tool(TOOL, "--files", ",".join(files), *options)
    assert done.returncode == 0, done.stderr
    assert not _WRONG.search(done.stdout + done.stderr), done.stdout[-4000:]
    return done.stdout


@pytest.mark.timeout(FETCH_TIMEOUT_S)
def test_kafkas_dump_tool_reads_our_files(tmp_path: Path) -> None:
    require_kafka()
    directory = str(tmp_path / "orders-0")
    end_offset = write_log(directory)

    records = dump(directory, (".log",), "--deep-iteration")
    assert records.count("isvalid: true") == BATCHES
    assert records.count("| offset: ") == end_offset
    # It takes -1 for the offset before any file that does not start at 0.
    assert all(before == "-1" for before in re.findall(r"^\s*(\S+) is followed by", records, re.MULTILINE))

    indexes = dump(directory, (".index", ".timeindex"))
    assert indexes.count("offset: ") > 40
    assert "passed sanity check" in dump(directory, (".index", ".timeindex"), "--index-sanity-check")
    dump(directory, (".index",), "--verify-index-only")
    assert "producerId: 7" in dump(directory, (".snapshot",))
