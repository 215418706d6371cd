"""Without a group's help: assign a partition, seek to offset 100, and commit by hand what has been dealt with.

    python examples/seek_and_commit.py

A second consumer of the same group finds the commit and goes on there. One sees:

    the first consumer starts at offset 100
    100: measurement 100
    101: measurement 101
    102: measurement 102
    committed: the next one to read is 103
    the second consumer starts at offset 103
    103: measurement 103
    104: measurement 104
    105: measurement 105
"""

import argparse
from itertools import islice

from kafka import KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition

TOPIC = "measurements"
GROUP = "measurement-readers"
PARTITION = TopicPartition(TOPIC, 0)


def make_consumer(bootstrap_server: str) -> KafkaConsumer:
    # A group that is only a place for commits: assign() joins no group, and nothing is committed but by commit().
    consumer = KafkaConsumer(bootstrap_servers=bootstrap_server, group_id=GROUP, enable_auto_commit=False)
    consumer.assign([PARTITION])
    return consumer


def main(bootstrap_server: str) -> None:
    with KafkaProducer(bootstrap_servers=bootstrap_server) as producer:
        for n in range(200):
            producer.send(TOPIC, f"measurement {n}".encode(), partition=PARTITION.partition)

    with make_consumer(bootstrap_server) as consumer:
        consumer.seek(PARTITION, 100)
        print(f"the first consumer starts at offset {consumer.position(PARTITION)}")
        for message in islice(consumer, 3):
            print(f"{message.offset}: {message.value.decode()}")
            # After the work, not before it: a crash in between repeats a message but loses none. Each commit is a
            # request, so with more messages than here one commits after every batch or every second.
            consumer.commit({PARTITION: OffsetAndMetadata(message.offset + 1)})
        print(f"committed: the next one to read is {consumer.committed(PARTITION)}")

    with make_consumer(bootstrap_server) as consumer:
        print(f"the second consumer starts at offset {consumer.position(PARTITION)}")
        for message in islice(consumer, 3):
            print(f"{message.offset}: {message.value.decode()}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--bootstrap-server", default="localhost:9092")
    main(parser.parse_args().bootstrap_server)
