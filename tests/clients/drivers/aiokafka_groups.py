"""aiokafka's operations on groups."""

from __future__ import annotations

import contextlib
import functools

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment
from aiokafka_client import admin_client, as_dict, operation, poll
from members import MEMBERS, Member, assignor_of, in_order


def start_member(bootstrap, member, **options):
    """Start a member that polls on a thread of its own (see members.py)."""
    MEMBERS[member] = Member(functools.partial(_run, bootstrap=bootstrap, **options))


@operation
async def _run(
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
    async with _consumer(
        bootstrap,
        group,
        partition_assignment_strategy=[assignor_of("aiokafka", assignor)],
        group_instance_id=instance_id,
        enable_auto_commit=auto_commit,
        session_timeout_ms=session_timeout_ms,
    ) as consumer:
        consumer.subscribe(topics=topics or (), pattern=pattern, listener=_Listener(member))
        while not member.leaving.is_set():
            for batch in (await consumer.getmany(timeout_ms=50)).values():
                member.read.extend(as_dict(record) for record in batch)
            member.assignment = in_order(consumer.assignment())


class _Listener(ConsumerRebalanceListener):
    def __init__(self, member):
        self._member = member

    def on_partitions_assigned(self, assigned):
        self._member.on_assigned(assigned)

    def on_partitions_revoked(self, revoked):
        self._member.on_revoked(revoked)


@operation
async def read_and_commit(bootstrap, group, topic, count, metadata="", subscribe=True):
    """Read so many records of partition 0, from the committed offset on, and commit the next offset with metadata."""
    partition = TopicPartition(topic, 0)
    async with _consumer(bootstrap, group, max_poll_records=1) as consumer:
        if subscribe:
            consumer.subscribe([topic])
        else:
            consumer.assign([partition])
        records = await poll(consumer, count)
        await consumer.commit({partition: (records[-1]["offset"] + 1, metadata)})
    return records


@operation
async def committed(bootstrap, group, topic):
    """Offset and metadata committed for partition 0, or None; the consumer does not tell the metadata."""
    async with _consumer(bootstrap, group) as consumer:
        found = await consumer.committed(TopicPartition(topic, 0))
    return None if found is None else [found, None]


@operation
async def move_about(bootstrap, group, topic):
    """Read one record each at the start and at offsets 5 and 2, and commit behind the second."""
    partition = TopicPartition(topic, 0)
    async with _consumer(bootstrap, group, max_poll_records=1) as consumer:
        consumer.assign([partition])
        seen = []
        for offset in (None, 5, 2):
            if offset is not None:
                consumer.seek(partition, offset)
            (record,) = await poll(consumer, 1)
            if offset == 5:
                await consumer.commit()
            seen.append([record["offset"], await consumer.position(partition), await consumer.committed(partition)])
    return seen


@operation
async def list_groups(bootstrap):
    async with admin_client(bootstrap) as admin:
        return [name for name, _ in await admin.list_consumer_groups()]


@operation
async def describe_group(bootstrap, group):
    async with admin_client(bootstrap) as admin:
        (answer,) = await admin.describe_consumer_groups([group])
    ((_, _, state, _, protocol, members, *_),) = answer.groups
    assignments = [ConsumerProtocolMemberAssignment.decode(assignment) for *_, assignment in members]
    return {
        "state": state,
        "protocol": protocol,
        "members": [in_order(assignment.partitions()) for assignment in assignments],
    }


@operation
async def delete_group(bootstrap, group):
    async with admin_client(bootstrap) as admin:
        await admin.delete_consumer_groups([group])


@operation
async def group_offsets(bootstrap, group):
    """[topic, partition, offset] of all that is committed."""
    async with admin_client(bootstrap) as admin:
        found = await admin.list_consumer_group_offsets(group)
    return [[at.topic, at.partition, each.offset] for at, each in found.items()]


@operation
async def lag(bootstrap, group):
    """[topic, partition, records behind the committed offset] of all that is committed."""
    async with admin_client(bootstrap) as admin:
        found = await admin.list_consumer_group_offsets(group)
    async with _consumer(bootstrap, None) as consumer:
        ends = await consumer.end_offsets(list(found))
    return [[at.topic, at.partition, ends[at] - each.offset] for at, each in found.items()]


@operation
async def alter_offset(bootstrap, group, topic, partition, offset):
    async with admin_client(bootstrap) as admin:
        await admin.alter_consumer_group_offsets(group, {TopicPartition(topic, partition): offset})


@operation
async def reset_offset(bootstrap, group, topic, partition):
    async with admin_client(bootstrap) as admin:
        await admin.reset_consumer_group_offsets(group, [TopicPartition(topic, partition)])


@operation
async def delete_offset(bootstrap, group, topic, partition):
    async with admin_client(bootstrap) as admin:
        await admin.delete_consumer_group_offsets(group, [TopicPartition(topic, partition)])


@operation
async def remove_member(bootstrap, group, member_id):
    async with admin_client(bootstrap) as admin:
        await admin.remove_members_from_consumer_group(group, [member_id])


@contextlib.asynccontextmanager
async def _consumer(bootstrap, group, **options):
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        group_id=group,
        auto_offset_reset="earliest",
        heartbeat_interval_ms=100,
        auto_commit_interval_ms=100,
        fetch_max_wait_ms=100,
        metadata_max_age_ms=500,
        **{"enable_auto_commit": False, **options},
    )
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()
