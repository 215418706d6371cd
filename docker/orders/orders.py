"""Writes a few orders to a topic, reads them back in a consumer group, prints them, and ends.

BOOTSTRAP names the broker.
"""

import json
import os
import sys

from confluent_kafka import Consumer, KafkaException, Producer

TOPIC = "orders"
ORDERS = [("Ada", 3), ("Grace", 1), ("Ada", 2)]
PATIENCE_S = 30.0


def write(bootstrap: str) -> None:
    """Send the orders, and wait until the broker has them."""
    producer = Producer({"bootstrap.servers": bootstrap})
    for customer, coffees in ORDERS:
        producer.produce(TOPIC, key=customer, value=json.dumps({"customer": customer, "coffees": coffees}))
    if undelivered := producer.flush(PATIENCE_S):
        sys.exit(f"{undelivered} orders could not be delivered to {bootstrap}.")


def read(bootstrap: str) -> None:
    """Print the orders that the group has not seen yet, as many as were written."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "baristas", "auto.offset.reset": "earliest"})
    consumer.subscribe([TOPIC])
    try:
        for _ in ORDERS:
            message = consumer.poll(PATIENCE_S)
            if message is None:
                sys.exit(f"No order came in {PATIENCE_S:g} s.")
            if error := message.error():
                raise KafkaException(error)
            order = json.loads(message.value())
            print(f"{message.offset()}: {order['coffees']} for {order['customer']}", flush=True)
    finally:
        consumer.close()  # commits what the group has read


if __name__ == "__main__":
    bootstrap_servers = os.environ["BOOTSTRAP"]
    write(bootstrap_servers)
    read(bootstrap_servers)
