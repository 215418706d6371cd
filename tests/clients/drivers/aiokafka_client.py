"""aiokafka's operations. Texts stand for the bytes of keys and values."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import time

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, for_code
from calls import noted

DEADLINE_S = 30

AdminClient = noted(AIOKafkaAdminClient)
OPEN = {}
"""By topic, the producer or consumer that is kept."""
_RUNNER = asyncio.Runner()


def error_code(error):
    """Kafka's code of an error; aiokafka's own have none."""
    return getattr(error, "errno", None) if isinstance(error, KafkaError) else None


def operation(function):
    """Run a coroutine function in a loop of its own."""

    @functools.wraps(function)
    def run(*args, **kwargs):
        return asyncio.run(function(*args, **kwargs))

    return run


def lasting_operation(function):
    """Run a coroutine function in a loop that lasts, for what is kept."""

    @functools.wraps(function)
    def run(*args, **kwargs):
        return _RUNNER.run(function(*args, **kwargs))

    return run


@operation
async def connect(bootstrap):
    async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
        return bool(producer.client.cluster.brokers())


@operation
async def create_topic(bootstrap, topic, partitions, configs):
    async with admin_client(bootstrap) as admin:
        answer = await admin.create_topics([NewTopic(topic, partitions, 1, topic_configs=configs)])
    raise_for(answer.topic_errors)


@operation
async def delete_topic(bootstrap, topic):
    async with admin_client(bootstrap) as admin:
        answer = await admin.delete_topics([topic])
    raise_for(answer.topic_error_codes)


@operation
async def list_topics(bootstrap):
    async with admin_client(bootstrap) as admin:
        return list(await admin.list_topics())


@operation
async def describe_topic(bootstrap, topic):
    async with admin_client(bootstrap) as admin:
        (described,) = await admin.describe_topics([topic])
    return {
        "partitions": sorted(partition["partition"] for partition in described["partitions"]),
        "leaders": sorted({partition["leader"] for partition in described["partitions"]}),
    }


@operation
async def describe_cluster(bootstrap):
    async with admin_client(bootstrap) as admin:
        described = await admin.describe_cluster()
    return {
        "cluster_id": described["cluster_id"],
        "controller_id": described["controller_id"],
        "brokers": [[each["node_id"], each["host"], each["port"]] for each in described["brokers"]],
    }


@operation
async def produce(bootstrap, topic, records, acks="all", codec=None, idempotent=False, max_request_size=1048576):
    async with AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        acks=acks,
        compression_type=codec,
        linger_ms=50,
        enable_idempotence=idempotent,
        max_request_size=max_request_size,
    ) as producer:
        futures = [
            await producer.send(
                topic,
                value=_bytes(record["value"]),
                key=_bytes(record.get("key")),
                headers=[(key, _bytes(value)) for key, value in record.get("headers", [])],
                partition=record.get("partition", 0),
                timestamp_ms=record.get("timestamp"),
            )
            for record in records
        ]
        outcomes = await asyncio.wait_for(asyncio.gather(*futures), DEADLINE_S)
        # Without acks there is no metadata to return.
        return [outcome and outcome.offset for outcome in outcomes]


@operation
async def consume(bootstrap, topic, count, partitions=(0,), offset="beginning", read_committed=False, reset="earliest"):
    async with _consumer(bootstrap, topic, partitions, read_committed, reset) as consumer:
        if offset == "beginning":
            await consumer.seek_to_beginning()
        else:
            for partition in consumer.assignment():
                consumer.seek(partition, offset)
        return await poll(consumer, count)


@lasting_operation
async def start_producing(bootstrap, topic, value):
    """Produce with a producer that is kept, and return the offset."""
    OPEN[topic] = AIOKafkaProducer(bootstrap_servers=bootstrap)
    await OPEN[topic].start()
    return (await OPEN[topic].send_and_wait(topic, value.encode(), partition=0)).offset


@lasting_operation
async def end_producing(bootstrap, topic, value):
    """Produce once more with the producer that was kept."""
    producer = OPEN.pop(topic)
    try:
        return (await producer.send_and_wait(topic, value.encode(), partition=0)).offset
    finally:
        await producer.stop()


@lasting_operation
async def start_consuming(bootstrap, topic, count):
    """Read values from the beginning with a consumer that is kept."""
    OPEN[topic] = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest")
    await OPEN[topic].start()
    OPEN[topic].assign([TopicPartition(topic, 0)])
    return [record["value"] for record in await poll(OPEN[topic], count)]


@lasting_operation
async def end_consuming(bootstrap, topic, count):
    """Read on with the consumer that was kept."""
    consumer = OPEN.pop(topic)
    try:
        return [record["value"] for record in await poll(consumer, count)]
    finally:
        await consumer.stop()


@operation
async def tail(bootstrap, topic, value):
    """Wait at the end of the log, and only then produce what shall be read."""
    async with _consumer(bootstrap, topic, (0,)) as consumer:
        await consumer.seek_to_end()
        early = await poll(consumer, 1, deadline_s=0.2)
        async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
            await producer.send_and_wait(topic, value.encode())
        return early + await poll(consumer, 1)


@operation
async def offsets(bootstrap, topic, timestamps):
    """The first and the end offset, and those of the first records at or after the timestamps."""
    partition = TopicPartition(topic, 0)
    async with _consumer(bootstrap, topic, (0,)) as consumer:
        found = [(await consumer.offsets_for_times({partition: timestamp}))[partition] for timestamp in timestamps]
        return {
            "beginning": (await consumer.beginning_offsets([partition]))[partition],
            "end": (await consumer.end_offsets([partition]))[partition],
            "times": [each and [each.offset, each.timestamp] for each in found],
        }


@operation
async def touch(bootstrap, topic):
    """Ask for the metadata of a topic as a producer does that is about to write to it."""
    async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
        return len(await asyncio.wait_for(producer.partitions_for(topic), DEADLINE_S))


@contextlib.asynccontextmanager
async def admin_client(bootstrap):
    admin = AdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


@contextlib.asynccontextmanager
async def _consumer(bootstrap, topic, partitions, read_committed=False, reset="earliest"):
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        enable_auto_commit=False,
        auto_offset_reset=reset,
        isolation_level="read_committed" if read_committed else "read_uncommitted",
    )
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic, partition) for partition in partitions])
        yield consumer
    finally:
        await consumer.stop()


async def poll(consumer, count, deadline_s=DEADLINE_S):
    records = []
    end = time.monotonic() + deadline_s
    while len(records) < count and time.monotonic() < end:
        for batch in (await consumer.getmany(timeout_ms=200)).values():
            records.extend(as_dict(record) for record in batch)
    return records


def raise_for(results):
    # The admin client returns the broker's answer as it came, errors and all.
    for _, code, *message in results:
        if code:
            raise for_code(code)(*message)


def as_dict(record):
    return {
        "partition": record.partition,
        "offset": record.offset,
        "timestamp": record.timestamp,
        "is_log_append_time": record.timestamp_type == 1,
        "key": _text(record.key),
        "value": _text(record.value),
        "headers": [[key, _text(value)] for key, value in record.headers],
    }


def _bytes(text):
    return None if text is None else text.encode()


def _text(data):
    return None if data is None else data.decode()
