"""Keys and a custom partitioner: orders of a customer stay in order, and important customers get a lane of their own.

    python examples/keys_and_partitions.py

Messages with the same key go to the same partition, so they are read in the order in which they were sent. Which
partition that is, a partitioner decides. Ours keeps partition 0 for customers who pay for it. One sees:

    partition 0: Ada 1, Ada 2, Grace 1, Ada 3
    partition 1: Donald 1, Edsger 1, Donald 2
    partition 2: Barbara 1, Alan 1, Alan 2
"""

import argparse
from itertools import islice
from zlib import crc32

from kafka import DefaultSerializer, KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.cluster import ClusterMetadata
from kafka.errors import TopicAlreadyExistsError
from kafka.partitioner import Partitioner

TOPIC = "customer-orders"
GROUP = "order-readers"
VIPS = {"Ada", "Grace"}
ORDERS = ["Ada 1", "Barbara 1", "Alan 1", "Ada 2", "Donald 1", "Grace 1", "Edsger 1", "Donald 2", "Ada 3", "Alan 2"]


class FastLane(Partitioner):
    """Sends the orders of some customers to partition 0 and spreads all others over the rest."""

    def __init__(self, customers: set[str]) -> None:
        self.customers = customers

    def partition(
        self, topic: str, key: str, key_bytes: bytes, value: str, value_bytes: bytes, cluster: ClusterMetadata
    ) -> int:
        fast, *others = sorted(cluster.partitions_for_topic(topic))
        if key in self.customers:
            return fast
        # Not hash(), which differs from process to process: a customer has to stay where he is after a restart.
        return others[crc32(key_bytes) % len(others)]


def main(bootstrap_server: str) -> None:
    with KafkaAdminClient(bootstrap_servers=bootstrap_server) as admin:
        try:
            admin.create_topics({TOPIC: {"num_partitions": 3}})
        except TopicAlreadyExistsError:
            print(f"{TOPIC} is there already")

    producer = KafkaProducer(
        bootstrap_servers=bootstrap_server,
        key_serializer=DefaultSerializer(),  # UTF-8
        value_serializer=DefaultSerializer(),
        partitioner=FastLane(VIPS),
    )
    with producer:
        for order in ORDERS:
            producer.send(TOPIC, key=order.split()[0], value=order)

    orders: dict[int, list[str]] = {}
    consumer = KafkaConsumer(TOPIC, bootstrap_servers=bootstrap_server, group_id=GROUP, auto_offset_reset="earliest")
    with consumer:
        for message in islice(consumer, len(ORDERS)):
            orders.setdefault(message.partition, []).append(message.value.decode())
    for partition in sorted(orders):
        print(f"partition {partition}: {', '.join(orders[partition])}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--bootstrap-server", default="localhost:9092")
    main(parser.parse_args().bootstrap_server)
