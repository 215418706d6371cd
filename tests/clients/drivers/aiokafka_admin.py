"""aiokafka's admin operations on topics, records and the cluster."""

from __future__ import annotations

from aiokafka import TopicPartition
from aiokafka.admin import NewPartitions, NewTopic, RecordsToDelete
from aiokafka_client import admin_client, operation, raise_for


@operation
async def create_topics(bootstrap, topics, validate_only=False):
    """Create topics, each a name and what of partitions, replicas, assignment and configs is not left to the broker."""
    async with admin_client(bootstrap) as admin:
        answer = await admin.create_topics([_new_topic(*topic) for topic in topics], validate_only=validate_only)
    raise_for(answer.topic_errors)


def _new_topic(name, partitions=-1, replicas=-1, assignment=None, configs=None):
    assignments = None if assignment is None else dict(enumerate(assignment))
    return NewTopic(name, partitions, replicas, assignments, configs)


@operation
async def delete_topics(bootstrap, topics):
    async with admin_client(bootstrap) as admin:
        answer = await admin.delete_topics(topics)
    raise_for(answer.topic_error_codes)


@operation
async def grow_topics(bootstrap, topics, validate_only=False):
    """Grow topics, each a name, the count of partitions, and the replicas of the new ones if they are chosen."""
    wanted = {name: NewPartitions(count, *assignment) for name, count, *assignment in topics}
    async with admin_client(bootstrap) as admin:
        await admin.create_partitions(wanted, validate_only=validate_only)


@operation
async def topic_id(bootstrap, topic):
    return (await _described(bootstrap, topic))["topic_id"]


@operation
async def is_internal(bootstrap, topic):
    return (await _described(bootstrap, topic))["is_internal"]


@operation
async def allowed_operations(bootstrap, topic, group):
    """What the client may do, by the codes of operations, with a group: it asks for no more."""
    async with admin_client(bootstrap) as admin:
        (answer,) = await admin.describe_consumer_groups([group], include_authorized_operations=True)
    ((*_, bits),) = answer.groups
    return {"group": [bit for bit in range(32) if bits >> bit & 1]}


@operation
async def delete_records(bootstrap, offsets):
    """Delete the records before the offsets, each of a topic and partition, and return their first offsets then."""
    wanted = {TopicPartition(topic, index): RecordsToDelete(offset) for topic, index, offset in offsets}
    async with admin_client(bootstrap) as admin:
        deleted = await admin.delete_records(wanted)
    return [deleted[each] for each in wanted]


@operation
async def coordinator_of(bootstrap, group):
    """The broker that coordinates a group."""
    async with admin_client(bootstrap) as admin:
        return await admin.find_coordinator(group)


async def _described(bootstrap, topic):
    async with admin_client(bootstrap) as admin:
        (described,) = await admin.describe_topics([topic])
    return described
