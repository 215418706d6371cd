"""Writes records with each of two stock clients and reads them back in a group: on the host, or in a container.

python round_trip.py BOOTSTRAP TOPIC_PREFIX
"""

from __future__ import annotations

import sys

KEY = b"Ada"  # of all, so that they stay in order
VALUES = [b"espresso", b"cortado", b"flat white"]
DEADLINE_S = 30.0


def with_kafka_python(bootstrap: str, topic: str) -> list[bytes]:
    """Return the values of the topic after having added ours."""
    from kafka import KafkaConsumer, KafkaProducer

    with KafkaProducer(bootstrap_servers=bootstrap) as producer:
        for value in VALUES:
            producer.send(topic, value, KEY)
    consumer = KafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        group_id=topic,
        auto_offset_reset="earliest",
        consumer_timeout_ms=int(DEADLINE_S * 1000),
    )
    with consumer:
        return [message.value for _, message in zip(VALUES, consumer, strict=False)]


def with_confluent_kafka(bootstrap: str, topic: str) -> list[bytes]:
    """The same."""
    from confluent_kafka import Consumer, Producer

    producer = Producer({"bootstrap.servers": bootstrap})
    for value in VALUES:
        producer.produce(topic, value, KEY)
    assert producer.flush(DEADLINE_S) == 0, "not everything was delivered"
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": topic, "auto.offset.reset": "earliest"})
    try:
        consumer.subscribe([topic])
        messages = []
        while len(messages) < len(VALUES) and (got := consumer.consume(len(VALUES), DEADLINE_S)):
            messages += got
        assert all(message.error() is None for message in messages), messages
        return [value for message in messages if (value := message.value()) is not None]
    finally:
        consumer.close()


CLIENTS = {"kafka-python": with_kafka_python, "confluent-kafka": with_confluent_kafka}

if __name__ == "__main__":
    bootstrap_servers, topic_prefix = sys.argv[1:]
    for name, round_trip in CLIENTS.items():
        read = round_trip(bootstrap_servers, f"{topic_prefix}-{name}")
        assert read == VALUES, f"{name} has read {read}"
