"""Lag: how many messages a group still has to read, partition by partition.

    python examples/lag_monitor.py

Some lag is normal; lag that grows says that a group is too slow, or stands still. The monitor joins no group and reads
no message, it only asks. To have something to see, the program sends 60 messages and reads some, then all of them:

    partition 0: committed 10 of 30, lag 20
    partition 1: committed 0 of 30, lag 30
    audit is 50 messages behind
    partition 0: committed 30 of 30, lag 0
    partition 1: committed 30 of 30, lag 0
    audit is 0 messages behind
"""

import argparse
from itertools import islice

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, OffsetSpec, TopicPartition
from kafka.errors import TopicAlreadyExistsError

TOPIC = "transfers"
GROUP = "audit"


def partitions_of(admin: KafkaAdminClient, topic: str) -> list[TopicPartition]:
    (described,) = admin.describe_topics([topic])
    return sorted(TopicPartition(topic, each["partition_index"]) for each in described["partitions"])


def print_lag(admin: KafkaAdminClient, group: str, topic: str) -> None:
    """The monitor: compare where the group is with where the topic ends."""
    partitions = partitions_of(admin, topic)
    starts = admin.list_partition_offsets(dict.fromkeys(partitions, OffsetSpec.EARLIEST))
    ends = admin.list_partition_offsets(dict.fromkeys(partitions, OffsetSpec.LATEST))
    commits = admin.list_group_offsets({group: partitions})[group]
    total = 0
    for partition in partitions:
        # Where nothing is committed yet the offset is -1: all that is there is still to be read.
        committed = max(commits[partition].offset, starts[partition].offset)
        end = ends[partition].offset
        total += end - committed
        print(f"partition {partition.partition}: committed {committed} of {end}, lag {end - committed}")
    print(f"{group} is {total} messages behind")


def send(bootstrap_server: str, partitions: list[TopicPartition]) -> None:
    with KafkaProducer(bootstrap_servers=bootstrap_server) as producer:
        for n in range(60):
            topic, partition = partitions[n % len(partitions)]
            producer.send(topic, f"transfer {n}".encode(), partition=partition)


def read(bootstrap_server: str, partitions: list[TopicPartition], count: int) -> None:
    with KafkaConsumer(bootstrap_servers=bootstrap_server, group_id=GROUP, auto_offset_reset="earliest") as consumer:
        consumer.assign(partitions)
        for _ in islice(consumer, count):
            pass  # the work would be here


def main(bootstrap_server: str) -> None:
    with KafkaAdminClient(bootstrap_servers=bootstrap_server) as admin:
        try:
            admin.create_topics({TOPIC: {"num_partitions": 2}}, wait_for_metadata=True)
        except TopicAlreadyExistsError:
            print(f"{TOPIC} is there already")
        partitions = partitions_of(admin, TOPIC)
        send(bootstrap_server, partitions)
        read(bootstrap_server, partitions[:1], count=10)
        print_lag(admin, GROUP, TOPIC)
        read(bootstrap_server, partitions, count=50)
        print_lag(admin, GROUP, TOPIC)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--bootstrap-server", default="localhost:9092")
    main(parser.parse_args().bootstrap_server)
