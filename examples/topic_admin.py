"""Topics: list them, create one with three partitions, describe it, grow it to six, delete it.

    python examples/topic_admin.py

One sees:

    invoices is there: False
    created: it has partitions 0, 1, 2
    its messages are kept for 30 days
    invoices is there: True
    creating it once more is refused: TopicAlreadyExistsError
    grown: it has partitions 0, 1, 2, 3, 4, 5
    shrinking it is refused: InvalidPartitionsError
    deleted
    invoices is there: False
"""

import argparse

from kafka import KafkaAdminClient
from kafka.admin import ConfigResource
from kafka.errors import BrokerResponseError

TOPIC = "invoices"
DAY_MS = 24 * 60 * 60 * 1000


def partitions(admin: KafkaAdminClient) -> str:
    (topic,) = admin.describe_topics([TOPIC])
    return ", ".join(str(index) for index in sorted(each["partition_index"] for each in topic["partitions"]))


def retention_days(admin: KafkaAdminClient) -> int:
    configs = admin.describe_configs([ConfigResource("topic", TOPIC)], config_filter="all")
    return int(configs["topic"][TOPIC]["retention.ms"]["value"]) // DAY_MS


def main(bootstrap_server: str) -> None:
    with KafkaAdminClient(bootstrap_servers=bootstrap_server) as admin:
        print(f"{TOPIC} is there: {TOPIC in admin.list_topics()}")

        topic = {"num_partitions": 3, "replication_factor": 1, "configs": {"retention.ms": str(30 * DAY_MS)}}
        admin.create_topics({TOPIC: topic}, wait_for_metadata=True)
        print(f"created: it has partitions {partitions(admin)}")
        print(f"its messages are kept for {retention_days(admin)} days")
        print(f"{TOPIC} is there: {TOPIC in admin.list_topics()}")
        try:
            admin.create_topics({TOPIC: topic})
        except BrokerResponseError as error:
            print(f"creating it once more is refused: {type(error).__name__}")

        # From here on the messages of a key may go to another partition than before: grow a topic only if nobody
        # relies on the order of the messages of a key.
        admin.create_partitions({TOPIC: 6})
        print(f"grown: it has partitions {partitions(admin)}")
        try:
            admin.create_partitions({TOPIC: 2})
        except BrokerResponseError as error:
            print(f"shrinking it is refused: {type(error).__name__}")

        admin.delete_topics([TOPIC])
        print("deleted")
        print(f"{TOPIC} is there: {TOPIC in admin.list_topics()}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--bootstrap-server", default="localhost:9092")
    main(parser.parse_args().bootstrap_server)
