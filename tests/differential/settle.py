"""What keeps the comparison free of chance: waiting until a request has had its effect, and cleaning up."""

from __future__ import annotations

import time
from functools import partial
from typing import Any, Final

from .messages import Plain
from .peers import NODE_ID
from .script import Step, Value
from .side import Side

BARRIER_PROPERTY: Final = "max.connections.per.ip"
"""A property whose changes show that everything before them is in force; nothing depends on its value."""

_BROKER, _TOPIC, _LOGGER = 4, 2, 8
_SET, _DELETE = 0, 1
_CHANGED_SOURCES = (1, 2, 3, 7, 8)
"""Where a value comes from that was set at run time: a topic, a broker, all brokers, client metrics, a group."""

_GROUPS_SETTLE_S = 5.0
_GROUP_OF_EACH_PARTITION = ["a", "b", "c", "d"]
"""Groups whose names hash to one partition of the groups' topic each; ListGroups passes over those yet to be loaded."""
_GROUPS_TOPIC_CONFIGS = {"cleanup.policy": "compact", "compression.type": "producer", "segment.bytes": "104857600"}

CHANGES_METADATA: Final = frozenset(
    {
        "CreateTopics",
        "DeleteTopics",
        "CreatePartitions",
        "AlterConfigs",
        "IncrementalAlterConfigs",
        "ElectLeaders",
        "AlterPartitionReassignments",
        "AlterClientQuotas",
        "UpdateFeatures",
        "UnregisterBroker",
        "AlterReplicaLogDirs",
    }
)
"""APIs that a Kafka answers before its broker has heard of what they have changed from its controller."""


class Unclean(Exception):
    """What a script has made cannot be taken back; only new brokers help."""


def changes_metadata(step: Step) -> bool:
    """Whether something may have changed that is learned from the controller."""
    may_create = step.api == "Metadata" and step.body.get("allow_auto_topic_creation", True)
    return step.api in CHANGES_METADATA or bool(may_create and step.body.get("topics"))


class Settler:
    """Waits for the two sides, at first until both are ready."""

    def __init__(self, judge: Side, candidate: Side) -> None:
        self._judge = judge
        self._candidate = candidate
        self._sides = (judge, candidate)
        self._barrier = 1_000_000
        self._prepare()

    def _prepare(self) -> None:
        for side in self._sides:
            prepare(side)

    def settle(self, step: Step) -> None:
        """Wait until what a request has changed is in force on both sides."""
        if step.api == "AlterReplicaLogDirs":
            for side in self._sides:
                side.wait_until(partial(_is_still, side), "logs have been moved")
        if step.api == "LeaveGroup":
            self._await_groups()
        if changes_metadata(step):
            self.await_controller()
            for side in self._sides:
                side.look_up_topics()

    def _await_groups(self) -> None:
        """Give a group the time to become empty whose last member has left while others were expected."""

        def states(side: Side) -> dict[str, Plain]:
            return {group["group_id"]: group["group_state"] for group in side.ask("ListGroups", 5)["groups"]}

        end = time.monotonic() + _GROUPS_SETTLE_S
        while states(self._judge) != states(self._candidate) and time.monotonic() < end:
            pass

    def await_controller(self) -> None:
        """Wait until Kafka's broker has everything that its controller has decided so far."""
        self._barrier += 1
        wanted = str(self._barrier)
        resource = {"resource_type": _BROKER, "resource_name": str(NODE_ID)}
        changed = self._judge.ask(
            "IncrementalAlterConfigs",
            1,
            resources=[
                {**resource, "configs": [{"name": BARRIER_PROPERTY, "config_operation": _SET, "value": wanted}]}
            ],
        )
        assert changed["responses"][0]["error_code"] == 0, changed

        def arrived() -> bool:
            described = self._judge.ask(
                "DescribeConfigs", 4, resources=[{**resource, "configuration_keys": [BARRIER_PROPERTY]}]
            )
            return any(config["value"] == wanted for config in described["results"][0]["configs"])

        self._judge.wait_until(arrived, "the broker has followed its controller")

    def clean(self) -> None:
        """Leave on both sides nothing that a script has made, but what cannot be told from a new broker.

        Raises Unclean where that takes too long.
        """
        try:
            self._clean()
        except AssertionError as error:
            raise Unclean(str(error)) from error

    def _clean(self) -> None:
        self.await_controller()
        for side in self._sides:
            _delete_topics(side)
            side.wait_until(partial(_has_no_groups, side), "all groups are gone")
            side.forget()
            _reset_configs(side)
            _remove_quotas(side)
        self.await_controller()
        for side in self._sides:
            side.wait_until(partial(_has_no_topics, side), "all topics are gone")
        self._prepare()


def prepare(side: Side) -> None:
    """Wait until a broker is ready for everything, and have the groups' topic made."""
    side.wait_until(partial(_succeeds, side, "FindCoordinator", 3, key="any"), "there is a coordinator")
    side.wait_until(partial(_coordinators_are_ready, side), "all coordinators are ready")
    side.wait_until(partial(_succeeds, side, "InitProducerId", 4, transactional_id=None), "there are producer ids")


def _succeeds(side: Side, api: str, version: int, **fields: Value) -> bool:
    return bool(side.ask(api, version, **fields)["error_code"] == 0)


def _coordinators_are_ready(side: Side) -> bool:
    groups = side.ask("DescribeGroups", 5, groups=_GROUP_OF_EACH_PARTITION)["groups"]
    return all(group["error_code"] == 0 for group in groups)


def _has_no_topics(side: Side) -> bool:
    return not _own_topics(side)


def _own_topics(side: Side) -> list[str]:
    topics = side.ask("Metadata", 12, topics=None, allow_auto_topic_creation=False)["topics"]
    return [topic["name"] for topic in topics if topic["name"] != "__consumer_offsets"]


def _delete_topics(side: Side) -> None:
    names = _own_topics(side)
    if names:
        side.ask("DeleteTopics", 5, topic_names=names, timeout_ms=30_000)


def _has_no_groups(side: Side) -> bool:
    """Whether there are none; if there are, all members have left and the groups are gone, if they can be."""
    groups = [group["group_id"] for group in side.ask("ListGroups", 5)["groups"]]
    if not groups:
        return True
    for described in side.ask("DescribeGroups", 5, groups=groups)["groups"]:
        # Those that were given an id and have not come back yet are not shown, but waited for.
        ids = {member["member_id"] for member in described["members"]} | side.member_ids
        if ids:
            members = [{"member_id": member_id} for member_id in sorted(ids)]
            side.ask("LeaveGroup", 4, group_id=described["group_id"], members=members)
    side.ask("DeleteGroups", 2, groups_names=groups)
    return False


def _reset_groups_topic(side: Side) -> None:
    resource = {"resource_type": _TOPIC, "resource_name": "__consumer_offsets"}
    described = side.ask("DescribeConfigs", 4, resources=[{**resource, "configuration_keys": None}])["results"][0]
    changed = {
        config["name"]: config["value"]
        for config in described["configs"]
        if config["config_source"] in _CHANGED_SOURCES
    }
    if changed != _GROUPS_TOPIC_CONFIGS:
        configs = [{"name": name, "value": value} for name, value in _GROUPS_TOPIC_CONFIGS.items()]
        side.ask("AlterConfigs", 2, resources=[{**resource, "configs": configs}])


def _reset_configs(side: Side) -> None:
    _reset_groups_topic(side)
    listed = side.ask("ListConfigResources", 1)["config_resources"]
    resources = [
        {"resource_type": resource["resource_type"], "resource_name": resource["resource_name"]}
        for resource in listed
        if resource["resource_type"] not in (_TOPIC, _LOGGER)
    ]
    resources.append({"resource_type": _BROKER, "resource_name": ""})
    described = side.ask("DescribeConfigs", 4, resources=resources)["results"]
    changes = []
    for result in described:
        names = [config["name"] for config in result["configs"] if config["config_source"] in _CHANGED_SOURCES]
        if names and result["error_code"] == 0:
            changes.append(
                {
                    "resource_type": result["resource_type"],
                    "resource_name": result["resource_name"],
                    "configs": [{"name": name, "config_operation": _DELETE, "value": None} for name in names],
                }
            )
    if changes:
        side.ask("IncrementalAlterConfigs", 1, resources=changes)


def _remove_quotas(side: Side) -> None:
    entries: list[dict[str, Any]] = side.ask("DescribeClientQuotas", 1)["entries"]
    if entries:
        changes = [
            {
                "entity": entry["entity"],
                "ops": [{"key": value["key"], "value": 0.0, "remove": True} for value in entry["values"]],
            }
            for entry in entries
        ]
        side.ask("AlterClientQuotas", 1, entries=changes)


def _is_still(side: Side) -> bool:
    """Whether no log is being moved."""
    results: list[dict[str, Plain]] = side.ask("DescribeLogDirs", 4, topics=None)["results"]
    return not any(
        partition["is_future_key"]
        for result in results
        for topic in result["topics"]
        for partition in topic["partitions"]
    )
