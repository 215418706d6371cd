"""kafka-python's operations on groups, for all of its versions."""

from __future__ import annotations

import contextlib
import functools
import importlib

from kafka import ConsumerRebalanceListener, KafkaConsumer, TopicPartition
from kafka.errors import for_code
from kafka.structs import OffsetAndMetadata
from kafka_python_client import admin_client, as_dict, poll
from members import MEMBERS, Member, assignor_of, in_order


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
    options = {} if instance_id is None else {"group_instance_id": instance_id}
    with _consumer(
        bootstrap,
        group,
        partition_assignment_strategy=[assignor_of("kafka", assignor)],
        enable_auto_commit=auto_commit,
        session_timeout_ms=session_timeout_ms,
        **options,
    ) as consumer:
        consumer.subscribe(topics=topics or (), pattern=pattern, listener=_Listener(member))
        # With a pattern, versions 2.2 and 3 may forget to join again if they are not done with it in one call.
        timeout_ms = 100 if pattern is None else 1000
        while not member.leaving.is_set():
            for batch in consumer.poll(timeout_ms=timeout_ms).values():
                member.read.extend(as_dict(record) for record in batch)
            member.assignment = in_order(consumer.assignment())


class _Listener(ConsumerRebalanceListener):
    def __init__(self, member):
        self._member = member

    def on_partitions_assigned(self, assigned):
        self._member.on_assigned(assigned)

    def on_partitions_revoked(self, revoked):
        self._member.on_revoked(revoked)


def read_and_commit(bootstrap, group, topic, count, metadata="", subscribe=True):
    """Read so many records of partition 0, from the committed offset on, and commit the next offset with metadata."""
    partition = TopicPartition(topic, 0)
    with _consumer(bootstrap, group, max_poll_records=1) as consumer:
        if subscribe:
            consumer.subscribe([topic])
        else:
            consumer.assign([partition])
        records = poll(consumer, count)
        consumer.commit({partition: _offset(records[-1]["offset"] + 1, metadata)})
    return records


def committed(bootstrap, group, topic):
    """Offset and metadata committed for partition 0, or None."""
    with _consumer(bootstrap, group) as consumer:
        found = consumer.committed(TopicPartition(topic, 0), metadata=True)
    return found and [found.offset, found.metadata]


def move_about(bootstrap, group, topic):
    """Read one record each at the start and at offsets 5 and 2, and commit behind the second."""
    partition = TopicPartition(topic, 0)
    with _consumer(bootstrap, group, max_poll_records=1) as consumer:
        consumer.assign([partition])
        seen = []
        for offset in (None, 5, 2):
            if offset is not None:
                consumer.seek(partition, offset)
            (record,) = poll(consumer, 1)
            if offset == 5:
                consumer.commit()
            seen.append([record["offset"], consumer.position(partition), consumer.committed(partition)])
    return seen


def list_groups(bootstrap):
    with admin_client(bootstrap) as admin:
        if hasattr(admin, "list_groups"):
            return [each["group_id"] for each in admin.list_groups()]
        return [name for name, _ in admin.list_consumer_groups()]


def describe_group(bootstrap, group):
    with admin_client(bootstrap) as admin:
        if hasattr(admin, "describe_groups"):
            described = admin.describe_groups([group])[group]
            return {
                "state": described["group_state"],
                "protocol": described["protocol_data"],
                "members": [
                    [[each["topic"], index] for each in assigned["assigned_partitions"] for index in each["partitions"]]
                    for assigned in (member["member_assignment"] for member in described["members"])
                ],
            }
        (described,) = admin.describe_consumer_groups([group])
        return {
            "state": described.state,
            "protocol": described.protocol,
            "members": [
                [[topic, index] for topic, indexes in member.member_assignment.assignment for index in indexes]
                for member in described.members
            ],
        }


def delete_group(bootstrap, group):
    with admin_client(bootstrap) as admin:
        if hasattr(admin, "delete_groups"):
            outcome = admin.delete_groups([group])[group]
            if outcome != "OK":
                raise getattr(importlib.import_module("kafka.errors"), outcome)
            return
        ((_, error),) = admin.delete_consumer_groups([group])
        _raise_for(error)


def group_offsets(bootstrap, group):
    """[topic, partition, offset] of all that is committed."""
    with admin_client(bootstrap) as admin:
        found = _offsets_of(admin, group)
    return [[at.topic, at.partition, each.offset] for at, each in found.items()]


def lag(bootstrap, group):
    """[topic, partition, records behind the committed offset] of all that is committed."""
    with admin_client(bootstrap) as admin:
        found = _offsets_of(admin, group)
    with _consumer(bootstrap, None) as consumer:
        ends = consumer.end_offsets(list(found))
    return [[at.topic, at.partition, ends[at] - each.offset] for at, each in found.items()]


def alter_offset(bootstrap, group, topic, partition, offset):
    at = TopicPartition(topic, partition)
    with admin_client(bootstrap) as admin:
        _raise_for(admin.alter_group_offsets(group, {at: _offset(offset, "")})[at])


def reset_offset(bootstrap, group, topic, partition):
    """Reset it to the first offset of the partition, and return that."""
    at = TopicPartition(topic, partition)
    with admin_client(bootstrap) as admin:
        reset = admin.reset_group_offsets
        outcome = reset(group, {at: importlib.import_module("kafka.admin").OffsetSpec.EARLIEST})[at]
    _raise_for(outcome["error"])
    return outcome["offset"]


def delete_offset(bootstrap, group, topic, partition):
    at = TopicPartition(topic, partition)
    with admin_client(bootstrap) as admin:
        _raise_for(admin.delete_group_offsets(group, [at])[at])


def remove_member(bootstrap, group, member_id):
    with admin_client(bootstrap) as admin:
        remove = admin.remove_group_members
        member = importlib.import_module("kafka.admin").MemberToRemove(member_id)
        (error,) = remove(group, [member]).values()
    _raise_for(error)


def _offsets_of(admin, group):
    if hasattr(admin, "list_group_offsets"):
        return admin.list_group_offsets(group)[group]
    return admin.list_consumer_group_offsets(group)


def _offset(offset, metadata):
    # Since 2.1 there is a leader epoch, too.
    return OffsetAndMetadata(*[offset, metadata, -1][: len(OffsetAndMetadata._fields)])


def _raise_for(error):
    # The admin client returns the classes of errors, success among them.
    if error is not for_code(0):
        raise error


@contextlib.contextmanager
def _consumer(bootstrap, group, **options):
    consumer = KafkaConsumer(
        bootstrap_servers=bootstrap,
        group_id=group,
        auto_offset_reset="earliest",
        heartbeat_interval_ms=100,
        auto_commit_interval_ms=100,
        fetch_max_wait_ms=50,
        retry_backoff_ms=20,
        metadata_max_age_ms=500,
        **{"enable_auto_commit": False, **options},
    )
    try:
        yield consumer
    finally:
        consumer.close()
