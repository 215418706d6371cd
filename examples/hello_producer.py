"""Hello, producer: send five greetings and see where each one has been stored.

    python examples/hello_producer.py

The topic is created by the first message. On a fresh broker one sees:

    'hello 0' is at offset 0 of partition 0
    'hello 1' is at offset 1 of partition 0
    'hello 2' is at offset 2 of partition 0
    'hello 3' is at offset 3 of partition 0
    'hello 4' is at offset 4 of partition 0
"""

import argparse

from kafka import KafkaProducer

TOPIC = "hello"


def main(bootstrap_server: str) -> None:
    with KafkaProducer(bootstrap_servers=bootstrap_server) as producer:
        # send() returns at once; the messages travel together in the background.
        futures = {}
        for n in range(5):
            text = f"hello {n}"
            futures[text] = producer.send(TOPIC, text.encode())
        for text, future in futures.items():
            stored = future.get(timeout=30)  # raises an error if the message could not be delivered
            print(f"{text!r} is at offset {stored.offset} of partition {stored.partition}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--bootstrap-server", default="localhost:9092")
    main(parser.parse_args().bootstrap_server)
