"""Answers without what is free: ids, addresses and times that a broker chooses, and order where none is promised."""

from __future__ import annotations

import base64
import re
import uuid
from collections.abc import Mapping
from typing import Any, Final

from .messages import Plain
from .settle import BARRIER_PROPERTY
from .side import Outcome, Side

Path = tuple[str, ...]

_TOPIC = ("name", "topic_id")
_RESOURCE = ("resource_type", "resource_name")

FREE_ORDER: Final[Mapping[str, Mapping[Path, tuple[str, ...]]]] = {
    "AlterClientQuotas": {("entries",): ("entity",), ("entries", "entity"): ("entity_type",)},
    "AlterConfigs": {("responses",): _RESOURCE},
    "AlterPartitionReassignments": {("responses",): ("name",), ("responses", "partitions"): ("partition_index",)},
    "AlterReplicaLogDirs": {("results",): ("topic_name",), ("results", "partitions"): ("partition_index",)},
    "ApiVersions": {
        ("api_keys",): ("api_key",),
        ("supported_features",): ("name",),
        ("finalized_features",): ("name",),
    },
    "CreatePartitions": {("results",): ("name",)},
    "CreateTopics": {("topics",): ("name",), ("topics", "configs"): ("name",)},
    "DeleteGroups": {("results",): ("group_id",)},
    "DeleteRecords": {("topics",): ("name",), ("topics", "partitions"): ("partition_index",)},
    "DeleteTopics": {("responses",): _TOPIC},
    "DescribeUserScramCredentials": {("results",): ("user",)},
    "DescribeConfigs": {("results",): _RESOURCE, ("results", "configs"): ("name",)},
    "DescribeGroups": {("groups",): ("group_id",), ("groups", "members"): ("member_id",)},
    "DescribeLogDirs": {("logs",): ("topic", "partition_index", "is_future_key")},
    "DescribeProducers": {
        ("topics",): ("name",),
        ("topics", "partitions"): ("partition_index",),
        ("topics", "partitions", "active_producers"): ("producer_id",),
    },
    "ElectLeaders": {
        ("replica_election_results",): ("topic",),
        ("replica_election_results", "partition_result"): ("partition_id",),
    },
    "Fetch": {("responses",): ("topic", "topic_id"), ("responses", "partitions"): ("partition_index",)},
    "IncrementalAlterConfigs": {("responses",): _RESOURCE},
    "JoinGroup": {("members",): ("member_id",)},
    "ListConfigResources": {("config_resources",): _RESOURCE},
    "ListGroups": {("groups",): ("group_id",)},
    "ListOffsets": {("topics",): ("name",), ("topics", "partitions"): ("partition_index",)},
    "Metadata": {("topics",): _TOPIC, ("topics", "partitions"): ("partition_index",)},
    "OffsetCommit": {("topics",): _TOPIC, ("topics", "partitions"): ("partition_index",)},
    "OffsetDelete": {("topics",): ("name",), ("topics", "partitions"): ("partition_index",)},
    "OffsetFetch": {
        ("topics",): ("name",),
        ("topics", "partitions"): ("partition_index",),
        ("groups",): ("group_id",),
        ("groups", "topics"): _TOPIC,
        ("groups", "topics", "partitions"): ("partition_index",),
    },
    "OffsetForLeaderEpoch": {("topics",): ("topic",), ("topics", "partitions"): ("partition",)},
    "Produce": {("responses",): _TOPIC, ("responses", "partition_responses"): ("index",)},
}
"""Arrays in no order that is promised, by API and path, and the fields that tell their elements apart.

Kafka collects most of its answers in hash maps, or puts those with errors first.
"""

_NO_ID = uuid.UUID(int=0)
_QUOTA_ENTITY = re.compile(r"entries=\{([^}]*)\}")  # in messages, the contents of a hash map
_FRESH_MEMBER_ID = re.compile(r"-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")


def normalize(side: Side, api: str, outcome: Outcome) -> Outcome:
    """Replace what this broker alone knows by names that both sides have in common."""
    answer = outcome.answer
    if answer is None:
        return outcome
    if api == "DescribeLogDirs":
        answer = _without_directories(side, answer)
    if api == "DescribeConfigs":
        answer = _without_barrier(answer)
    return Outcome(_Normalizer(side, api).structure(answer, ()))


def _without_barrier(answer: dict[str, Plain]) -> dict[str, Plain]:
    """All settings but the one that is changed on one side to see that it has followed."""
    results = [
        {**result, "configs": [config for config in result["configs"] if config["name"] != BARRIER_PROPERTY]}
        for result in answer["results"]
    ]
    return {**answer, "results": results}


def _without_directories(side: Side, answer: dict[str, Plain]) -> dict[str, Plain]:
    """The logs of all directories in one list: each broker chooses where to make a log.

    Whether it has been moved since is told by where it was seen first.
    """
    logs = []
    directories = []
    for result in answer["results"]:
        result = dict(result)
        for topic in result.pop("topics"):
            for log in topic["partitions"]:
                first, now = side.first_directory(topic["name"], log["partition_index"], result["log_dir"])
                place = "where it was first" if first == now else "in the other directory"
                # Kafka and Ottla write the same of groups, but not in the same batches.
                size = "<bytes>" if topic["name"] == "__consumer_offsets" else log["partition_size"]
                logs.append({"topic": topic["name"], "place": place, **log, "partition_size": size})
        directories.append(result)
    return {
        **{name: value for name, value in answer.items() if name != "results"},
        "results": directories,
        "logs": logs,
    }


class _Normalizer:
    def __init__(self, side: Side, api: str) -> None:
        self.side = side
        self.api = api
        self.free_order = FREE_ORDER.get(api, {})
        self.free_numbers = _FREE_NUMBERS.get(api, {})

    def structure(self, values: dict[str, Plain], path: Path) -> dict[str, Plain]:
        if values.get("is_log_append_time"):
            values = {**values, "records": [{**record, "timestamp": "<a time>"} for record in values["records"]]}
        return {name: self.value(name, value, (*path, name)) for name, value in values.items()}

    def value(self, name: str, value: Plain, path: Path) -> Plain:
        if isinstance(value, list):
            items = [self.value(name, item, path) for item in value]
            keys = self.free_order.get(path)
            return items if keys is None else sorted(_merged(items, keys), key=lambda item: _sort_key(item, keys))
        if isinstance(value, dict):
            return self.structure(value, path)
        if isinstance(value, uuid.UUID):
            return "<no id>" if value == _NO_ID else f"<{self.side.names_of_ids.get(value, self.unknown_id(value))}>"
        if isinstance(value, str):
            return self.text(name, value)
        free = self.free_numbers.get(name)
        if free is not None and value > free[0]:
            return free[1]
        if name in ("timestamp", "last_timestamp") and 100 < value - self.side.now_ms < 50_000:
            return "<a time>"  # of a topic that stamps its records itself: scripts send none of so soon after
        if name == "port" and value == self.side.peer.address[1]:
            return "<port>"
        if name == "producer_id" and value in self.side.names_of_producers:
            return f"<{self.side.names_of_producers[value]}>"
        return value

    def unknown_id(self, value: uuid.UUID) -> object:
        """What stands for an id that is no topic's: with validate_only, CreateTopics answers with one."""
        return "an id" if self.api == "CreateTopics" else value

    def text(self, name: str, value: str) -> str | None:
        if name == "cluster_id":
            return "<cluster>"
        if name == "error_message" and not value:
            return None  # no message, however it is written
        known = self.side.names_of_texts.get(value)
        if known is not None:
            return f"<{known}>"
        for number, directory in enumerate(self.side.peer.log_directories):
            value = value.replace(directory, f"<log directory {number}>")
        for topic_id, known in self.side.names_of_ids.items():
            value = value.replace(_base64(topic_id), f"<{known}>")
        value = _QUOTA_ENTITY.sub(lambda found: f"entries={{{', '.join(sorted(found[1].split(', ')))}}}", value)
        return _FRESH_MEMBER_ID.sub("-<uuid>", value)


_FREE_NUMBERS: Final[Mapping[str, Mapping[str, tuple[int, str]]]] = {
    "DescribeLogDirs": {"total_bytes": (-1, "<bytes>"), "usable_bytes": (-1, "<bytes>")},
    "DescribeQuorum": {
        "leader_epoch": (-1, "<an epoch>"),
        "high_watermark": (0, "<an offset>"),
        "log_end_offset": (0, "<an offset>"),
        "last_fetch_timestamp": (0, "<a time>"),
        "last_caught_up_timestamp": (0, "<a time>"),
    },
    "Fetch": {"session_id": (0, "<a session>")},
    "InitProducerId": {"producer_id": (-1, "<an id>")},
    "Produce": {"log_append_time_ms": (-1, "<a time>")},
}
"""Fields whose value is free if it is above a limit, by API."""


def _merged(items: list[Plain], keys: tuple[str, ...]) -> list[Plain]:
    """The same with one entry for what has several that differ in nothing but an array, as a topic's partitions.

    Kafka sometimes answers what is asked for in two parts in one, and the other way round.
    """
    merged: dict[Any, Plain] = {}
    for item in items:
        arrays = [name for name, value in item.items() if isinstance(value, list) and name not in keys]
        if arrays and all(name in keys or item[name] == [] for name in item):
            continue  # a topic without partitions says nothing
        rest = tuple((name, repr(value)) for name, value in item.items() if name not in arrays)
        if rest in merged and arrays:
            merged[rest] = {**item, **{name: merged[rest][name] + item[name] for name in arrays}}
        else:
            merged[rest if arrays else len(merged)] = item
    return list(merged.values())


def _sort_key(item: Any, keys: tuple[str, ...]) -> tuple[list[str], str]:
    # What is there twice is compared in any order, too, whatever its messages are.
    rest = {name: value for name, value in item.items() if name != "error_message"}
    return [repr(item[key]) for key in keys if key in item], repr(rest)


def _base64(topic_id: uuid.UUID) -> str:
    return base64.urlsafe_b64encode(topic_id.bytes).rstrip(b"=").decode()
