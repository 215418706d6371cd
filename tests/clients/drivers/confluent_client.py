"""confluent-kafka's operations. Texts stand for the bytes of keys and values."""

from __future__ import annotations

import contextlib
import time

import confluent_kafka.admin
from calls import noted
from confluent_kafka import (
    OFFSET_BEGINNING,
    OFFSET_END,
    TIMESTAMP_LOG_APPEND_TIME,
    Consumer,
    KafkaError,
    KafkaException,
    Producer,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import NewTopic

DEADLINE_S = 30

AdminClient = noted(confluent_kafka.admin.AdminClient)
OPEN = {}
"""By topic, the producer or consumer that is kept."""


def error_code(error):
    """Kafka's code of an error; librdkafka's own are negative."""
    return error.args[0].code() if isinstance(error, KafkaException) else None


def connect(bootstrap):
    return bool(admin_client(bootstrap).list_topics(timeout=DEADLINE_S).brokers)


def create_topic(bootstrap, topic, partitions, configs):
    admin = admin_client(bootstrap)
    done(admin.create_topics([NewTopic(topic, partitions, 1, config=configs)]))


def delete_topic(bootstrap, topic):
    admin = admin_client(bootstrap)
    done(admin.delete_topics([topic]))


def list_topics(bootstrap):
    return list(admin_client(bootstrap).list_topics(timeout=DEADLINE_S).topics)


def describe_topic(bootstrap, topic):
    admin = admin_client(bootstrap)
    described = done(admin.describe_topics(TopicCollection([topic])))
    return {
        "partitions": sorted(partition.id for partition in described.partitions),
        "leaders": sorted({partition.leader.id for partition in described.partitions}),
    }


def describe_cluster(bootstrap):
    admin = admin_client(bootstrap)
    described = admin.describe_cluster().result(DEADLINE_S)
    (cluster_id,) = {described.cluster_id, admin.cluster_id(timeout=DEADLINE_S)}
    return {
        "cluster_id": cluster_id,
        "controller_id": described.controller.id,
        "brokers": [[node.id, node.host, node.port] for node in described.nodes],
    }


def produce(bootstrap, topic, records, acks="all", codec=None, idempotent=False, max_request_size=1000000):
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "acks": acks,
            "compression.type": codec or "none",
            "linger.ms": 50,
            "enable.idempotence": idempotent,
            "message.max.bytes": max_request_size,
        }
    )
    outcomes = [None] * len(records)

    def outcome(index):
        def on_delivery(error, message):
            outcomes[index] = error or message.offset()

        return on_delivery

    for index, record in enumerate(records):
        producer.produce(
            topic,
            value=record["value"],
            key=record.get("key"),
            headers=[(key, value) for key, value in record.get("headers", [])],
            partition=record.get("partition", 0),
            on_delivery=outcome(index),
            **({"timestamp": record["timestamp"]} if "timestamp" in record else {}),
        )
    producer.flush(DEADLINE_S)
    for each in outcomes:
        if isinstance(each, KafkaError):
            raise KafkaException(each)
    return outcomes


def consume(bootstrap, topic, count, partitions=(0,), offset="beginning", read_committed=False, reset="earliest"):
    with _consumer(bootstrap, topic, partitions, offset, read_committed, reset) as consumer:
        return poll(consumer, count)


def start_producing(bootstrap, topic, value):
    """Produce with a producer that is kept, and return the offset."""
    OPEN[topic] = Producer({"bootstrap.servers": bootstrap})
    return _produce_one(OPEN[topic], topic, value)


def end_producing(bootstrap, topic, value):
    """Produce once more with the producer that was kept."""
    return _produce_one(OPEN.pop(topic), topic, value)


def _produce_one(producer, topic, value):
    outcomes = []
    producer.produce(topic, value, partition=0, on_delivery=lambda *outcome: outcomes.append(outcome))
    producer.flush(DEADLINE_S)
    ((error, message),) = outcomes
    if error is not None:
        raise KafkaException(error)
    return message.offset()


def start_consuming(bootstrap, topic, count):
    """Read values from the beginning with a consumer that is kept."""
    kept = contextlib.ExitStack()
    consumer = kept.enter_context(_consumer(bootstrap, topic, (0,), "beginning"))
    OPEN[topic] = kept, consumer
    return [record["value"] for record in poll(consumer, count)]


def end_consuming(bootstrap, topic, count):
    """Read on with the consumer that was kept."""
    kept, consumer = OPEN.pop(topic)
    with kept:
        return [record["value"] for record in poll(consumer, count)]


def tail(bootstrap, topic, value):
    """Wait at the end of the log, and only then produce what shall be read."""
    with _consumer(bootstrap, topic, (0,), "end") as consumer:
        early = poll(consumer, 1, deadline_s=0.2)
        end = time.monotonic() + DEADLINE_S
        # The assignment is not at the end of the log before librdkafka has asked where that is.
        while consumer.get_watermark_offsets(TopicPartition(topic, 0), cached=True)[1] < 0 and time.monotonic() < end:
            early += poll(consumer, 1, deadline_s=0.05)
        produce(bootstrap, topic, [{"value": value}])
        return early + poll(consumer, 1)


def offsets(bootstrap, topic, timestamps):
    """The first and the end offset, and those of the first records at or after the timestamps."""
    with _consumer(bootstrap, topic, (0,), "beginning") as consumer:
        beginning, end = consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=DEADLINE_S)
        times = []
        for timestamp in timestamps:
            (found,) = consumer.offsets_for_times([TopicPartition(topic, 0, timestamp)], timeout=DEADLINE_S)
            # librdkafka answers with the end where no record is so late, and does not tell the record's timestamp.
            times.append(None if found.offset == OFFSET_END else [found.offset, None])
    return {"beginning": beginning, "end": end, "times": times}


def touch(bootstrap, topic):
    """Ask for the metadata of a topic as a producer does that is about to write to it."""
    producer = Producer({"bootstrap.servers": bootstrap})
    end = time.monotonic() + DEADLINE_S
    while time.monotonic() < end:
        described = producer.list_topics(topic, timeout=DEADLINE_S).topics[topic]
        if described.error is None and described.partitions:
            return len(described.partitions)
    raise KafkaException(described.error)


def admin_client(bootstrap):
    # Futures do not keep their client: whoever waits for one must hold this until then.
    return AdminClient({"bootstrap.servers": bootstrap})


def done(futures):
    (future,) = futures.values()
    return future.result(DEADLINE_S)


@contextlib.contextmanager
def _consumer(bootstrap, topic, partitions, offset, read_committed=False, reset="earliest"):
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "unused: nothing is subscribed or committed",
            "enable.auto.commit": False,
            "auto.offset.reset": reset,
            "isolation.level": "read_committed" if read_committed else "read_uncommitted",
        }
    )
    try:
        start = {"beginning": OFFSET_BEGINNING, "end": OFFSET_END}.get(offset, offset)
        consumer.assign([TopicPartition(topic, partition, start) for partition in partitions])
        yield consumer
    finally:
        consumer.close()


def poll(consumer, count, deadline_s=DEADLINE_S):
    records = []
    end = time.monotonic() + deadline_s
    while len(records) < count and time.monotonic() < end:
        for message in consumer.consume(count, 0.1):
            if message.error():
                raise KafkaException(message.error())
            records.append(as_dict(message))
    return records


def as_dict(message):
    timestamp_type, timestamp = message.timestamp()
    return {
        "partition": message.partition(),
        "offset": message.offset(),
        "timestamp": timestamp,
        "is_log_append_time": timestamp_type == TIMESTAMP_LOG_APPEND_TIME,
        "key": _text(message.key()),
        "value": _text(message.value()),
        "headers": [[key, _text(value)] for key, value in message.headers() or ()],
    }


def _text(data):
    return None if data is None else data.decode()
