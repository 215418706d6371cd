"""kafka-python's admin operations on topics, records and the cluster, for all of its versions."""

from __future__ import annotations

import functools
import importlib
import uuid

from kafka import TopicPartition
from kafka.admin import (
    ACL,
    ACLFilter,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    NewPartitions,
    NewTopic,
    ResourcePattern,
    ResourcePatternFilter,
    ResourceType,
)
from kafka.errors import for_code
from kafka_python_client import AdminClient


@functools.cache
def admin(bootstrap):
    """One admin client for all operations: version 2.0.2 needs a third of a second to make one."""
    return AdminClient(bootstrap_servers=bootstrap)


def create_topics(bootstrap, topics, validate_only=False):
    """Create topics, each a name and what of partitions, replicas, assignment and configs is not left to the broker."""
    admin(bootstrap).create_topics([_new_topic(*topic) for topic in topics], validate_only=validate_only)


def _new_topic(name, partitions=-1, replicas=-1, assignment=None, configs=None):
    assignments = None if assignment is None else dict(enumerate(assignment))
    return NewTopic(name, partitions, replicas, replica_assignments=assignments, topic_configs=configs)


def create_and_wait(bootstrap, topics):
    """Create topics and return once they can be used, and wait for them once more."""
    admin(bootstrap).create_topics(topics, wait_for_metadata=True)
    admin(bootstrap).wait_for_topics(topics)


def delete_topics(bootstrap, topics):
    admin(bootstrap).delete_topics(topics)


def grow_topics(bootstrap, topics, validate_only=False):
    """Grow topics, each a name, the count of partitions, and the replicas of the new ones if they are chosen."""
    wanted = {name: NewPartitions(count, *assignment) for name, count, *assignment in topics}
    admin(bootstrap).create_partitions(wanted, validate_only=validate_only)


def topic_id(bootstrap, topic):
    (described,) = admin(bootstrap).describe_topics([topic])
    return described["topic_id"]


def name_of_topic(bootstrap, topic_id):
    """The name of the topic with an id."""
    (described,) = admin(bootstrap).describe_topics([uuid.UUID(topic_id)])
    _raise_for_code(described["error_code"])
    return described["name"]


def delete_topic_by_id(bootstrap, topic_id):
    admin(bootstrap).delete_topics([uuid.UUID(topic_id)])


def is_internal(bootstrap, topic):
    (described,) = admin(bootstrap).describe_topics([topic])
    return described["is_internal"]


def allowed_operations(bootstrap, topic, group):
    """What the client may do, by the codes of operations, with a cluster, a topic and a group, as far as it asks."""
    if not hasattr(AdminClient, "describe_groups"):
        (described,) = admin(bootstrap).describe_consumer_groups([group], include_authorized_operations=True)
        return {"group": [bit for bit in range(32) if described.authorized_operations >> bit & 1]}
    of_cluster = admin(bootstrap).describe_cluster()
    (of_topic,) = admin(bootstrap).describe_topics([topic])
    of_group = admin(bootstrap).describe_groups([group])[group]
    return {
        what: sorted(ACLOperation[name] for name in each["authorized_operations"])
        for what, each in (("cluster", of_cluster), ("topic", of_topic), ("group", of_group))
    }


def pages_of_partitions(bootstrap, topics, limit):
    """[topic, index] of all partitions, in pages of so many."""
    pages, cursor = [], None
    while True:
        page = admin(bootstrap).describe_topic_partitions(topics, response_partition_limit=limit, cursor=cursor)
        for topic in page["topics"]:
            _raise_for_code(topic["error_code"])
        pages.append([[each["name"], one["partition_index"]] for each in page["topics"] for one in each["partitions"]])
        cursor = page["next_cursor"]
        if cursor is None:
            return pages


def delete_records(bootstrap, offsets):
    """Delete the records before the offsets, each of a topic and partition, and return their first offsets then."""
    wanted = {TopicPartition(topic, index): offset for topic, index, offset in offsets}
    deleted = admin(bootstrap).delete_records(wanted)
    return [deleted[each]["low_watermark"] for each in wanted]


def list_offsets(bootstrap, topic, partition, times):
    """The offset for each time, which is a timestamp or a name."""
    at = TopicPartition(topic, partition)
    found = []
    for each in times:
        spec = each if isinstance(each, int) else importlib.import_module("kafka.admin").OffsetSpec[each.upper()]
        found.append(admin(bootstrap).list_partition_offsets({at: spec})[at].offset)
    return found


def producers(bootstrap, topic, partition):
    """[id, epoch, last sequence] of the producers of a partition."""
    at = TopicPartition(topic, partition)
    found = admin(bootstrap).describe_producers([at])[at].active_producers
    return [[each.producer_id, each.producer_epoch, each.last_sequence] for each in found]


def log_directories(bootstrap, topic):
    """[index, path, bytes] of the partitions of a topic; one that is being moved is where it comes from."""
    if not hasattr(AdminClient, "alter_replica_log_dirs"):
        return admin(bootstrap).describe_log_dirs()
    (broker,) = admin(bootstrap).describe_log_dirs([topic])
    return [
        [one["partition_index"], directory["log_dir"], one["partition_size"]]
        for directory in broker["log_dirs"]
        for each in directory["topics"]
        for one in each["partitions"]
        if not one["is_future_key"]
    ]


def move_replica(bootstrap, topic, partition, broker_id, path):
    (error,) = admin(bootstrap).alter_replica_log_dirs({(topic, partition, broker_id): path}).values()
    _raise_for(error)


def elect_leaders(bootstrap, topic, partitions, unclean=False):
    """Elect leaders, and return the codes of those partitions where that was not needed."""
    if hasattr(AdminClient, "elect_leaders"):
        answer = admin(bootstrap).elect_leaders(int(unclean), {topic: partitions})
        (of_topic,) = answer.replica_election_results
        return {str(each.partition_id): each.error_code for each in of_topic.partition_result}
    answer = admin(bootstrap).perform_leader_election(int(unclean), {topic: partitions})
    ((_, results),) = answer.replication_election_results
    return {str(partition): code for partition, code, *_ in results}


def reassign(bootstrap, topic, partition, replicas):
    """Choose the replicas of a partition; None calls off what is under way."""
    (error,) = admin(bootstrap).alter_partition_reassignments({TopicPartition(topic, partition): replicas}).values()
    if error is not None:
        raise error


def reassignments(bootstrap, topic=None, partitions=()):
    """[topic, index] of the partitions whose replicas are being moved, of all topics unless one is named."""
    wanted = None if topic is None else {topic: list(partitions)}
    return [[at.topic, at.partition] for at in admin(bootstrap).list_partition_reassignments(wanted)]


def quorum(bootstrap):
    """Leader and voters of the metadata quorum, and whether it is in force: the high watermark is above zero."""
    described = admin(bootstrap).describe_metadata_quorum()
    ((partition,),) = [topic["partitions"] for topic in described["topics"]]
    return {
        "leader": partition["leader_id"],
        "voters": [each["replica_id"] for each in partition["current_voters"]],
        "observers": [each["replica_id"] for each in partition["observers"]],
        "committed": partition["high_watermark"] > 0,
    }


def features(bootstrap):
    """By name: the levels that the broker supports, and that which is in force."""
    return {
        name: [list(each.get("supported", ())), list(each.get("finalized", ()))]
        for name, each in admin(bootstrap).describe_features().items()
    }


def update_feature(bootstrap, name, level):
    """What becomes of it, in words."""
    return admin(bootstrap).update_features({name: level})[name]


def api_versions(bootstrap, broker_id):
    """By key, the first and the last version: of whatever broker was asked first, and of the one named."""
    of_first = admin(bootstrap).api_versions()
    of_named = admin(bootstrap).get_broker_version_data(broker_id).api_versions
    return [{str(int(key)): list(versions) for key, versions in each.items()} for each in (of_first, of_named)]


def describe_acls(bootstrap):
    acls, _ = admin(bootstrap).describe_acls(_any_acl())
    return len(acls)


def create_acl(bootstrap, topic):
    pattern = ResourcePattern(ResourceType.TOPIC, topic)
    acl = ACL("User:somebody", "*", ACLOperation.READ, ACLPermissionType.ALLOW, pattern)
    for error in admin(bootstrap).create_acls([acl])["failed"]:
        _raise_for(error[1] if isinstance(error, tuple) else error)


def delete_acls(bootstrap):
    ((_, deleted, error),) = admin(bootstrap).delete_acls([_any_acl()])
    _raise_for(error)
    return len(deleted)


def _any_acl():
    anything = ResourcePatternFilter(ResourceType.ANY, None, ACLResourcePatternType.ANY)
    return ACLFilter(None, None, ACLOperation.ANY, ACLPermissionType.ANY, anything)


def scram_users(bootstrap):
    """The users that have credentials."""
    return list(admin(bootstrap).describe_user_scram_credentials())


def scram_error(bootstrap, user):
    """What the client is told of a user without credentials."""
    return admin(bootstrap).describe_user_scram_credentials([user])[user]["error"]


def _raise_for(error):
    # Errors are classes, success among them.
    if error is not for_code(0):
        raise error


def _raise_for_code(code):
    _raise_for(for_code(code))
