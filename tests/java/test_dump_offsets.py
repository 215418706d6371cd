"""Kafka's dump tool reads our `__consumer_offsets`, and finds in it what a real Kafka writes for the same requests."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.kafka import KafkaBroker
from tests.faults.group_members import RawMember, rebalance
from tests.support.broker_process import BrokerProcess
from tests.support.groups_over_the_wire import commit, describe_group
from tests.support.java import FETCH_TIMEOUT_S, require_kafka
from tests.support.wire import WireClient

from .java_process import run_java

TOOL = "org.apache.kafka.tools.DumpLogSegments"
TOPIC = "topic"

PARTITION_OF = {"payments": 13, "billing": 9}
"""By group, its partition: the absolute value of Java's hash of its name, modulo 50. That of the second is negative."""

_RECORD = re.compile(r"^\| .* key: (?P<key>\{.*\}) payload: (?P<payload>\{.*\}|<DELETE>)$")
_COMPLAINT = re.compile(r"error|exception|mismatch|isvalid: false|corrupt|invalid|could not", re.IGNORECASE)


@pytest.mark.timeout(FETCH_TIMEOUT_S)
def test_the_log_of_groups_is_kafkas(make_broker: Callable[..., BrokerProcess], tmp_path: Path) -> None:
    require_kafka()
    broker = make_broker().start()
    member_ids = use_groups(broker.address)
    assert broker.stop() == 0
    ours = {group: dump(broker.ready.directory / "broker-0", group, member_ids) for group in PARTITION_OF}

    with KafkaBroker(tmp_path, properties={"group.initial.rebalance.delay.ms": "100"}) as kafka:
        member_ids = use_groups((kafka.host, kafka.port))
        assert kafka.log_directory is not None
        theirs = {group: dump(kafka.log_directory, group, member_ids) for group in PARTITION_OF}

    assert ours == theirs
    # Lest both be nothing: the last words are the tombstones of the group and of its offset.
    for records in ours.values():
        assert [payload for _, payload in records[-2:]] == [None, None]


def use_groups(address: tuple[str, int]) -> list[str]:
    """Have members join, commit and leave, and delete what they left; return the ids of the members."""
    with WireClient(address) as client:
        topics = [{"name": TOPIC, "num_partitions": 2, "replication_factor": 1}]
        assert client.ask("CreateTopics", 7, timeout_ms=30_000, topics=topics).topics[0].error_code == 0
        describe_group(client, "any")  # waits for the coordinator
        return [member_id for group in PARTITION_OF for member_id in _use_group(client, address, group)]


def _use_group(client: WireClient, address: tuple[str, int], group: str) -> list[str]:
    with RawMember(address, group, TOPIC, 2) as first, RawMember(address, group, TOPIC, 2) as second:
        rebalance([first])
        rebalance([first, second])
        member_ids = [first.member_id, second.member_id]
        for member in (first, second):
            member.commit(dict.fromkeys(member.assignment, 5))
        second.leave()
        rebalance([first])
        first.commit({0: 7, 1: 8})
        first.leave()
    partitions = [{"partition_index": 1}]
    deleted = client.ask("OffsetDelete", 0, group_id=group, topics=[{"name": TOPIC, "partitions": partitions}])
    assert (deleted.error_code, deleted.topics[0].partitions[0].error_code) == (0, 0)
    commit(client, group, TOPIC, {0: 9}, metadata="note")
    (removed,) = client.ask("DeleteGroups", 2, groups_names=[group]).results
    assert removed.error_code == 0
    return member_ids


def dump(directory: Path, group: str, member_ids: list[str]) -> list[tuple[Any, Any]]:
    """Keys and values, parsed, of the records of a group; a tombstone has the value None.

    What two brokers cannot have in common is made equal: ids and times.
    """
    file = directory / f"__consumer_offsets-{PARTITION_OF[group]}" / f"{0:020}.log"
    printed = run_java(TOOL, "--offsets-decoder", "--files", str(file))
    assert not _COMPLAINT.search(printed), printed
    for number, member_id in enumerate(member_ids):
        printed = printed.replace(member_id, f"member {number}")
    printed = re.sub(r'"(commitTimestamp|currentStateTimestamp)":\d+', r'"\1":0', printed)
    printed = re.sub(r'"topicId":"[^"]{22}"', '"topicId":"some"', printed)
    found = [match for line in printed.splitlines() if (match := _RECORD.match(line))]
    assert len(found) == printed.count("\n| "), printed
    return [(json.loads(match["key"]), _value(match["payload"])) for match in found]


def _value(payload: str) -> Any:
    if payload == "<DELETE>":
        return None
    value = json.loads(payload)
    # Kafka keeps members in the order of a hash table.
    value["data"].get("members", []).sort(key=lambda member: member["memberId"])
    return value
