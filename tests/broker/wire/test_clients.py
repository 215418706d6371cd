"""Stock clients behind the proxy, and what they did replayed.

With OTTLA_TEST_BOOTSTRAP the proxy stands before a foreign broker.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin import NewTopic as AioTopic
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.admin import NewTopic as KafkaPythonTopic

from broker.wire.replay import replay
from tests.support.broker_process import BrokerProcess
from tests.support.wire_process import WireProcess

VALUES = [f"value {number}".encode() for number in range(20)]


def confluent(bootstrap: str, topic: str, client_id: str) -> list[tuple[str, int]]:
    common = {"bootstrap.servers": bootstrap, "client.id": client_id}
    admin = AdminClient(common)
    for made in admin.create_topics([NewTopic(topic, 2, 1)]).values():
        made.result()
    producer = Producer({**common, "compression.type": "zstd", "enable.idempotence": True})
    for value in VALUES:
        producer.produce(topic, value)
    assert producer.flush(30) == 0
    consumer = Consumer({**common, "group.id": topic, "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    found = []
    while len(found) < len(VALUES):
        message = consumer.poll(30)
        assert message is not None
        assert message.error() is None
        found.append(message.value())
    consumer.commit(asynchronous=False)
    consumer.close()
    assert sorted(found) == sorted(VALUES)
    return [(broker.host, broker.port) for broker in admin.list_topics().brokers.values()]


def kafka_python(bootstrap: str, topic: str, client_id: str) -> list[tuple[str, int]]:
    admin = KafkaAdminClient(bootstrap_servers=bootstrap, client_id=client_id)
    admin.create_topics([KafkaPythonTopic(topic, 2, 1)])
    producer = KafkaProducer(bootstrap_servers=bootstrap, client_id=client_id, compression_type="gzip")
    for value in VALUES:
        producer.send(topic, value)
    producer.flush(30)
    producer.close()
    consumer = KafkaConsumer(
        topic, bootstrap_servers=bootstrap, client_id=client_id, group_id=topic, auto_offset_reset="earliest"
    )
    found = sorted(next(consumer).value for _ in VALUES)
    consumer.commit()
    consumer.close()
    assert found == sorted(VALUES)
    brokers = admin.describe_cluster()["brokers"]
    admin.close()
    return [(broker["host"], broker["port"]) for broker in brokers]


def aiokafka(bootstrap: str, topic: str, client_id: str) -> list[tuple[str, int]]:
    async def run() -> list[tuple[str, int]]:
        admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, client_id=client_id)
        await admin.start()
        await admin.create_topics([AioTopic(topic, 2, 1)])
        producer = AIOKafkaProducer(bootstrap_servers=bootstrap, client_id=client_id)
        await producer.start()
        for value in VALUES:
            await producer.send(topic, value)
        await producer.stop()
        consumer = AIOKafkaConsumer(
            topic, bootstrap_servers=bootstrap, client_id=client_id, group_id=topic, auto_offset_reset="earliest"
        )
        await consumer.start()
        found = sorted([(await asyncio.wait_for(consumer.getone(), 30)).value for _ in VALUES])
        await consumer.commit()
        await consumer.stop()
        assert found == sorted(VALUES)
        cluster = await admin.describe_cluster()
        await admin.close()
        return [(broker["host"], broker["port"]) for broker in cluster["brokers"]]

    return asyncio.run(run())


CLIENTS = [confluent, kafka_python, aiokafka]
EACH_CLIENT = pytest.mark.parametrize("run", CLIENTS, ids=lambda run: run.__name__)


@EACH_CLIENT
def test_clients_work_behind_the_proxy_and_stay_there(
    address: tuple[str, int], topic_name: Callable[[], str], tmp_path: Path, run: Callable[..., list[tuple[str, int]]]
) -> None:
    topic = topic_name()
    with WireProcess(tmp_path / "wire", address) as proxy:
        assert run(proxy.bootstrap, topic, "behind") == [proxy.address]
        assert proxy.stop() == 0
        assert "Traceback" not in proxy.stderr
    lines = proxy.wire_log.read_text()
    assert "undecodable" not in lines
    for api in ("CreateTopics", "Produce", "Fetch", "JoinGroup", "OffsetCommit", "LeaveGroup"):
        requests = re.findall(rf' > {api} v\d+ \d+ "behind" .*', lines)
        assert requests, api
        # A consumer that closes does not wait for what it has asked last.
        assert len(re.findall(rf' < {api} v\d+ \d+ "behind" .*', lines)) >= len(requests) - 1, api
    assert f'topics=[{{name="{topic}"' in lines


@EACH_CLIENT
def test_what_a_client_did_makes_no_difference_when_replayed(
    make_broker: Callable[..., BrokerProcess], tmp_path: Path, run: Callable[..., list[tuple[str, int]]]
) -> None:
    recording = tmp_path / "recording"
    recorded = make_broker(
        "--wire-log", str(recording), "--wire-format", "recording", data_dir=tmp_path / "recorded"
    ).start()
    run(recorded.bootstrap, "orders", "recorded")
    assert recorded.stop() == 0
    fresh = make_broker(data_dir=tmp_path / "fresh").start()
    lines: list[str] = []
    assert replay(str(recording), fresh.address, lines.append), lines
    assert fresh.stop() == 0
