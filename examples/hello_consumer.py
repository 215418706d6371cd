"""Hello, consumer: print every greeting of hello_producer.py, and wait for more until Ctrl-C.

    python examples/hello_consumer.py

It reads as the group `hello-readers`. Where the group has come to is stored by the broker, so a second start goes on
where the first one ended. After one run of the producer one sees:

    partition 0, offset 0: hello 0
    partition 0, offset 1: hello 1
    partition 0, offset 2: hello 2
    partition 0, offset 3: hello 3
    partition 0, offset 4: hello 4
"""

import argparse
import contextlib

from kafka import KafkaConsumer

TOPIC = "hello"
GROUP = "hello-readers"


def main(bootstrap_server: str) -> None:
    consumer = KafkaConsumer(
        TOPIC,
        bootstrap_servers=bootstrap_server,
        group_id=GROUP,
        auto_offset_reset="earliest",  # where a group starts that has never been here
    )
    # Leaving the block commits what was read and says goodbye to the group. Ctrl-C is stopped inside of it, since
    # after an exception the consumer would leave without the commit.
    with consumer, contextlib.suppress(KeyboardInterrupt):
        for message in consumer:
            print(f"partition {message.partition}, offset {message.offset}: {message.value.decode()}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--bootstrap-server", default="localhost:9092")
    main(parser.parse_args().bootstrap_server)
