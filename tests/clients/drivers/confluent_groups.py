"""confluent-kafka's operations on groups."""

from __future__ import annotations

import contextlib
import functools
import warnings

from confluent_client import DEADLINE_S, admin_client, as_dict, done, poll
from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import OffsetSpec
from members import MEMBERS, Member, in_order


def start_member(bootstrap, member, **options):
    """Start a member that polls on a thread of its own (see members.py)."""
    MEMBERS[member] = Member(functools.partial(_run, bootstrap=bootstrap, **options))


def _run(
    member,
    bootstrap,
    group,
    topics=None,
    pattern=None,
    assignor="range",
    instance_id=None,
    auto_commit=False,
    session_timeout_ms=30_000,
):
    options = {
        "partition.assignment.strategy": assignor,
        "enable.auto.commit": auto_commit,
        "session.timeout.ms": session_timeout_ms,
    }
    if instance_id is not None:
        options["group.instance.id"] = instance_id
    with _consumer(bootstrap, group, options) as consumer:
        consumer.subscribe(
            topics or [pattern],  # librdkafka takes a name that begins with ^ for a pattern
            on_assign=lambda _, partitions: member.on_assigned(partitions),
            on_revoke=lambda _, partitions: member.on_revoked(partitions),
        )
        while not member.leaving.is_set():
            for message in consumer.consume(500, 0.05):
                if message.error():
                    raise KafkaException(message.error())
                member.read.append(as_dict(message))
            member.assignment = in_order(consumer.assignment())


def read_and_commit(bootstrap, group, topic, count, metadata="", subscribe=True):
    """Read so many records of partition 0, from the committed offset on, and commit the next offset with metadata."""
    with _consumer(bootstrap, group) as consumer:
        if subscribe:
            consumer.subscribe([topic])
        else:
            consumer.assign([TopicPartition(topic, 0)])
        records = poll(consumer, count)
        end = TopicPartition(topic, 0, records[-1]["offset"] + 1, metadata)
        _check(consumer.commit(offsets=[end], asynchronous=False))
    return records


def committed(bootstrap, group, topic):
    """Offset and metadata committed for partition 0, or None."""
    with _consumer(bootstrap, group) as consumer:
        (found,) = _check(consumer.committed([TopicPartition(topic, 0)], timeout=DEADLINE_S))
    return None if found.offset < 0 else [found.offset, found.metadata]


def move_about(bootstrap, group, topic):
    """Read one record each at the start and at offsets 5 and 2, and commit behind the second."""
    partition = TopicPartition(topic, 0)
    with _consumer(bootstrap, group) as consumer:
        consumer.assign([partition])
        seen = []
        for offset in (None, 5, 2):
            if offset is not None:
                consumer.seek(TopicPartition(topic, 0, offset))
            (record,) = poll(consumer, 1)
            if offset == 5:
                _check(consumer.commit(asynchronous=False))
            (position,) = _check(consumer.position([partition]))
            (found,) = _check(consumer.committed([partition], timeout=DEADLINE_S))
            seen.append([record["offset"], position.offset, None if found.offset < 0 else found.offset])
    return seen


def list_groups(bootstrap):
    admin = admin_client(bootstrap)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the old way to list them is served, too
        by_old_means = {each.id for each in admin.list_groups(timeout=DEADLINE_S)}
    listed = admin.list_consumer_groups().result(DEADLINE_S).valid
    return [each.group_id for each in listed if each.group_id in by_old_means]


def describe_group(bootstrap, group):
    admin = admin_client(bootstrap)
    described = done(admin.describe_consumer_groups([group]))
    return {
        # Names as Kafka's: PREPARING_REBALANCING is no worse than the others.
        "state": described.state.name.title(),
        "protocol": described.partition_assignor,
        "members": [in_order(member.assignment.topic_partitions) for member in described.members],
    }


def delete_group(bootstrap, group):
    admin = admin_client(bootstrap)
    done(admin.delete_consumer_groups([group]))


def group_offsets(bootstrap, group):
    """[topic, partition, offset] of all that is committed."""
    admin = admin_client(bootstrap)
    found = done(admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)]))
    return [[each.topic, each.partition, each.offset] for each in _check(found.topic_partitions)]


def lag(bootstrap, group):
    """[topic, partition, records behind the committed offset] of all that is committed."""
    admin = admin_client(bootstrap)
    behind = []
    for topic, partition, offset in group_offsets(bootstrap, group):
        end = done(admin.list_offsets({TopicPartition(topic, partition): OffsetSpec.latest()})).offset
        behind.append([topic, partition, end - offset])
    return behind


def alter_offset(bootstrap, group, topic, partition, offset):
    admin = admin_client(bootstrap)
    wanted = ConsumerGroupTopicPartitions(group, [TopicPartition(topic, partition, offset)])
    _check(done(admin.alter_consumer_group_offsets([wanted])).topic_partitions)


def reset_offset(bootstrap, group, topic, partition):
    """Reset it to the first offset of the partition, and return that."""
    admin = admin_client(bootstrap)
    first = done(admin.list_offsets({TopicPartition(topic, partition): OffsetSpec.earliest()})).offset
    alter_offset(bootstrap, group, topic, partition, first)
    return first


def delete_offset(bootstrap, group, topic, partition):
    admin = admin_client(bootstrap)
    done(admin.delete_consumer_group_offsets(group, [TopicPartition(topic, partition)]))


def remove_member(bootstrap, group, member_id):
    admin = admin_client(bootstrap)
    done(admin.remove_members_from_consumer_group(group, [member_id]))


def _check(partitions):
    # Errors of single partitions come with them.
    for each in partitions:
        if each.error is not None:
            raise KafkaException(each.error)
    return partitions


@contextlib.contextmanager
def _consumer(bootstrap, group, options=()):
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": group,
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "heartbeat.interval.ms": 100,
            "auto.commit.interval.ms": 100,
            "fetch.wait.max.ms": 100,
            "topic.metadata.refresh.interval.ms": 500,
            **dict(options),
        }
    )
    try:
        yield consumer
    finally:
        consumer.close()
