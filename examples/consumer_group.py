"""A consumer group: three consumers in three threads share the six partitions of a topic.

    python examples/consumer_group.py

Each partition is read by one member of the group; when a member goes, the others take over its share. A consumer must
not be used by several threads, so each thread has its own. One sees:

    worker-0 has read 10 messages of partitions [0, 1]
    worker-1 has read 10 messages of partitions [2, 3]
    worker-2 has read 10 messages of partitions [4, 5]
"""

import argparse
import threading

from kafka import ConsumerRebalanceListener, KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import TopicAlreadyExistsError

TOPIC = "parcels"
GROUP = "parcel-workers"
PARTITIONS = 6
MESSAGES = 30


class Worker(ConsumerRebalanceListener):
    """One member of the group, and what it has to tell; `progress` is notified whenever that changes."""

    def __init__(self, name: str, progress: threading.Condition) -> None:
        self.name = name
        self.partitions: list[int] = []
        self.messages_read = 0
        self._progress = progress
        self._stopped = threading.Event()

    def run(self, bootstrap_server: str) -> None:
        """Read until stop(); this is what the thread does."""
        consumer = KafkaConsumer(
            bootstrap_servers=bootstrap_server, client_id=self.name, group_id=GROUP, auto_offset_reset="earliest"
        )
        with consumer:  # commits and leaves the group at the end, so that others need not wait for a timeout
            consumer.subscribe([TOPIC], listener=self)
            while not self._stopped.is_set():
                batches = consumer.poll(timeout_ms=100)
                with self._progress:
                    self.messages_read += sum(map(len, batches.values()))
                    self._progress.notify()

    def stop(self) -> None:
        self._stopped.set()

    def on_partitions_assigned(self, assigned: list[TopicPartition]) -> None:
        with self._progress:
            self.partitions = sorted(each.partition for each in assigned)
            self._progress.notify()

    def on_partitions_revoked(self, revoked: list[TopicPartition]) -> None:
        """Called before a share is taken away: the last moment to finish and commit what was read."""


def main(bootstrap_server: str) -> None:
    with KafkaAdminClient(bootstrap_servers=bootstrap_server) as admin:
        try:
            admin.create_topics({TOPIC: {"num_partitions": PARTITIONS}})
        except TopicAlreadyExistsError:
            print(f"{TOPIC} is there already")

    progress = threading.Condition()
    workers = [Worker(f"worker-{n}", progress) for n in range(3)]
    threads = [threading.Thread(target=worker.run, args=[bootstrap_server]) for worker in workers]
    for thread in threads:
        thread.start()
    try:
        with progress:
            progress.wait_for(lambda: all(len(worker.partitions) == 2 for worker in workers))
        with KafkaProducer(bootstrap_servers=bootstrap_server) as producer:
            for n in range(MESSAGES):
                producer.send(TOPIC, f"parcel {n}".encode(), partition=n % PARTITIONS)
        with progress:
            progress.wait_for(lambda: sum(worker.messages_read for worker in workers) >= MESSAGES)
            for worker in workers:
                print(f"{worker.name} has read {worker.messages_read} messages of partitions {worker.partitions}")
    finally:
        for worker in workers:
            worker.stop()
        for thread in threads:
            thread.join()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--bootstrap-server", default="localhost:9092")
    main(parser.parse_args().bootstrap_server)
