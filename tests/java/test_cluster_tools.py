"""Kafka's tools that describe a whole cluster: its quorum, features, APIs, brokers and id."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import pytest

from tests.conftest import Address
from tests.support.admin_over_the_wire import node_id
from tests.support.java import FETCH_TIMEOUT_S, require_kafka
from tests.support.records_over_the_wire import produce
from tests.support.under_test import foreign_address
from tests.support.wire import WireClient

from .java_process import Outcome, run_to_end
from .tool import Tool, at_once

_FEATURE = re.compile(
    r"Feature: (?P<name>\S+)\s+SupportedMinVersion: (?P<lowest>\S+)\s+SupportedMaxVersion: (?P<highest>\S+)\s+"
    r"FinalizedVersionLevel: (?P<level>\S+)\s+Epoch: (?P<epoch>\d+)"
)
_API = re.compile(r"\t\w+\((?P<key>\d+)\): (?P<min>\d+)(?: to (?P<max>\d+))? \[usable: (?P<usable>\d+)\],?")

pytestmark = pytest.mark.timeout(FETCH_TIMEOUT_S)


def test_quorum(bootstrap: str, wire: WireClient) -> None:
    command = Tool("org.apache.kafka.tools.MetadataQuorumCommand", bootstrap)
    cluster = wire.ask("DescribeCluster", 0)
    node = str(cluster.brokers[0].broker_id)
    printed, replication, readable = at_once(
        command,
        ("describe", "--status"),
        ("describe", "--replication"),
        ("describe", "--replication", "--human-readable"),
    )
    status = dict(re.split(r":\s+", line, maxsplit=1) for line in printed.splitlines())
    assert (status["ClusterId"], status["LeaderId"]) == (cluster.cluster_id, node)
    assert (status["MaxFollowerLag"], status["MaxFollowerLagTimeMs"], status["CurrentObservers"]) == ("0", "0", "[]")
    assert re.match(rf'\[\{{"id": {node}\b', status["CurrentVoters"])
    quorum = _metadata_quorum(wire)
    assert status["LeaderEpoch"] == str(quorum.leader_epoch)
    assert 0 < int(status["HighWatermark"]) <= quorum.high_watermark
    for table, is_time in ((replication, str.isdecimal), (readable, re.compile(r"\d+ ms ago").fullmatch)):
        heads, leader = (re.split(r"\s*\t", line.rstrip("\t")) for line in table.splitlines())
        row = dict(zip(heads, leader, strict=True))
        assert (row["NodeId"], row["Lag"], row["Status"]) == (node, "0", "Leader")
        assert 0 < int(row["LogEndOffset"]) <= quorum.high_watermark
        assert is_time(row["LastFetchTimestamp"])
        assert is_time(row["LastCaughtUpTimestamp"])


def test_features(bootstrap: str, wire: WireClient) -> None:
    command = Tool("org.apache.kafka.tools.FeatureCommand", bootstrap)
    before = _features(wire)
    shown = {}
    for line in command("describe").splitlines():
        found = _FEATURE.fullmatch(line.rstrip())
        assert found, line
        shown[found["name"]] = found
    assert shown.keys() == {*before.supported, *before.finalized}
    # The level of metadata.version has a name of its own, as 4.3-IV0.
    levels = {
        name: int(each["level"]) for name, each in shown.items() if name != "metadata.version" and each["level"] != "0"
    }
    assert levels == {name: level for name, level in before.finalized.items() if name != "metadata.version"}
    assert all(int(each["epoch"]) >= before.epoch for each in shown.values())

    unknown, too_high, missing = at_once(
        command.refused,
        ("upgrade", "--feature", "nonsense.version=1"),
        ("upgrade", "--feature", "group.version=99"),
        ("disable", "--feature", "nonsense.version"),
    )
    assert unknown.startswith("Could not upgrade nonsense.version to 1. ")
    assert too_high.startswith("Could not upgrade group.version to 99. ")
    assert missing.startswith("Could not disable nonsense.version. ")
    for refusal in (unknown, too_high, missing):
        assert refusal.endswith("\n1 out of 1 operation(s) failed.\n")
    assert _features(wire)._replace(epoch=0) == before._replace(epoch=0)


def test_api_versions(address: Address, bootstrap: str, wire: WireClient) -> None:
    head, *lines, end = Tool("org.apache.kafka.tools.BrokerApiVersionsCommand", bootstrap)().splitlines()
    host, port = address
    assert head == f"{host}:{port} (id: {node_id(wire)} rack: null isFenced: false) -> ("
    assert end == ")"
    shown = {}
    for line in lines:
        if not line.rstrip(",").endswith(": UNSUPPORTED"):
            api = _API.fullmatch(line)
            assert api, line
            shown[int(api["key"])] = (int(api["min"]), int(api["max"] or api["min"]))
            assert int(api["usable"]) == shown[int(api["key"])][1]
    answer = wire.ask("ApiVersions", 0)
    assert shown == {api.api_key: (api.min_version, api.max_version) for api in answer.api_keys}


def test_cluster(address: Address, bootstrap: str, wire: WireClient) -> None:
    cluster = wire.ask("DescribeCluster", 0)
    host, port = address

    cluster_id, endpoints, fenced_too, unregistered = at_once(
        _cluster_tool,
        (bootstrap, "cluster-id"),
        (bootstrap, "list-endpoints"),
        (bootstrap, "list-endpoints", "--include-fenced-brokers"),
        (bootstrap, "unregister", "--id", "77"),
    )
    assert cluster_id == (0, f"Cluster ID: {cluster.cluster_id}\n", "")
    for listed in (endpoints, fenced_too):
        heads, row = (line.split() for line in listed.output.splitlines())
        assert dict(zip(heads, row, strict=True)) == {
            "ID": str(node_id(wire)),
            "HOST": host,
            "PORT": str(port),
            "RACK": "null",
            "STATE": "unfenced",
            "ENDPOINT_TYPE": "broker",
        }
    assert unregistered.exit_code == 1
    assert "BrokerIdNotRegisteredException: Broker ID 77 is not currently registered\n" in unregistered.errors


@pytest.mark.skipif(foreign_address() is not None, reason="a real Kafka forgets itself when told to")
def test_the_broker_stays_registered(bootstrap: str, wire: WireClient, topic: str) -> None:
    refusal = _cluster_tool(bootstrap, "unregister", "--id", str(node_id(wire)))
    assert refusal.exit_code == 1
    assert "DuplicateBrokerRegistrationException: " in refusal.errors
    produce(wire, topic, b"still there")


def _metadata_quorum(wire: WireClient) -> Any:
    """What DescribeQuorum says of the only partition."""
    topics = [{"topic_name": "__cluster_metadata", "partitions": [{"partition_index": 0}]}]
    answer = wire.ask("DescribeQuorum", 2, topics=topics)
    assert answer.error_code == 0, answer
    return answer.topics[0].partitions[0]


def _cluster_tool(bootstrap: str, action: str, *arguments: str) -> Outcome:
    """ClusterTool wants the bootstrap server behind what it is to do."""
    require_kafka()
    return run_to_end("org.apache.kafka.tools.ClusterTool", action, "--bootstrap-server", bootstrap, *arguments)


class Features(NamedTuple):
    """The features that ApiVersions shows: the ranges supported, and the levels that are in force since an epoch."""

    supported: Mapping[str, tuple[int, int]]
    finalized: Mapping[str, int]
    epoch: int


def _features(wire: WireClient) -> Features:
    answer = wire.ask("ApiVersions", 4, client_software_name="wire", client_software_version="1")
    return Features(
        {each.name: (each.min_version, each.max_version) for each in answer.supported_features},
        {each.name: each.max_version_level for each in answer.finalized_features},
        answer.finalized_features_epoch,
    )
