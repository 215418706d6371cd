"""confluent-kafka's admin operations on topics, records and the cluster."""

from __future__ import annotations

import base64
import uuid

from confluent_client import DEADLINE_S, admin_client, done
from confluent_kafka import ElectionType, KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    NewPartitions,
    NewTopic,
    OffsetSpec,
    ResourcePatternType,
    ResourceType,
)


def create_topics(bootstrap, topics, validate_only=False):
    """Create topics, each a name and what of partitions, replicas, assignment and configs is not left to the broker."""
    admin = admin_client(bootstrap)
    all_done(admin.create_topics([_new_topic(*topic) for topic in topics], validate_only=validate_only))


def _new_topic(name, partitions=-1, replicas=-1, assignment=None, configs=None):
    if assignment is not None:
        return NewTopic(name, len(assignment), replica_assignment=assignment, config=configs or {})
    return NewTopic(name, partitions, replicas, config=configs or {})


def delete_topics(bootstrap, topics):
    admin = admin_client(bootstrap)
    all_done(admin.delete_topics(topics))


def grow_topics(bootstrap, topics, validate_only=False):
    """Grow topics, each a name, the count of partitions, and the replicas of the new ones if they are chosen."""
    admin = admin_client(bootstrap)
    all_done(admin.create_partitions([NewPartitions(*topic) for topic in topics], validate_only=validate_only))


def topic_id(bootstrap, topic):
    # It is spelled as base64 without the padding.
    return str(uuid.UUID(bytes=base64.b64decode(f"{_described(bootstrap, topic).topic_id}==")))


def is_internal(bootstrap, topic):
    return _described(bootstrap, topic).is_internal


def allowed_operations(bootstrap, topic, group):
    """What the client may do, by the codes of operations, with a cluster, a topic and a group."""
    admin = admin_client(bootstrap)
    of_cluster = admin.describe_cluster(include_authorized_operations=True).result(DEADLINE_S)
    of_topic = done(admin.describe_topics(TopicCollection([topic]), include_authorized_operations=True))
    of_group = done(admin.describe_consumer_groups([group], include_authorized_operations=True))
    return {
        what: sorted(operation.value for operation in each.authorized_operations)
        for what, each in (("cluster", of_cluster), ("topic", of_topic), ("group", of_group))
    }


def delete_records(bootstrap, offsets):
    """Delete the records before the offsets, each of a topic and partition, and return their first offsets then."""
    admin = admin_client(bootstrap)
    wanted = [TopicPartition(topic, index, offset) for topic, index, offset in offsets]
    deleted = all_done(admin.delete_records(wanted))
    return [deleted[each].low_watermark for each in wanted]


def list_offsets(bootstrap, topic, partition, times):
    """The offset for each time, which is a timestamp or a name."""
    admin = admin_client(bootstrap)
    at = TopicPartition(topic, partition)
    found = []
    for each in times:
        spec = OffsetSpec.for_timestamp(each) if isinstance(each, int) else getattr(OffsetSpec, each)()
        found.append(done(admin.list_offsets({at: spec})).offset)
    return found


def elect_leaders(bootstrap, topic, partitions, unclean=False):
    """Elect leaders, and return the codes of those partitions where that was not needed."""
    admin = admin_client(bootstrap)
    kind = ElectionType.UNCLEAN if unclean else ElectionType.PREFERRED
    outcomes = admin.elect_leaders(kind, [TopicPartition(topic, index) for index in partitions]).result(DEADLINE_S)
    errors = {str(at.partition): error for at, error in outcomes.items() if error is not None}
    for error in errors.values():
        if error.code() != KafkaError.ELECTION_NOT_NEEDED:
            raise KafkaException(error)
    return {partition: error.code() for partition, error in errors.items()}


def describe_acls(bootstrap):
    admin = admin_client(bootstrap)
    return len(admin.describe_acls(_any_acl()).result(DEADLINE_S))


def create_acl(bootstrap, topic):
    admin = admin_client(bootstrap)
    done(
        admin.create_acls(
            [
                AclBinding(
                    ResourceType.TOPIC,
                    topic,
                    ResourcePatternType.LITERAL,
                    "User:somebody",
                    "*",
                    AclOperation.READ,
                    AclPermissionType.ALLOW,
                )
            ]
        )
    )


def delete_acls(bootstrap):
    admin = admin_client(bootstrap)
    return len(done(admin.delete_acls([_any_acl()])))


def _any_acl():
    return AclBindingFilter(
        ResourceType.ANY, None, ResourcePatternType.ANY, None, None, AclOperation.ANY, AclPermissionType.ANY
    )


def scram_users(bootstrap):
    """The users that have credentials."""
    admin = admin_client(bootstrap)
    return list(admin.describe_user_scram_credentials().result(DEADLINE_S))


def scram_error(bootstrap, user):
    """What the client is told of a user without credentials."""
    admin = admin_client(bootstrap)
    try:
        done(admin.describe_user_scram_credentials([user]))
    except KafkaException as error:
        return error.args[0].str()
    return None


def _described(bootstrap, topic):
    admin = admin_client(bootstrap)
    return done(admin.describe_topics(TopicCollection([topic])))


def all_done(futures):
    """By key, the results of all; raises the first error when all have come to an end."""
    ended = {key: future.exception(DEADLINE_S) for key, future in futures.items()}
    for error in ended.values():
        if error is not None:
            raise error
    return {key: future.result() for key, future in futures.items()}
