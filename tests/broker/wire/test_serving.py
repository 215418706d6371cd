"""The wire log of a broker: `ottla serve --wire-log`."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.broker_process import BrokerProcess, fail_to_start
from tests.support.record_batches import encode_batch
from tests.support.records_over_the_wire import fetch, produce, produce_batch
from tests.support.wait import wait_until
from tests.support.wire import ConnectionClosed, WireClient
from tests.support.wire_logs import without_time

MakeBroker = Callable[..., BrokerProcess]


@pytest.fixture
def wire_log(tmp_path: Path) -> Path:
    return tmp_path / "wire.log"


def create(client: WireClient, topic: str) -> None:
    answer = client.ask(
        "CreateTopics",
        7,
        timeout_ms=30_000,
        topics=[{"name": topic, "num_partitions": 1, "replication_factor": 1}],
    )
    assert answer.topics[0].error_code == 0


def objects(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_each_request_and_response_is_a_line(make_broker: MakeBroker, wire_log: Path) -> None:
    broker = make_broker("--wire-log", str(wire_log)).start()
    with broker.connect() as client:
        create(client, "orders")
        produce(client, "orders", b"value")
        client.send("Produce", 9, acks=0, timeout_ms=1, topic_data=[])
        assert fetch(client, "orders").error_code == 0
    assert broker.stop() == 0
    assert broker.log.count("Traceback") == 0
    lines = [without_time(line) for line in wire_log.read_text().splitlines()]
    assert [line.partition(" [")[0].split('"wire"')[0] for line in lines[1:]] == [
        "#1 > CreateTopics v7 1 ",
        "#1 < CreateTopics v7 1 ",
        "#1 > Produce v9 2 ",
        "#1 < Produce v9 2 ",
        "#1 > Produce v9 3 ",
        "#1 > Fetch v12 4 ",
        "#1 < Fetch v12 4 ",
        "#1 closed",
    ]
    assert 'topic_data=[{name="orders" partition_data=[{index=0 records=<' in lines[3]
    assert "error_code=NONE base_offset=0 " in lines[4]
    assert " ms " in lines[4]
    assert "high_watermark=1 " in lines[7]
    assert "value" not in lines[7]


def test_no_request_is_missing_that_begins_as_another_one_did(make_broker: MakeBroker, wire_log: Path) -> None:
    broker = make_broker("--wire-log", str(wire_log), "--wire-format", "json", "--wire-api", "produce").start()
    with broker.connect() as client:
        create(client, "orders")
        for number in range(4):
            produce(client, "orders", b"%d" % number)
    assert broker.stop() == 0
    events = [each["event"] for each in objects(wire_log) if each.get("api") == "Produce"]
    assert events == ["request", "response"] * 4


def test_records_that_come_from_a_file_are_shown_when_asked_for(make_broker: MakeBroker, wire_log: Path) -> None:
    broker = make_broker("--wire-log", str(wire_log), "--wire-format", "json", "--wire-records").start()
    with broker.connect() as client:
        create(client, "orders")
        produce_batch(client, "orders", encode_batch([b"one", b"two"], codec="zstd"))
        fetch(client, "orders")
    assert broker.stop() == 0
    (fetched,) = [each for each in objects(wire_log) if each["event"] == "response" and each["api"] == "Fetch"]
    (batch,) = fetched["fields"]["responses"][0]["partitions"][0]["records"]
    assert [record["value"] for record in batch["records"]] == ["one", "two"]
    assert batch["compression"] == "zstd"
    assert "frame" not in fetched


def test_a_recording_has_the_frames_as_they_were_on_the_wire(make_broker: MakeBroker, wire_log: Path) -> None:
    broker = make_broker("--wire-log", str(wire_log), "--wire-format", "recording").start()
    with broker.connect() as client:
        create(client, "orders")
        produce(client, "orders", b"value")
        correlation_id = client.send(
            "Fetch",
            12,
            max_wait_ms=0,
            min_bytes=0,
            max_bytes=1000,
            topics=[
                {"topic": "orders", "partitions": [{"partition": 0, "fetch_offset": 0, "partition_max_bytes": 1000}]}
            ],
        )
        frame = client.receive_frame()
    assert broker.stop() == 0
    request, response = [each for each in objects(wire_log) if each.get("correlation_id") == correlation_id]
    assert b64decode(request["frame"])[:8] == b"\0\1\0\x0c" + correlation_id.to_bytes(4)
    assert b64decode(response["frame"]) == frame
    assert b"value" in frame


def test_filters(make_broker: MakeBroker, wire_log: Path) -> None:
    broker = make_broker("--wire-log", str(wire_log), "--wire-api", "produce", "--wire-topic", "orders").start()
    with broker.connect() as client:
        for topic in ("orders", "others"):
            create(client, topic)
            produce(client, topic, b"value")
    assert broker.stop() == 0
    assert wire_log.read_text().count(" > ") == wire_log.read_text().count(" < ") == 1
    assert 'name="orders"' in wire_log.read_text()


def test_refused_requests_are_lines_too(make_broker: MakeBroker, wire_log: Path) -> None:
    broker = make_broker("--wire-log", str(wire_log)).start()
    with broker.connect() as client:
        client.send_frame(b"\0\x12\0\x63" + b"\0\0\0\1" + b"\xff\xff")
        client.receive_frame()
        client.send_frame(b"\3\xe7\0\0" + b"\0\0\0\2" + b"\xff\xff")
        assert client.await_close() == b""
    with broker.connect() as client:
        client.send_frame(b"\0\x0c\0\3" + b"\0\0\0\3" + b"\xff\xff" + b"\0\1")
        assert client.await_close() == b""
    with broker.connect() as client:
        client.send("ShareFetch", 1, group_id="g", member_id="m")
        with pytest.raises(ConnectionClosed):
            client.receive_frame()
    with broker.connect() as client:
        client.send_frame(b"")
        assert client.await_close() == b""
    assert broker.stop() == 0
    lines = [without_time(line) for line in wire_log.read_text().splitlines()]
    assert [line for line in lines if "connected" not in line and "closed" not in line] == [
        "#1 > ApiVersions v99 1 null undecodable: this version is not known here; 10 bytes, beginning with "
        '"\\x00\\x12\\x00c\\x00\\x00\\x00\\x01\\xff\\xff"',
        next(line for line in lines if line.startswith("#1 < ApiVersions v0 1 null ")),
        "#1 > Api999 v0 2 null undecodable: this API is not known here; 10 bytes, beginning with "
        '"\\x03\\xe7\\x00\\x00\\x00\\x00\\x00\\x02\\xff\\xff"',
        "#2 > Heartbeat v3 3 null undecodable: HeartbeatRequest v3: it ends too early; 12 bytes, beginning with "
        '"\\x00\\x0c\\x00\\x03\\x00\\x00\\x00\\x03\\xff\\xff\\x00\\x01"',
        next(line for line in lines if line.startswith('#3 > ShareFetch v1 1 "wire" group_id="g" member_id="m" ')),
        '#4 > undecodable: a request of 0 bytes has no header; it begins with ""',
    ]


def test_a_full_disk_ends_the_log_and_nothing_else(make_broker: MakeBroker) -> None:
    broker = make_broker("--wire-log", "/dev/full").start()
    with broker.connect() as client:
        create(client, "orders")
        wait_until(lambda: "No space left" in broker.log, "the broker says that the log has ended")
        assert produce(client, "orders", b"value") == 0
    with broker.connect() as client:
        assert produce(client, "orders", b"value") == 1
    assert broker.stop() == 0
    assert broker.log.count("[wire-log] Cannot write to /dev/full: No space left on device.") == 1
    assert "Traceback" not in broker.log


def test_a_file_that_cannot_be_written_keeps_the_broker_from_starting(tmp_path: Path) -> None:
    sentence = fail_to_start("--ephemeral", "--wire-log", str(tmp_path / "no" / "file"))
    assert sentence == f"ottla serve: Cannot write the wire log {tmp_path}/no/file: No such file or directory."
