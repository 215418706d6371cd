"""Errors and retries: what can go wrong with a message, and where the program gets to know.

    python examples/error_handling.py

Whatever may succeed later the client repeats by itself, until `delivery.timeout.ms` is over, and with idempotence it is
stored once all the same. So an error in a delivery report is the last word on a message, and the program decides what
becomes of it; this one puts it aside. (steady_producer.py shows what happens while the broker is away.) One sees:

    a good message: stored at offset 0
    too large for the client: refused at once, MSG_SIZE_TOO_LARGE
    too large for the topic: MSG_SIZE_TOO_LARGE
    a topic that is not there: UNKNOWN_TOPIC_OR_PART
    another good message: stored at offset 1
    2 messages are put aside
    1000 messages in a queue for 100: 1000 stored
"""

import argparse
from collections.abc import Callable

from confluent_kafka import KafkaError, KafkaException, Message, Producer
from confluent_kafka.admin import AdminClient, NewTopic

TOPIC = "small-messages"

Report = Callable[[KafkaError | None, Message], None]


def create_topic(bootstrap_server: str) -> None:
    topic = NewTopic(TOPIC, num_partitions=1, config={"max.message.bytes": "10000"})
    admin = AdminClient({"bootstrap.servers": bootstrap_server})
    try:
        admin.create_topics([topic])[TOPIC].result()
    except KafkaException as error:
        if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
            raise


def send(producer: Producer, topic: str, value: bytes, report: Report) -> None:
    """Put a message into the producer's queue, waiting for room there if need be; `report` is told how it ended."""
    while True:
        try:
            producer.produce(topic, value, on_delivery=report)
            return
        except BufferError:
            producer.poll(1)  # the queue is full: let reports of delivered messages make room


def reporter(what: str, put_aside: list[Message]) -> Report:
    """Make a function that is called with the outcome of one message."""

    def report(error: KafkaError | None, message: Message) -> None:
        if error is None:
            print(f"{what}: stored at offset {message.offset()}")
        else:
            print(f"{what}: {error.name()}")
            put_aside.append(message)

    return report


def main(bootstrap_server: str) -> None:
    create_topic(bootstrap_server)
    producer = Producer(
        {
            "bootstrap.servers": bootstrap_server,
            "enable.idempotence": True,
            "allow.auto.create.topics": False,  # else a typing error in its name makes a topic
            "topic.metadata.propagation.max.ms": 1000,  # how long an unknown topic may still come
            "queue.buffering.max.messages": 100,
        }
    )
    put_aside: list[Message] = []
    for what, topic, value in [
        ("a good message", TOPIC, b"hello"),
        ("too large for the client", TOPIC, bytes(2_000_000)),
        ("too large for the topic", TOPIC, bytes(20_000)),
        ("a topic that is not there", "smal-messages", b"hello"),
        ("another good message", TOPIC, b"hello"),
    ]:
        try:
            send(producer, topic, value, reporter(what, put_aside))
        except KafkaException as error:
            print(f"{what}: refused at once, {error.args[0].name()}")
        producer.flush()  # only so that the lines come in this order
    print(f"{len(put_aside)} messages are put aside")

    errors: list[KafkaError | None] = []
    for _ in range(1000):
        send(producer, TOPIC, b"hello", lambda error, message: errors.append(error))
    producer.flush()  # without it a program ends with messages in its queue, and they are lost
    print(f"1000 messages in a queue for 100: {errors.count(None)} stored")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--bootstrap-server", default="localhost:9092")
    main(parser.parse_args().bootstrap_server)
