"""What two runs of the same requests may differ in: ids, addresses, times, and order where order is free.

A `Normalizer` stands for one side of a comparison and sees all its messages, as plain values (`render.to_plain`), in
the order in which they were sent and received:

    ours.response("Metadata", {"brokers": [{"node_id": 0, "host": "localhost", ...}], ...})
    →                         {"brokers": [{"node_id": "<broker 1>", "host": "<host 1>", ...}], ...}

Each id is replaced by its kind and the number of its first appearance, so that two sides are alike where an id of one
always stands where the same id of the other does. What depends on when or where a broker runs is replaced by what it
is, `<time>`. Lists whose order is free are sorted in responses. What says "none", as -1, is left as it is.

`placeholder` and `value` lead from an id of one side to that of the other; `broker/wire/replay.py` puts those that a
broker has given out into later requests so.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final, NamedTuple

IDS: Final = {
    "topic_id": "topic-id",
    "replica_directory_id": "directory-id",
    "member_id": "member",
    "leader": "member",
    "cluster_id": "cluster",
    "producer_id": "producer",
    "session_id": "session",
    "host": "host",
    "client_host": "host",
    "port": "port",
    "log_dir": "log-dir",
    "node_id": "broker",
    "broker_id": "broker",
    "leader_id": "broker",
    "controller_id": "broker",
    "preferred_read_replica": "broker",
    "replica_nodes": "broker",
    "isr_nodes": "broker",
    "offline_replicas": "broker",
    "replicas": "broker",
    "adding_replicas": "broker",
    "removing_replicas": "broker",
    "eligible_leader_replicas": "broker",
    "last_known_elr": "broker",
    "broker_ids": "broker",
}
"""The kind of id that a field holds, or a list of them."""

NO_ID: Final = (None, "", -1, "A" * 22)
"""What stands for no id at all, the zero topic id among it."""

_NO_SESSION: Final = 0

_CIRCUMSTANCES: Final = {
    "throttle_time_ms": "<time>",
    "log_append_time_ms": "<time>",
    "last_fetch_timestamp": "<time>",
    "last_caught_up_timestamp": "<time>",
    "usable_bytes": "<bytes>",
    "total_bytes": "<bytes>",
    "finalized_features_epoch": "<epoch>",
}
"""Fields that say when and where a broker runs; -1 stays, as there is no time then."""

# Lists of structures where each place answers to one of the request, or where order is what is asked for.
_ORDERED: Final = frozenset({"aborted_transactions", "filter_results", "headers", "records"})
_ORDERED_RESULTS: Final = frozenset({"CreateAcls"})  # whose results name nothing

_SETS: Final = frozenset({"isr_nodes", "offline_replicas", "eligible_leader_replicas", "last_known_elr"})
"""Lists of plain values whose order says nothing."""

_ERROR_MESSAGES: Final = frozenset({"error_message", "batch_index_error_message"})
_ID_LENGTH_MIN: Final = 8
"""Shorter ids are not looked for in messages: a 1 may be anything."""


class Normalizer:
    """One side of a comparison."""

    def __init__(self) -> None:
        self._placeholders: dict[tuple[str, object], str] = {}
        self._values: dict[str, Any] = {}
        self._counts: dict[str, int] = {}

    def request(self, plain: dict[str, Any]) -> dict[str, Any]:
        """Return a request in which ids are placeholders."""
        return _Pass("", self, self.placeholder, in_order=True).struct(plain)

    def response(self, api: str, plain: dict[str, Any]) -> dict[str, Any]:
        """Return a response in which ids and circumstances are placeholders and free order is sorted."""
        return _Pass(api, self, self.placeholder, in_order=False).struct(plain)

    def placeholder(self, kind: str, value: Any) -> str:
        """Return what stands for an id, which is numbered if it has not appeared before."""
        known = self._placeholders.get((kind, value))
        if known is None:
            number = self._counts[kind] = self._counts.get(kind, 0) + 1
            known = self._placeholders[kind, value] = f"<{kind} {number}>"
            self._values[known] = value
        return known

    def placeholder_or_kind(self, kind: str, value: Any) -> str:
        """Return what stands for an id, without a number if it has not appeared before."""
        return self._placeholders.get((kind, value), f"<{kind}>")

    def value(self, placeholder: str) -> Any:
        """Return the id of this side that a placeholder stands for, None if it has not appeared."""
        return self._values.get(placeholder)

    def without_ids(self, message: str) -> str:
        """Return a text for people with placeholders for the ids in it."""
        for (_, value), placeholder in self._placeholders.items():
            if isinstance(value, str) and len(value) >= _ID_LENGTH_MIN:
                message = message.replace(value, placeholder)
        return message


class _Pass(NamedTuple):
    """One walk through a message."""

    api: str
    normalizer: Normalizer
    name_of: Callable[[str, Any], str]
    in_order: bool

    def struct(self, plain: dict[str, Any]) -> dict[str, Any]:
        if plain.get("timestamp_type") == "LogAppendTime":
            plain = {**plain, "records": [{**record, "timestamp": "<time>"} for record in plain["records"]]}
        return {name: self.field(name, value) for name, value in plain.items()}

    def field(self, name: str, value: Any) -> Any:
        if isinstance(value, list):
            items = [self.field(name, item) for item in self.sorted(name, value)]
            return sorted(items, key=str) if name in _SETS else items
        if isinstance(value, dict):
            return self.struct(value)
        if kind := IDS.get(name):
            is_none = value in NO_ID or (kind == "session" and value == _NO_SESSION)
            return value if is_none else self.name_of(kind, value)
        if name in _CIRCUMSTANCES:
            return value if value == -1 else _CIRCUMSTANCES[name]
        if name in _ERROR_MESSAGES and value is not None:
            return self.normalizer.without_ids(value)
        return value

    def sorted(self, name: str, items: list[Any]) -> list[Any]:
        """Sort structures of free order by what is known of them, before their new ids are numbered in that order."""
        is_free = name not in _ORDERED and (name != "results" or self.api not in _ORDERED_RESULTS)
        if self.in_order or not is_free or not items or not isinstance(items[0], dict):
            return items
        masked = self._replace(name_of=self.normalizer.placeholder_or_kind)
        return sorted(items, key=lambda item: json.dumps(masked.struct(item)))
