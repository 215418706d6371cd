"""JSON: send dicts, read dicts, and get past a message that is no JSON.

    python examples/json_messages.py

One broken message must not stop a consumer for ever: it is reported, and the next one is read. One sees:

    3 coffees for Ada, 10.50 in all
    1 coffee for Grace, 3.50 in all
    offset 2 is no JSON: b'two coffees, please'
    2 coffees for Edsger, 7.00 in all
"""

import argparse
import json
from itertools import islice

from kafka import JsonSerializer, KafkaConsumer, KafkaProducer

TOPIC = "coffee-orders"
GROUP = "baristas"


def send_orders(bootstrap_server: str) -> None:
    with (
        KafkaProducer(bootstrap_servers=bootstrap_server, value_serializer=JsonSerializer()) as producer,
        KafkaProducer(bootstrap_servers=bootstrap_server) as careless_producer,
    ):
        producer.send(TOPIC, {"customer": "Ada", "coffees": 3, "price": 3.5})
        producer.send(TOPIC, {"customer": "Grace", "coffees": 1, "price": 3.5})
        producer.flush()
        careless_producer.send(TOPIC, b"two coffees, please")
        careless_producer.flush()
        producer.send(TOPIC, {"customer": "Edsger", "coffees": 2, "price": 3.5})


def read_orders(bootstrap_server: str, count: int) -> None:
    # No value_deserializer: what it raises comes out of the consumer, which then does not get past that message.
    consumer = KafkaConsumer(TOPIC, bootstrap_servers=bootstrap_server, group_id=GROUP, auto_offset_reset="earliest")
    with consumer:
        for message in islice(consumer, count):
            try:
                order = json.loads(message.value)
            except ValueError:
                print(f"offset {message.offset} is no JSON: {message.value!r}")
                continue
            coffees = order["coffees"]
            total = coffees * order["price"]
            print(f"{coffees} coffee{'s' * (coffees > 1)} for {order['customer']}, {total:.2f} in all")


def main(bootstrap_server: str) -> None:
    send_orders(bootstrap_server)
    read_orders(bootstrap_server, count=4)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--bootstrap-server", default="localhost:9092")
    main(parser.parse_args().bootstrap_server)
