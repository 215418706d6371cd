"""Kafka's own admin client, called from Java: each method that a single broker without security can answer."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.support.admin_over_the_wire import directories_of, node_id, overrides, partitions_of, topics
from tests.support.groups_over_the_wire import list_groups
from tests.support.java import FETCH_TIMEOUT_S, require_kafka
from tests.support.records_over_the_wire import describe, list_offset
from tests.support.under_test import settled
from tests.support.wire import WireClient

from .java_process import run_to_end

PROGRAM = Path(__file__).with_name("AdminCalls.java")
FIRST_TIMESTAMP_MS = 1_700_000_000_000

CLUSTER_OPERATIONS = ["ALTER", "ALTER_CONFIGS", "CLUSTER_ACTION", "CREATE", "DESCRIBE", "DESCRIBE_CONFIGS"]
TOPIC_OPERATIONS = ["ALTER", "ALTER_CONFIGS", "CREATE", "DELETE", "DESCRIBE", "DESCRIBE_CONFIGS", "READ", "WRITE"]

pytestmark = pytest.mark.timeout(FETCH_TIMEOUT_S)


class Answer(NamedTuple):
    """What a call came to; `error` is the simple name of the exception's class."""

    result: Any = None
    error: str | None = None
    message: str | None = None


class Calls(NamedTuple):
    """The topic that the program has made, and what each of its calls came to."""

    topic: str
    answers: dict[str, Answer]

    def result(self, name: str) -> Any:
        """What a call returned, which must not have failed."""
        answer = self.answers[name]
        assert answer.error is None, answer
        return answer.result

    def results(self, name: str) -> dict[str, Any]:
        """By what is said behind its name, what each call of a method returned, none of which must have failed."""
        found = [each for each in self.answers if each.startswith(f"{name}, ")]
        return {each.removeprefix(f"{name}, "): self.result(each) for each in found}

    def errors(self, *names: str) -> Sequence[str | None]:
        """The exceptions of some calls."""
        return [self.answers[name].error for name in names]


@pytest.fixture(scope="module")
def calls(bootstrap: str) -> Calls:
    require_kafka()
    topic = f"test-{secrets.token_hex(4)}"
    done = run_to_end(str(PROGRAM), bootstrap, topic)
    assert done.exit_code == 0, done
    lines = [json.loads(line) for line in done.output.splitlines()]
    return Calls(topic, {line.pop("name"): Answer(**line) for line in lines})


def test_cluster(calls: Calls, bootstrap: str, wire: WireClient) -> None:
    node = node_id(wire)
    assert calls.result("describeCluster") == {
        "clusterId": wire.ask("DescribeCluster", 0).cluster_id,
        "controller": node,
        "nodes": [f"{bootstrap} (id: {node} rack: null isFenced: false)"],
        "operations": [*CLUSTER_OPERATIONS, "IDEMPOTENT_WRITE"],
    }
    versions = wire.ask("ApiVersions", 4, client_software_name="wire", client_software_version="1")
    assert calls.result("describeFeatures") == {
        "supported": {each.name: [each.min_version, each.max_version] for each in versions.supported_features},
        "finalized": {each.name: each.max_version_level for each in versions.finalized_features},
    }
    quorum = calls.result("describeMetadataQuorum")
    ((voter, end),) = quorum["voters"]
    assert (quorum["leader"], voter, quorum["nodes"], quorum["observers"]) == (node, node, [node], 0)
    assert end >= quorum["highWatermark"] > 0
    assert calls.errors("updateFeatures", "unregisterBroker") == [
        "InvalidUpdateVersionException",
        "BrokerIdNotRegisteredException",
    ]


def test_topics(calls: Calls, wire: WireClient) -> None:
    node = node_id(wire)
    assert calls.result("createTopics, only validated") == [2, 1]
    created = calls.result("createTopics")
    topic_id = created.pop("id")
    assert created == {
        "partitions": 2,
        "replicationFactor": 1,
        "retention": "retention.ms=60000 DYNAMIC_TOPIC_CONFIG",
    }
    assert calls.result("listTopics") == [topic_id, False]
    for way in ("describeTopics", "describeTopics, by id"):
        assert calls.result(way) == {
            "id": topic_id,
            "name": calls.topic,
            "partitions": [[index, node, [node], 1] for index in range(4)],
            "operations": TOPIC_OPERATIONS,
        }
    for done in ("createPartitions, only validated", "createPartitions", "deleteTopics"):
        assert calls.result(done) is None
    assert calls.errors(
        "createTopics, again",
        "createPartitions, fewer",
        "describeTopics, missing",
        "describeTopics, missing id",
        "deleteTopics, missing",
        "deleteTopics, missing id",
    ) == [
        "TopicExistsException",
        "InvalidPartitionsException",
        "UnknownTopicOrPartitionException",
        "UnknownTopicIdException",
        "UnknownTopicOrPartitionException",
        "UnknownTopicIdException",
    ]
    (described,) = describe(wire, calls.topic).topics
    assert base64.urlsafe_b64encode(described.topic_id.bytes).decode().rstrip("=") == topic_id
    assert len(partitions_of(wire, calls.topic)) == 4
    assert settled(lambda: f"{calls.topic}-doomed" not in topics(wire), "the other topic is gone")


def test_configs(calls: Calls, bootstrap: str, wire: WireClient) -> None:
    assert calls.result("describeConfigs") == {
        "entry": "max.message.bytes=1048588 DEFAULT_CONFIG",
        "type": "INT",
        "readOnly": False,
        "synonyms": ["DEFAULT_CONFIG message.max.bytes"],
        "documented": True,
    }
    of_broker = calls.result("describeConfigs, of a broker")
    assert of_broker["source"] == "STATIC_BROKER_CONFIG"
    assert of_broker["listeners"].startswith("PLAINTEXT://127.0.0.1:")
    assert calls.result("incrementalAlterConfigs") is None
    assert calls.result("incrementalAlterConfigs, only validated") is None
    assert calls.errors("incrementalAlterConfigs, invalid") == ["InvalidConfigurationException"]
    assert calls.result("describeConfigs, altered") == ["cleanup.policy=delete,compact", "max.message.bytes=2000"]
    assert overrides(wire, calls.topic) == {"cleanup.policy": "delete,compact", "max.message.bytes": "2000"}

    node = str(node_id(wire))
    assert {calls.topic, f"{calls.topic}-doomed"} <= set(calls.result("listConfigResources, TOPIC"))
    assert calls.result("listConfigResources, BROKER") == [node]
    assert calls.result("listConfigResources, BROKER_LOGGER") == [node]
    assert calls.result("listConfigResources, CLIENT_METRICS") == []
    assert calls.result("listConfigResources, GROUP") == []
    assert calls.errors("listConfigResources, UNKNOWN") == ["UnsupportedVersionException"]


def test_records(calls: Calls, wire: WireClient) -> None:
    assert calls.results("listOffsets") == {
        "earliest": [0, -1],
        "latest": [3, -1],
        "maxTimestamp": [2, FIRST_TIMESTAMP_MS + 2],
        "forTimestamp": [1, FIRST_TIMESTAMP_MS + 1],
    }
    (producer,) = calls.result("describeProducers")
    assert producer == {
        "epoch": 0,
        "lastSequence": 2,
        "lastTimestamp": FIRST_TIMESTAMP_MS + 2,
        "inTransaction": False,
    }
    assert calls.result("deleteRecords") == 2
    assert calls.errors("deleteRecords, beyond the end") == ["OffsetOutOfRangeException"]
    assert [list_offset(wire, calls.topic, special).offset for special in (-2, -1)] == [2, 3]


def test_replicas(calls: Calls, wire: WireClient) -> None:
    directory, size = directories_of(wire, calls.topic)[0]
    assert calls.result("describeReplicaLogDirs") == directory
    described = calls.result("describeLogDirs")
    assert described["totalBytes"] > described["usableBytes"] > 0
    assert (described["size"], described["isFuture"], described["offsetLag"]) == (size, False, 0)
    assert calls.result("alterReplicaLogDirs") is None
    assert [calls.result(f"electLeaders, all {kind}") for kind in ("PREFERRED", "UNCLEAN")] == [[], []]
    assert calls.result("alterPartitionReassignments") is None
    assert calls.result("listPartitionReassignments") == 0
    assert calls.errors(
        "alterReplicaLogDirs, nowhere",
        "electLeaders, PREFERRED",
        "electLeaders, UNCLEAN",
        "alterPartitionReassignments, to nobody",
        "alterPartitionReassignments, cancelled",
    ) == [
        "LogDirNotFoundException",
        "ElectionNotNeededException",
        "ElectionNotNeededException",
        "InvalidReplicaAssignmentException",
        "NoReassignmentInProgressException",
    ]


def test_groups(calls: Calls, wire: WireClient) -> None:
    for done in ("alterConsumerGroupOffsets", "deleteConsumerGroupOffsets", "deleteConsumerGroups"):
        assert calls.result(done) is None
    assert calls.result("listConsumerGroupOffsets") == {"0": [2, "note"], "1": [0, ""]}
    assert calls.result("listConsumerGroupOffsets, less") == 1
    assert calls.result("listGroups") == ["Classic", "Empty", ""]
    assert calls.result("describeClassicGroups") == "Empty"
    assert calls.result("describeConsumerGroups") == {
        "type": "Classic",
        "state": "Empty",
        "coordinator": node_id(wire),
        "members": 0,
    }
    assert (
        calls.errors("describeConsumerGroups, missing", "deleteConsumerGroups, again")
        == ["GroupIdNotFoundException"] * 2
    )
    assert f"group-of-{calls.topic}" not in list_groups(wire)


def test_security(calls: Calls) -> None:
    assert calls.errors("describeAcls", "createAcls", "deleteAcls") == ["SecurityDisabledException"] * 3
    assert calls.result("describeClientQuotas") == 0
    assert calls.result("describeUserScramCredentials") == {}
    assert calls.errors("alterClientQuotas", "describeUserScramCredentials, missing") == [
        "InvalidRequestException",
        "ResourceNotFoundException",
    ]
