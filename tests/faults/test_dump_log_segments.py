"""Kafka's dump tool reads what stock clients have made a broker write, over a clean stop and a kill."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.kafka import run_tool
from tests.clients.client_process import ClientProcess
from tests.clients.clients import CLIENTS
from tests.support.broker_process import BrokerProcess
from tests.support.java import FETCH_TIMEOUT_S, require_kafka
from tests.support.record_batches import CODECS
from tests.support.records_over_the_wire import read_all, values_of

TOOL = "org.apache.kafka.tools.DumpLogSegments"
TOPIC = "dumped"
RECORDS_PER_CODEC = 60
VALUE_CHARACTERS = 6_000

_COMPLAINT = re.compile(
    r"error|exception|mismatch|isvalid: false|corrupt|out of order|not sorted|invalid", re.IGNORECASE
)


@pytest.mark.timeout(FETCH_TIMEOUT_S)
def test_kafka_reads_a_brokers_files(make_broker: Callable[..., BrokerProcess], tmp_path: Path) -> None:
    require_kafka()
    broker = make_broker("--set", "log.segment.bytes=1048576").start()
    count = 0
    for stop in (broker.stop, broker.kill):
        for name in ("kafka-python 3.0.12", "aiokafka 0.14.0"):
            count += produce_with(name, broker, tmp_path)
        stop()
        broker.start()
    with broker.connect() as client:
        batches = read_all(client, TOPIC)
    assert len(values_of(batches)) == count
    assert {batch.codec for batch in batches} == set(CODECS)
    assert broker.stop() == 0

    directory = broker.ready.directory / "broker-0" / f"{TOPIC}-0"
    assert len(list(directory.glob("*.log"))) > 2
    records = dump(directory, ".log", "--deep-iteration")
    assert records.count("isvalid: true") == len(batches)
    assert records.count("| offset: ") == count
    for codec in CODECS:
        assert f"compresscodec: {codec}" in records
    for suffix in (".index", ".timeindex"):
        assert dump(directory, suffix, "--index-sanity-check").count("passed sanity check") > 2
        dump(directory, suffix)
    snapshots = dump(directory, ".snapshot")
    for producer_id in {batch.producer_id for batch in batches}:
        assert f"producerId: {producer_id} " in snapshots


def produce_with(name: str, broker: BrokerProcess, tmp_path: Path) -> int:
    """Have a client produce with every codec, idempotently, and return how many records that were."""
    source = random.Random(1)
    (client,) = (client for client in CLIENTS if client.name == name)
    process = ClientProcess(client, broker.bootstrap, tmp_path / f"{name}.log")
    try:
        for codec in CODECS:
            # Half of it repeats, so that every codec has something to do and something is left of it.
            values = [source.randbytes(VALUE_CHARACTERS // 2).hex() for _ in range(RECORDS_PER_CODEC)]
            process.ask(
                "produce",
                topic=TOPIC,
                records=[{"value": value, "key": str(index)} for index, value in enumerate(values)],
                codec=None if codec == "none" else codec,
                idempotent=True,
            )
    finally:
        process.close()
    return RECORDS_PER_CODEC * len(CODECS)


def dump(directory: Path, suffix: str, *options: str) -> str:
    """Run the tool on all files of a kind; it must not complain of anything."""
    files = ",".join(str(path) for path in sorted(directory.glob(f"*{suffix}")))
    done = run_tool(TOOL, "--files", files, *options)
    output = done.stdout + done.stderr
    assert done.returncode == 0, output[-4000:]
    complaint = _COMPLAINT.search(output)
    assert complaint is None, output[max(complaint.start() - 500, 0) : complaint.end() + 500] if complaint else ""
    return done.stdout
