"""Records what stock clients and a real Kafka say to each other, into `golden/`: one event a line, as JSON.

    python -m tests.differential.capture            all of them
    python -m tests.differential.capture aiokafka   one of them

The recordings are made by `ottla wire` before Kafka and hold each message in fields and as the frame that it was.
Clients come once Kafka is ready for everything: how often they ask before that is chance.
"""

# ruff: noqa: T201 - a command that says what it does
from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin import NewTopic as AioTopic
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.admin import NewTopic as KafkaPythonTopic

from benchmarks.kafka import run_tool
from tests.support.wire_process import WireProcess

from .peers import kafka
from .settle import prepare
from .side import Side

GOLDEN: Final = Path(__file__).with_name("golden")
TOPIC: Final = "orders"
GROUP: Final = "readers"
VALUES: Final = [b"value %d" % number for number in range(5)]


def confluent(bootstrap: str) -> None:
    common: dict[str, str | int | float | bool] = {"bootstrap.servers": bootstrap, "client.id": "golden"}
    admin = AdminClient(common)
    for made in admin.create_topics([NewTopic(TOPIC, 1, 1)]).values():
        made.result()
    producer = Producer({**common, "compression.type": "zstd", "enable.idempotence": True})
    for value in VALUES:
        producer.produce(TOPIC, value)
    assert producer.flush(30) == 0
    consumer = Consumer({**common, "group.id": GROUP, "auto.offset.reset": "earliest"})
    consumer.subscribe([TOPIC])
    found = [consumer.poll(30) for _ in VALUES]
    assert [message and message.value() for message in found] == VALUES
    consumer.commit(asynchronous=False)
    assert consumer.committed([TopicPartition(TOPIC, 0)])[0].offset == len(VALUES)
    consumer.close()
    for deleted in admin.delete_topics([TOPIC]).values():
        deleted.result()


def kafka_python(bootstrap: str) -> None:
    admin = KafkaAdminClient(bootstrap_servers=bootstrap, client_id="golden")
    admin.create_topics([KafkaPythonTopic(TOPIC, 1, 1)])
    producer = KafkaProducer(bootstrap_servers=bootstrap, client_id="golden", compression_type="gzip")
    for value in VALUES:
        producer.send(TOPIC, value)
    producer.flush(30)
    producer.close()
    consumer = KafkaConsumer(
        TOPIC, bootstrap_servers=bootstrap, client_id="golden", group_id=GROUP, auto_offset_reset="earliest"
    )
    assert [next(consumer).value for _ in VALUES] == VALUES
    consumer.commit()
    consumer.close()
    admin.describe_cluster()
    admin.delete_topics([TOPIC])
    admin.close()


def aiokafka(bootstrap: str) -> None:
    async def run() -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, client_id="golden")
        await admin.start()
        await admin.create_topics([AioTopic(TOPIC, 1, 1)])
        producer = AIOKafkaProducer(bootstrap_servers=bootstrap, client_id="golden")
        await producer.start()
        for value in VALUES:
            await producer.send(TOPIC, value)
        await producer.stop()
        consumer = AIOKafkaConsumer(
            TOPIC, bootstrap_servers=bootstrap, client_id="golden", group_id=GROUP, auto_offset_reset="earliest"
        )
        await consumer.start()
        assert [(await asyncio.wait_for(consumer.getone(), 30)).value for _ in VALUES] == VALUES
        await consumer.commit()
        await consumer.stop()
        await admin.describe_cluster()
        await admin.delete_topics([TOPIC])
        await admin.close()

    asyncio.run(run())


def java_client(bootstrap: str) -> None:
    _tool("TopicCommand", bootstrap, "--create", "--topic", TOPIC, "--partitions", "1", "--replication-factor", "1")
    number = str(len(VALUES))
    _tool("VerifiableProducer", bootstrap, "--topic", TOPIC, "--max-messages", number)
    _tool(
        "VerifiableConsumer",
        bootstrap,
        *("--topic", TOPIC, "--group-id", GROUP, "--max-messages", number, "--group-protocol", "classic"),
    )


def java_tools(bootstrap: str) -> None:
    _tool("TopicCommand", bootstrap, "--create", "--topic", TOPIC, "--partitions", "2", "--replication-factor", "1")
    _tool("TopicCommand", bootstrap, "--describe", "--topic", TOPIC)
    _tool("TopicCommand", bootstrap, "--alter", "--topic", TOPIC, "--partitions", "3")
    entity = ("--entity-type", "topics", "--entity-name", TOPIC)
    _tool("ConfigCommand", bootstrap, "--alter", *entity, "--add-config", "retention.ms=1000", package="kafka.admin")
    _tool("ConfigCommand", bootstrap, "--describe", *entity, package="kafka.admin")
    _tool("GetOffsetShell", bootstrap, "--topic", TOPIC)
    groups = ("--group", GROUP, "--topic", TOPIC)
    _tool(
        "ConsumerGroupCommand",
        bootstrap,
        *("--reset-offsets", "--to-earliest", "--execute", *groups),
        package=f"{_TOOLS}.consumer.group",
    )
    _tool("ConsumerGroupCommand", bootstrap, "--describe", "--group", GROUP, package=f"{_TOOLS}.consumer.group")
    _tool("ConsumerGroupCommand", bootstrap, "--delete", "--group", GROUP, package=f"{_TOOLS}.consumer.group")
    _tool("TopicCommand", bootstrap, "--delete", "--topic", TOPIC)


_TOOLS: Final = "org.apache.kafka.tools"


def _tool(name: str, bootstrap: str, *arguments: str, package: str = _TOOLS) -> None:
    done = run_tool(f"{package}.{name}", "--bootstrap-server", bootstrap, *arguments)
    assert done.returncode == 0, done.stdout + done.stderr


CLIENTS: Final[Mapping[str, Callable[[str], None]]] = {
    run.__name__: run for run in (confluent, kafka_python, aiokafka, java_client, java_tools)
}


def main(names: Sequence[str]) -> int:
    """Record the clients of these names, or all."""
    for name in names or CLIENTS:
        with tempfile.TemporaryDirectory() as directory:
            place = Path(directory)
            with kafka(place) as peer:
                with closing(Side(peer)) as side:
                    prepare(side)
                with WireProcess(place / "wire", peer.address, "--format", "recording") as proxy:
                    CLIENTS[name](proxy.bootstrap)
                    assert proxy.stop() == 0
                lines = [json.loads(line) for line in proxy.wire_log.read_text(encoding="utf-8").splitlines()]
        for line in lines:
            line.pop("time", None)
            line.pop("latency_ms", None)
        path = GOLDEN / f"{name}.jsonl"
        path.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
        print(f"{path}: {len(lines)} events")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
