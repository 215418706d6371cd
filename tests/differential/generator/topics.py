"""Requests about topics as such: their making, growth, leaders, removal, and what is said of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from ..peers import NODE_ID
from ..script import Reference, Value
from .configs import topic_config
from .world import BAD_TOPIC_NAMES, INTERNAL_TOPIC, TOPIC_NAMES, Topic, World

Body = dict[str, Value]
TIMEOUT_MS: Final = 60_000


def create_topics(world: World, version: int) -> Body:
    draw = world.draw
    only_validated = draw.chance(0.1)
    topics = []
    for _ in range(draw.weighted({1: 6, 2: 3, 3: 1})):
        unused = [name for name in TOPIC_NAMES if name not in world.topics]
        others = (*BAD_TOPIC_NAMES, *TOPIC_NAMES, INTERNAL_TOPIC.name)
        name = draw.pick(unused) if unused and draw.chance(0.85) else draw.pick(others)
        partitions = draw.weighted({1: 4, 2: 4, 3: 2, -1: 1, 0: 0.2})
        topic: Body = {
            "name": name,
            "num_partitions": partitions,
            "replication_factor": draw.weighted({1: 8, -1: 3, 2: 0.3}),
        }
        if draw.chance(0.12):
            partitions = draw.number(1, 2)
            topic |= {
                "num_partitions": draw.weighted({-1: 9, 2: 1}),
                "replication_factor": draw.weighted({-1: 9, 1: 1}),
            }
            topic["assignments"] = [
                {"partition_index": index, "broker_ids": draw.weighted({(NODE_ID,): 9, (7,): 1, (): 1, (1, 1): 1})}
                for index in range(partitions)
            ]
            for assignment in topic["assignments"]:
                assignment["broker_ids"] = list(assignment["broker_ids"])
        configs = dict(topic_config(world) for _ in range(draw.weighted({0: 6, 1: 3, 2: 2})))
        topic["configs"] = [{"name": name, "value": value} for name, value in configs.items()]
        if not only_validated and name in unused:
            world.topics[name] = Topic(name, max(partitions, 1))
        topics.append(topic)
    return {"topics": topics, "timeout_ms": TIMEOUT_MS, "validate_only": only_validated}


def delete_topics(world: World, version: int) -> Body:
    topics = world.topics_for_request() if world.draw.chance(0.98) else [INTERNAL_TOPIC]
    body: Body = {"timeout_ms": TIMEOUT_MS}
    if version < 6:
        body["topic_names"] = [topic.name for topic in topics]
    else:
        body["topics"] = [
            {"topic_id": world.topic_id(topic), "name": None} if world.draw.chance(0.4) else {"name": topic.name}
            for topic in topics
        ]
    for topic in topics:
        world.forget_topic(topic.name)
    return body


def create_partitions(world: World, version: int) -> Body:
    draw = world.draw
    topics = []
    only_validated = draw.chance(0.15)
    for topic in world.topics_for_request():
        count = topic.partitions + draw.weighted({1: 8, 2: 2, 0: 1, -1: 1})
        more = max(count - topic.partitions, 0)
        assignments = [{"broker_ids": [NODE_ID]} for _ in range(more)] if draw.chance(0.25) else None
        topics.append({"name": topic.name, "count": count, "assignments": assignments})
        if not only_validated:
            topic.partitions += more
    return {"topics": topics, "timeout_ms": TIMEOUT_MS, "validate_only": only_validated}


def metadata(world: World, version: int) -> Body:
    draw = world.draw
    body: Body = {}
    if version >= 4:
        body["allow_auto_topic_creation"] = draw.chance(0.08)
    if version >= 8:
        body["include_topic_authorized_operations"] = draw.chance(0.3)
        if version <= 10:
            body["include_cluster_authorized_operations"] = draw.chance(0.3)
    if draw.chance(0.15):
        body["topics"] = None if version else []
        return body
    # Before version 4 every name that is asked for is created.
    wanted = world.topics_with_internal() if version >= 4 or draw.chance(0.2) else list(world.topics.values())[:2]
    by_id = version >= 12 and draw.chance(0.4)
    body["topics"] = [
        {"topic_id": world.topic_id(topic), "name": None} if by_id else {"name": topic.name} for topic in wanted
    ]
    return body


def describe_topic_partitions(world: World, version: int) -> Body:
    draw = world.draw
    topics = world.topics_with_internal(3) if draw.chance(0.7) else []
    body: Body = {
        "topics": [{"name": topic.name} for topic in topics],
        "response_partition_limit": draw.weighted({2000: 3, 1: 2, 2: 2, 3: 1}),
    }
    if draw.chance(0.4):
        topic = draw.pick(topics) if topics else world.topic()
        body["cursor"] = {"topic_name": topic.name, "partition_index": world.partition(topic)}
    return body


def elect_leaders(world: World, version: int) -> Body:
    draw = world.draw
    body: Body = {"timeout_ms": TIMEOUT_MS}
    if version >= 1:
        body["election_type"] = draw.number(0, 1)
    body["topic_partitions"] = (
        None
        if draw.chance(0.2)
        else [{"topic": topic.name, "partitions": world.partitions(topic)} for topic in world.topics_for_request()]
    )
    return body


def alter_partition_reassignments(world: World, version: int) -> Body:
    draw = world.draw
    body: Body = {
        "timeout_ms": TIMEOUT_MS,
        "topics": [
            {
                "name": topic.name,
                "partitions": [
                    {"partition_index": partition, "replicas": draw.pick([[NODE_ID], [NODE_ID], None, [7], [], [1, 1]])}
                    for partition in world.partitions(topic)
                ],
            }
            for topic in world.topics_for_request()
        ],
    }
    if version >= 1:
        body["allow_replication_factor_change"] = draw.chance(0.5)
    return body


def list_partition_reassignments(world: World, version: int) -> Body:
    topics = None
    if world.draw.chance(0.7):
        topics = [
            {"name": topic.name, "partition_indexes": world.partitions(topic)} for topic in world.topics_for_request()
        ]
    return {"timeout_ms": TIMEOUT_MS, "topics": topics}


def next_page(label: str) -> Body:
    """The question for what did not fit into an answer."""
    return {"topics": [], "response_partition_limit": 2, "cursor": Reference(label, "next_cursor")}


BODIES: Final[Mapping[str, Callable[[World, int], Body]]] = {
    "CreateTopics": create_topics,
    "DeleteTopics": delete_topics,
    "CreatePartitions": create_partitions,
    "Metadata": metadata,
    "DescribeTopicPartitions": describe_topic_partitions,
    "ElectLeaders": elect_leaders,
    "AlterPartitionReassignments": alter_partition_reassignments,
    "ListPartitionReassignments": list_partition_reassignments,
}
