"""Consume, double, produce: a service between two topics that loses nothing, wherever it is stopped.

    python examples/double_numbers.py

It commits its offsets only when the results are stored. If it dies in between, the numbers of that round are doubled
once more after the restart: a result may come twice, but none is missing (at-least-once). One sees:

    numbers: 1 2 3 4 5 6 7 8 9 10
    doubled: 2 4 6 8 10 12 14 16 18 20
"""

import argparse

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer

NUMBERS_TOPIC = "numbers"
DOUBLED_TOPIC = "doubled-numbers"
DOUBLER_GROUP = "doubler"
READER_GROUP = "doubled-readers"


def make_consumer(bootstrap_server: str, topic: str, group: str) -> Consumer:
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap_server,
            "group.id": group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    consumer.subscribe([topic])
    return consumer


def number_in(message: Message) -> int:
    if error := message.error():
        raise KafkaException(error)
    return int(message.value() or b"0")


def raise_if_lost(error: KafkaError | None, message: Message) -> None:
    """A delivery report: what it raises comes out of flush() and ends the service before it commits."""
    if error is not None:
        raise KafkaException(error)


def send(bootstrap_server: str, numbers: list[int]) -> None:
    producer = Producer({"bootstrap.servers": bootstrap_server})
    for number in numbers:
        producer.produce(NUMBERS_TOPIC, str(number), on_delivery=raise_if_lost)
    producer.flush()
    print("numbers:", *numbers)


def double(bootstrap_server: str, count: int) -> None:
    """The service. Another would go on for ever; this one ends when it has doubled `count` numbers."""
    producer = Producer({"bootstrap.servers": bootstrap_server, "enable.idempotence": True, "linger.ms": 0})
    consumer = make_consumer(bootstrap_server, NUMBERS_TOPIC, DOUBLER_GROUP)
    try:
        while count > 0:
            messages = consumer.consume(num_messages=min(count, 500), timeout=1)
            for message in messages:
                producer.produce(DOUBLED_TOPIC, str(2 * number_in(message)), on_delivery=raise_if_lost)
            producer.flush()
            if messages:
                consumer.commit(asynchronous=False)
            count -= len(messages)
    finally:
        consumer.close()


def read(bootstrap_server: str, count: int) -> None:
    consumer = make_consumer(bootstrap_server, DOUBLED_TOPIC, READER_GROUP)
    numbers: list[int] = []
    try:
        while len(numbers) < count:
            numbers += map(number_in, consumer.consume(num_messages=count - len(numbers), timeout=1))
        consumer.commit(asynchronous=False)
    finally:
        consumer.close()
    print("doubled:", *numbers)


def main(bootstrap_server: str) -> None:
    send(bootstrap_server, list(range(1, 11)))
    double(bootstrap_server, count=10)
    read(bootstrap_server, count=10)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--bootstrap-server", default="localhost:9092")
    main(parser.parse_args().bootstrap_server)
