"""Log aggregation: four services write their logs to one topic, each with a codec of its own; one reader counts it all.

    python examples/log_aggregation.py

How a producer compresses is its own affair: each batch says how, and consumers see what was sent. One sees:

    service   codec     info  warning  error
    checkout  gzip       200       40     10
    payments  snappy     200       40     10
    search    lz4        200       40     10
    shop      zstd       200       40     10
"""

import argparse
import threading
from collections import Counter

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer

TOPIC = "service-logs"
GROUP = "log-aggregator"
CODECS = {"checkout": "gzip", "payments": "snappy", "search": "lz4", "shop": "zstd"}
LINES = 250


def log_line(number: int) -> str:
    if number % 25 == 24:
        return f"error request {number} failed"
    if number % 5 == 4:
        return f"warning request {number} was slow"
    return f"info request {number} was served"


def run_service(bootstrap_server: str, service: str, codec: str) -> None:
    """Write the log of one service to the topic; the key tells whose it is."""
    producer = Producer(
        {
            "bootstrap.servers": bootstrap_server,
            "compression.type": codec,
            "linger.ms": 50,  # a batch is compressed as a whole: the more lines in it, the better
        }
    )

    def report(error: KafkaError | None, message: Message) -> None:
        if error is not None:
            print(f"{service} lost a line: {error.str()}")

    for number in range(LINES):
        producer.produce(TOPIC, key=service, value=log_line(number), on_delivery=report)
        producer.poll(0)  # calls report() for what has been delivered meanwhile
    producer.flush()


def count_lines(bootstrap_server: str, total: int) -> Counter[tuple[str, str]]:
    """Read that many lines and count them by service and level."""
    counts: Counter[tuple[str, str]] = Counter()
    consumer = Consumer({"bootstrap.servers": bootstrap_server, "group.id": GROUP, "auto.offset.reset": "earliest"})
    consumer.subscribe([TOPIC])
    try:
        while counts.total() < total:
            for message in consumer.consume(num_messages=500, timeout=1):
                if error := message.error():
                    if error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                        continue  # the first producer is about to create it
                    raise KafkaException(error)
                service = (message.key() or b"").decode()
                level = (message.value() or b"").decode().partition(" ")[0]
                counts[service, level] += 1
    finally:
        consumer.close()
    return counts


def main(bootstrap_server: str) -> None:
    services = [threading.Thread(target=run_service, args=[bootstrap_server, *each]) for each in CODECS.items()]
    for service in services:
        service.start()
    counts = count_lines(bootstrap_server, LINES * len(CODECS))
    for service in services:
        service.join()

    print("service   codec     info  warning  error")
    for name, codec in CODECS.items():
        print(f"{name:10}{codec:8}{counts[name, 'info']:6}{counts[name, 'warning']:9}{counts[name, 'error']:7}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--bootstrap-server", default="localhost:9092")
    main(parser.parse_args().bootstrap_server)
