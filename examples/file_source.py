"""A source connector: every line of a file becomes a message, also of what is appended later, until Ctrl-C.

    python examples/file_source.py /var/log/syslog

The file may grow, but not shrink. How far it has come the program writes to a topic, as Kafka Connect does, and goes on
there after a restart or a `kill -9`. This bookmark is set when the lines before it are stored. So no line is lost, and
only those after the last bookmark, at most 100, may come twice: that is what at-least-once means. For a file of 250
lines one sees:

    starting at byte 0
    100 lines are stored, up to byte ...
    200 lines are stored, up to byte ...
    250 lines are stored, up to byte ...
"""

import argparse
import contextlib
import time
from pathlib import Path
from typing import BinaryIO

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import TopicAlreadyExistsError

LINES_TOPIC = "file-lines"
BOOKMARKS_TOPIC = "file-bookmarks"
BATCH = 100


def create_topics(bootstrap_server: str) -> None:
    topics = {LINES_TOPIC: {}, BOOKMARKS_TOPIC: {"num_partitions": 1, "configs": {"cleanup.policy": "compact"}}}
    with KafkaAdminClient(bootstrap_servers=bootstrap_server) as admin:
        for name, settings in topics.items():
            with contextlib.suppress(TopicAlreadyExistsError):
                admin.create_topics({name: settings})


def read_bookmark(bootstrap_server: str, path: Path) -> int:
    """Return the position of the last bookmark in this file: the newest message with its name as the key."""
    bookmark = 0
    partition = TopicPartition(BOOKMARKS_TOPIC, 0)
    with KafkaConsumer(bootstrap_servers=bootstrap_server, auto_offset_reset="earliest") as consumer:
        consumer.assign([partition])
        end = consumer.end_offsets([partition])[partition]
        while consumer.position(partition) < end:
            for message in consumer.poll(timeout_ms=1000).get(partition, []):
                if message.key == str(path).encode():
                    bookmark = int(message.value)
    return bookmark


def read_lines(file: BinaryIO) -> list[bytes]:
    """Read whole lines, at most a batch; one that is still being written is left for the next time."""
    lines: list[bytes] = []
    while len(lines) < BATCH:
        position = file.tell()
        line = file.readline()
        if not line.endswith(b"\n"):
            file.seek(position)
            break
        lines.append(line)
    return lines


def main(bootstrap_server: str, path: Path) -> None:
    create_topics(bootstrap_server)
    bookmark = read_bookmark(bootstrap_server, path)
    print(f"starting at byte {bookmark}")
    count = 0
    with (
        path.open("rb") as file,
        KafkaProducer(bootstrap_servers=bootstrap_server, enable_idempotence=True) as producer,
        contextlib.suppress(KeyboardInterrupt),
    ):
        file.seek(bookmark)
        while True:
            lines = read_lines(file)
            if not lines:
                time.sleep(0.1)
                continue
            # All lines of a file have one key, and so one partition and one order.
            stored = [producer.send(LINES_TOPIC, line.rstrip(b"\n"), key=str(path).encode()) for line in lines]
            for future in stored:
                future.get(timeout=60)  # raises if a line could not be stored: then no bookmark is set
            producer.send(BOOKMARKS_TOPIC, str(file.tell()).encode(), key=str(path).encode()).get(timeout=60)
            count += len(lines)
            print(f"{count} lines are stored, up to byte {file.tell()}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--bootstrap-server", default="localhost:9092")
    parser.add_argument("path", type=Path)
    arguments = parser.parse_args()
    main(arguments.bootstrap_server, arguments.path.resolve())
