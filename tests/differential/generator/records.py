"""Requests about records: written, read, looked for, deleted, moved."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from ..batches import DAMAGES
from ..script import Call, Reference, Step, Value
from .world import Producer, Session, Topic, World

Body = dict[str, Value]
_CODECS = ("none", "gzip", "snappy", "lz4", "zstd")


def _named(world: World, topic: Topic, version: int, ids_since: int, name: str = "name") -> Body:
    return {"topic_id": world.topic_id(topic)} if version >= ids_since else {name: topic.name}


def _batch(world: World, topic: Topic, partition: int) -> Call:
    draw = world.draw
    count = draw.number(1, 4)
    keywords: dict[str, Any] = {}
    if draw.chance(0.3):
        keywords["codec"] = draw.pick(_CODECS)
    if draw.chance(0.1):
        keywords["key"] = None
    if draw.chance(0.1):
        keywords["value_bytes"] = draw.pick((120, 1000))
    if draw.chance(0.15):
        keywords["age_ms"] = draw.pick((0, 5000, 86_400_000, -60_000, -10_000_000))
    if world.producers and draw.chance(0.35):
        producer = draw.pick(world.producers)
        sequence = producer.sequences[topic.name, partition]
        producer.sequences[topic.name, partition] = sequence + count
        keywords["producer_id"] = Reference(producer.label, "producer_id")
        keywords["producer_epoch"] = draw.weighted({0: 9, 1: 0.5, -1: 0.3})
        keywords["base_sequence"] = sequence + draw.weighted({0: 8, -count: 1, 1: 0.5, -1: 0.5})
    if draw.chance(0.08):
        keywords["damage"] = draw.pick(sorted(DAMAGES))
    else:
        topic.ends[partition] += count
    return Call("batch", (count,), keywords)


def produce(world: World, version: int) -> Body:
    draw = world.draw
    data = [
        {
            **_named(world, topic, version, 13),
            "partition_data": [
                {"index": partition, "records": _batch(world, topic, partition)}
                for partition in dict.fromkeys(world.partitions(topic))
            ],
        }
        for topic in {topic.name: topic for topic in world.topics_with_internal()}.values()
    ]
    return {"acks": draw.weighted({-1: 6, 1: 3, 0: 1, 2: 0.2}), "timeout_ms": 1000, "topic_data": data}


def apart(body: Body) -> None:
    """Leave a batch that is damaged by itself: for its sake Kafka refuses a whole request, and Ottla does not."""
    for topic in body.get("topic_data") or []:
        for data in topic["partition_data"] or []:
            records = data.get("records")
            if isinstance(records, bytes | list) or (isinstance(records, Call) and "damage" in records.keywords):
                body["topic_data"] = [{**topic, "partition_data": [data]}]
                return


def fetch(world: World, version: int) -> Body:
    draw = world.draw
    body: Body = {
        "max_wait_ms": draw.pick((0, 10)),
        "min_bytes": draw.weighted({1: 5, 0: 2, 100: 1}),
        "max_bytes": draw.weighted({1_000_000: 6, 1: 1, 200: 1}),
        "isolation_level": draw.number(0, 1),
        "topics": [_fetched_topic(world, topic, version) for topic in world.topics_for_request()],
    }
    return body


def _fetched_topic(world: World, topic: Topic, version: int) -> Body:
    draw = world.draw
    partitions = []
    for partition in world.partitions(topic):
        entry: Body = {
            "partition": partition,
            "fetch_offset": world.offset(topic, partition),
            "partition_max_bytes": draw.weighted({1_000_000: 6, 1: 1, 150: 1}),
        }
        if version >= 9 and draw.chance(0.3):
            entry["current_leader_epoch"] = draw.weighted({0: 6, 1: 1, -1: 1})
        if version >= 12 and draw.chance(0.15):
            entry["last_fetched_epoch"] = draw.weighted({0: 3, 1: 1, -1: 1})
        partitions.append(entry)
    return {**_named(world, topic, version, 13, "topic"), "partitions": partitions}


def session_fetch(world: World, version: int, connection: str) -> Step:
    """A fetch in a session (version 7 and later): a new one, or the next step of one."""
    draw = world.draw
    body = fetch(world, version)
    if not world.sessions or draw.chance(0.25):
        session = Session(world.label("f"))
        world.sessions.append(session)
        return Step(connection, "Fetch", version, {**body, "session_id": 0, "session_epoch": 0}, session.label)
    session = draw.pick(world.sessions)
    body["session_id"] = Reference(session.label, "session_id")
    body["session_epoch"] = draw.weighted({session.epoch: 9, session.epoch + 1: 0.4, -1: 0.4, 0: 0.4})
    session.epoch = session.epoch + 1 if body["session_epoch"] == session.epoch else session.epoch
    if draw.chance(0.5):
        body["topics"] = []
    if draw.chance(0.2):
        topic = world.topic()
        body["forgotten_topics_data"] = [
            {**_named(world, topic, version, 13, "topic"), "partitions": world.partitions(topic)}
        ]
    return Step(connection, "Fetch", version, body)


def list_offsets(world: World, version: int) -> Body:
    draw = world.draw
    topics = []
    for topic in world.topics_for_request():
        partitions = []
        for partition in world.partitions(topic):
            timestamp = draw.weighted({-1: 4, -2: 4, -3: 2, -4: 1, -5: 1, -6: 1, -7: 0.3, 0: 6})
            entry: Body = {
                "partition_index": partition,
                "timestamp": timestamp or Call("now", (draw.pick((-1000, -998, -4999, 0, 60_000)),)),
            }
            if version >= 4 and draw.chance(0.3):
                entry["current_leader_epoch"] = draw.weighted({0: 6, 1: 1, -1: 1})
            partitions.append(entry)
        topics.append({"name": topic.name, "partitions": partitions})
    body: Body = {"replica_id": -1, "topics": topics}
    if version >= 2:
        body["isolation_level"] = draw.number(0, 1)
    return body


def offset_for_leader_epoch(world: World, version: int) -> Body:
    draw = world.draw
    topics = [
        {
            "topic": topic.name,
            "partitions": [
                {
                    "partition": partition,
                    "current_leader_epoch": draw.weighted({-1: 4, 0: 4, 1: 1}),
                    "leader_epoch": draw.weighted({0: 6, 1: 2, -1: 1}),
                }
                for partition in world.partitions(topic)
            ],
        }
        for topic in world.topics_for_request()
    ]
    return {"topics": topics} | ({"replica_id": draw.weighted({-1: 6, -2: 2})} if version >= 3 else {})


def delete_records(world: World, version: int) -> Body:
    topics = [
        {
            "name": topic.name,
            "partitions": [
                {
                    "partition_index": partition,
                    "offset": world.draw.weighted({world.offset(topic, partition): 8, -1: 2}),
                }
                for partition in world.partitions(topic)
            ],
        }
        for topic in world.topics_with_internal()
    ]
    return {"topics": topics, "timeout_ms": 30_000}


def describe_producers(world: World, version: int) -> Body:
    return {
        "topics": [
            {"name": topic.name, "partition_indexes": world.partitions(topic)} for topic in world.topics_for_request()
        ]
    }


def init_producer_id(world: World, version: int) -> Body:
    body: Body = {"transactional_id": None, "transaction_timeout_ms": world.draw.pick((60_000, 0))}
    if version >= 3 and world.producers and world.draw.chance(0.3):
        body["producer_id"] = Reference(world.draw.pick(world.producers).label, "producer_id")
        body["producer_epoch"] = world.draw.number(0, 2)
    return body


def new_producer(world: World, version: int, connection: str) -> Step:
    """An InitProducerId whose answer is used later."""
    body = init_producer_id(world, version)
    producer = Producer(world.label("p"))
    world.producers.append(producer)
    return Step(connection, "InitProducerId", version, body, producer.label)


def describe_log_dirs(world: World, version: int) -> Body:
    topics = None
    if world.draw.chance(0.7):
        topics = [{"topic": topic.name, "partitions": world.partitions(topic)} for topic in world.topics_for_request()]
    return {"topics": topics}


def alter_replica_log_dirs(world: World, version: int) -> Body:
    draw = world.draw
    # Which directory a log is made in is free: a request is about one partition and names one beside or around it.
    topic = world.topic()
    partition = world.partition(topic)
    place = draw.weighted({"log_dir_beside": 5, "log_dir_of": 2, "": 1})
    path: Value = Call(place, (topic.name, partition)) if place else draw.pick(("/no/such/directory", "", "relative"))
    return {"dirs": [{"path": path, "topics": [{"name": topic.name, "partitions": [partition]}]}]}


BODIES: Final[Mapping[str, Callable[[World, int], Body]]] = {
    "Produce": produce,
    "Fetch": fetch,
    "ListOffsets": list_offsets,
    "OffsetForLeaderEpoch": offset_for_leader_epoch,
    "DeleteRecords": delete_records,
    "DescribeProducers": describe_producers,
    "InitProducerId": init_producer_id,
    "DescribeLogDirs": describe_log_dirs,
    "AlterReplicaLogDirs": alter_replica_log_dirs,
}
