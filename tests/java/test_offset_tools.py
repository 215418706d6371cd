"""Kafka's GetOffsetShell shows where partitions begin and end, and DeleteRecordsCommand moves their beginnings."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.support.groups_over_the_wire import describe_group
from tests.support.java import FETCH_TIMEOUT_S
from tests.support.record_batches import Record
from tests.support.records_over_the_wire import fetch, list_offset, produce, read_all, values_of
from tests.support.wire import WireClient

from .tool import Tool, at_once

EARLIEST = -2
LATEST = -1
OFFSET_OUT_OF_RANGE = 1

FIRST_TIMESTAMP_MS = 1_700_000_000_000

pytestmark = pytest.mark.timeout(FETCH_TIMEOUT_S)


@pytest.fixture
def offsets(bootstrap: str) -> Callable[..., list[str]]:
    """Run GetOffsetShell and return the lines that it printed, as TOPIC:PARTITION:OFFSET."""
    tool = Tool("org.apache.kafka.tools.GetOffsetShell", bootstrap)
    return lambda *arguments: tool(*arguments).splitlines()


@pytest.fixture
def topic(wire: WireClient, make_topic: Callable[..., str]) -> str:
    """A topic of three partitions: the first with ten records a second apart, the second with one, the third empty."""
    name = make_topic(partitions=3)
    for number in range(10):
        produce(wire, name, Record(b"value %d" % number, timestamp=FIRST_TIMESTAMP_MS + 1000 * number))
    produce(wire, name, Record(b"lonely", timestamp=FIRST_TIMESTAMP_MS), partition=1)
    return name


def test_get_offsets(offsets: Callable[..., list[str]], topic: str) -> None:
    def at(time: str) -> tuple[str, ...]:
        return ("--topic", topic, "--time", time)

    latest, earliest, greatest, local, timed, late, tiered, pending = at_once(
        offsets,
        ("--topic", topic),
        at("earliest"),
        at("max-timestamp"),
        at("earliest-local"),
        at(str(FIRST_TIMESTAMP_MS + 4500)),
        at(str(FIRST_TIMESTAMP_MS + 9001)),
        at("latest-tiered"),
        at("earliest-pending-upload"),
    )
    assert latest == [f"{topic}:0:10", f"{topic}:1:1", f"{topic}:2:0"]
    assert earliest == local == [f"{topic}:0:0", f"{topic}:1:0", f"{topic}:2:0"]
    assert greatest == [f"{topic}:0:9", f"{topic}:1:0"]
    assert timed == [f"{topic}:0:5"]
    assert late == tiered == pending == []


def test_choose_partitions(
    offsets: Callable[..., list[str]], bootstrap: str, wire: WireClient, topic: str, make_topic: Callable[..., str]
) -> None:
    other = make_topic()
    describe_group(wire, "any")  # makes the internal topic
    some, chosen, everything, users = at_once(
        offsets,
        ("--topic", topic, "--partitions", "0,2"),
        ("--topic-partitions", f"{topic}:1-3,{other}"),
        (),
        ("--exclude-internal-topics",),
    )
    assert some == [f"{topic}:0:10", f"{topic}:2:0"]
    assert sorted(chosen) == sorted([f"{topic}:1:1", f"{topic}:2:0", f"{other}:0:0"])
    assert set(some) | set(chosen) < set(users) < set(everything)
    assert all(line.startswith("__") for line in set(everything) - set(users))
    refusal = Tool("org.apache.kafka.tools.GetOffsetShell", bootstrap).refused("--topic", f"no-{topic}")
    assert "Could not match any topic-partitions with the specified filters" in refusal


def test_delete_records(bootstrap: str, wire: WireClient, topic: str, tmp_path: Path) -> None:
    command = Tool("org.apache.kafka.tools.DeleteRecordsCommand", bootstrap)
    file = tmp_path / "records.json"

    def delete(*offsets: int) -> Sequence[str]:
        """Delete what is before an offset, -1 being the end, of each partition; return the lines of the outcome."""
        partitions = [{"topic": topic, "partition": index, "offset": offset} for index, offset in enumerate(offsets)]
        file.write_text(json.dumps({"version": 1, "partitions": partitions}))
        begins, ends, *outcome = command("--offset-json-file", str(file)).splitlines()
        assert begins == "Executing records delete operation"
        assert ends == "Records delete operation completed:"
        return sorted(outcome)

    def starts() -> list[int]:
        return [list_offset(wire, topic, EARLIEST, partition=index).offset for index in range(3)]

    assert delete(4, -1, 0) == [
        f"partition: {topic}-0\tlow_watermark: 4",
        f"partition: {topic}-1\tlow_watermark: 1",
        f"partition: {topic}-2\tlow_watermark: 0",
    ]
    assert starts() == [4, 1, 0]
    assert [list_offset(wire, topic, LATEST, partition=index).offset for index in range(3)] == [10, 1, 0]
    assert fetch(wire, topic, 3).error_code == OFFSET_OUT_OF_RANGE
    assert values_of(read_all(wire, topic)) == [b"value %d" % number for number in range(4, 10)]

    # Beyond the end nothing is deleted, and what is deleted already stays so.
    refused, done, empty = delete(11, 0, -1)
    assert refused.startswith(
        f"partition: {topic}-0\terror: org.apache.kafka.common.errors.OffsetOutOfRangeException: "
    )
    assert done == f"partition: {topic}-1\tlow_watermark: 1"
    assert empty == f"partition: {topic}-2\tlow_watermark: 0"
    assert starts() == [4, 1, 0]
