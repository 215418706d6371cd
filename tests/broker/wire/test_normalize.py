"""What two runs may differ in, and what they may not."""

from __future__ import annotations

from typing import Any

from broker.wire.normalize import IDS, Normalizer
from protocol.schema import Struct
from tests.protocol.messages import MESSAGES


def broker(node_id: int, port: int) -> dict[str, Any]:
    return {"node_id": node_id, "host": "localhost", "port": port, "rack": None}


def test_ids_are_numbered_by_their_first_appearance() -> None:
    normalizer = Normalizer()
    plain = {"brokers": [broker(7, 9092), broker(3, 9093)], "controller_id": 3}
    assert normalizer.response("Metadata", plain) == {
        "brokers": [
            {"node_id": "<broker 1>", "host": "<host 1>", "port": "<port 1>", "rack": None},
            {"node_id": "<broker 2>", "host": "<host 1>", "port": "<port 2>", "rack": None},
        ],
        "controller_id": "<broker 2>",
    }
    assert normalizer.request({"broker_ids": [3, 5]}) == {"broker_ids": ["<broker 2>", "<broker 3>"]}
    assert normalizer.value("<broker 2>") == 3
    assert normalizer.placeholder("broker", 5) == "<broker 3>"
    assert normalizer.placeholder_or_kind("broker", 99) == "<broker>"
    assert normalizer.value("<broker>") is None


def test_none_is_none() -> None:
    plain = {
        "topic_id": "A" * 22,
        "member_id": "",
        "leader_id": -1,
        "session_id": 0,
        "cluster_id": None,
        "log_append_time_ms": -1,
        "node_id": 0,
    }
    assert Normalizer().response("Fetch", plain) == {**plain, "node_id": "<broker 1>"}


def test_times_and_sizes_do_not_count() -> None:
    plain = {"throttle_time_ms": 3, "log_append_time_ms": 1700000000000, "total_bytes": 5, "timeout_ms": 7}
    assert Normalizer().response("Produce", plain) == {
        "throttle_time_ms": "<time>",
        "log_append_time_ms": "<time>",
        "total_bytes": "<bytes>",
        "timeout_ms": 7,
    }


def test_timestamps_of_records_are_the_producers_or_the_brokers() -> None:
    def batch(timestamp_type: str) -> dict[str, Any]:
        return {"timestamp_type": timestamp_type, "producer_id": -1, "records": [{"offset": 0, "timestamp": 5}]}

    plain = {"records": [batch("CreateTime"), batch("LogAppendTime")]}
    normal = Normalizer().response("Fetch", plain)
    assert [each["records"][0]["timestamp"] for each in normal["records"]] == [5, "<time>"]


def test_order_is_free_where_the_protocol_leaves_it_free() -> None:
    def member(name: str, metadata: str) -> dict[str, Any]:
        return {"member_id": name, "metadata": metadata}

    ours, theirs = Normalizer(), Normalizer()
    one = {"leader": "x", "members": [member("x", "1"), member("y", "2")], "isr_nodes": [1, 2]}
    two = {"leader": "b", "members": [member("a", "2"), member("b", "1")], "isr_nodes": [2, 1]}
    assert ours.response("JoinGroup", one) == theirs.response("JoinGroup", two)
    assert ours.value("<member 2>") == "y"
    assert theirs.value("<member 2>") == "a"


def test_order_counts_where_places_answer_to_places() -> None:
    plain = {"results": [{"error_code": "B"}, {"error_code": "A"}]}
    assert Normalizer().response("CreateAcls", plain) == plain
    assert Normalizer().response("DeleteGroups", plain) != plain
    plain = {"replica_nodes": [2, 1], "records": [{"offset": 2}, {"offset": 1}]}
    assert Normalizer().response("Fetch", plain)["records"] == plain["records"]
    assert Normalizer().response("Fetch", plain)["replica_nodes"] == ["<broker 1>", "<broker 2>"]
    plain = {"topics": [{"name": "b"}, {"name": "a"}]}
    assert Normalizer().request(plain) == plain


def test_ids_in_messages_for_people_are_ids() -> None:
    normalizer = Normalizer()
    normalizer.placeholder("member", "rdkafka-1234")
    plain = {"error_message": "There is no rdkafka-1234 here.", "name": "rdkafka-1234"}
    assert normalizer.response("X", plain) == {"error_message": "There is no <member 1> here.", "name": "rdkafka-1234"}


def test_ids_are_fields_of_messages() -> None:
    """A name that no message has would be a slip."""
    names: set[str] = set()

    def collect(cls: type[Struct]) -> None:
        for field in cls.__fields__:
            names.add(field.name)
            if field.struct is not None:
                collect(field.struct)

    for cls in MESSAGES:
        collect(cls)
    assert set(IDS) <= names
