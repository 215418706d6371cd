"""Lines of a wire log: their forms, and which of them are written."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from broker.wire.conversation import Conversation
from broker.wire.filters import Filters
from broker.wire.wire_log import Format, WireLogOptions, open_log
from tests.support.manual_clock import ManualClock
from tests.support.record_batches import encode_batch
from tests.support.wire import encode_request
from tests.support.wire_logs import LogForTests


def framed(frame: bytes) -> bytes:
    return len(frame).to_bytes(4) + frame


def heartbeat(correlation_id: int, client_id: str | None = "app") -> bytes:
    return encode_request(
        "Heartbeat", 3, correlation_id, client_id, group_id="g", generation_id=1, member_id="m", group_instance_id=None
    )


def produce(topic: str, correlation_id: int) -> bytes:
    records = encode_batch([b"secret value"])
    topics = [{"name": topic, "partition_data": [{"index": 0, "records": records}]}]
    return encode_request("Produce", 9, correlation_id, "app", acks=-1, timeout_ms=1, topic_data=topics)


class Followed:
    """A conversation of which the log is looked at."""

    def __init__(self, directory: Path, **options: object) -> None:
        self.log = LogForTests(directory, **options)
        self.number = self.log.log.connected("client:1", "broker:2")
        self.conversation = Conversation(self.number, self.log.log, self.log.clock, lambda address: address)

    def ask(self, frame: bytes, answer: bytes | None = None) -> None:
        self.conversation.from_client(framed(frame))
        self.log.clock.advance(2)
        if answer is not None:
            self.conversation.from_broker(framed(frame[4:8] + answer))

    async def objects(self) -> list[dict[str, Any]]:
        await self.log.log.close()
        return [json.loads(line) for line in self.log.path.read_text().splitlines()]


OK = b"\0\0\0\0\0\0"


async def test_lines_have_the_time_of_day_in_front(tmp_path: Path) -> None:
    followed = Followed(tmp_path)
    followed.log.clock.jump(7)
    followed.ask(heartbeat(1))
    await followed.log.log.close()
    times = [line[:23] for line in followed.log.path.read_text().splitlines()]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}", time) for time in times)
    assert [time[-3:] for time in times] == ["000", "007"]


async def test_json(tmp_path: Path) -> None:
    followed = Followed(tmp_path, format=Format.JSON)
    followed.ask(heartbeat(5), OK)
    followed.ask(heartbeat(6, None) + b"")
    followed.ask(b"\3\xe7\0\0\0\0\0\1\xff\xff")
    followed.ask(b"")
    followed.conversation.closed("by the client")
    message = {"connection": 1, "api": "Heartbeat", "version": 3}
    fields = {"group_id": "g", "generation_id": 1, "member_id": "m", "group_instance_id": None}
    connected, *objects = await followed.objects()
    assert connected == {
        "time": "2023-11-14T22:13:20.000Z",
        "connection": 1,
        "event": "connected",
        "client": "client:1",
        "broker": "broker:2",
    }
    for each in objects:
        assert each.pop("time").startswith("2023-11-14T22:13:20.0")
    assert objects == [
        {**message, "event": "request", "correlation_id": 5, "client_id": "app", "fields": fields},
        {
            **message,
            "event": "response",
            "correlation_id": 5,
            "client_id": "app",
            "latency_ms": 2.0,
            "fields": {"throttle_time_ms": 0, "error_code": "NONE"},
        },
        {**message, "event": "request", "correlation_id": 6, "client_id": None, "fields": fields},
        {
            "connection": 1,
            "event": "request",
            "api": "Api999",
            "version": 0,
            "correlation_id": 1,
            "client_id": None,
            "undecodable": "this API is not known here",
            "size": 10,
            "first_bytes": "\\x03\\xe7\\x00\\x00\\x00\\x00\\x00\\x01\\xff\\xff",
        },
        {
            "connection": 1,
            "event": "request",
            "undecodable": "a request of 0 bytes has no header",
            "first_bytes": "",
        },
        {
            "connection": 1,
            "event": "closed",
            "reason": "by the client, without an answer to Heartbeat v3 6, Api999 v0 1",
        },
    ]


async def test_a_recording_has_frames_and_all_that_is_in_them(tmp_path: Path) -> None:
    followed = Followed(tmp_path, format=Format.RECORDING)
    frame = produce("orders", 3)
    followed.ask(frame, b"")
    _, request, response = await followed.objects()
    assert b64decode(request["frame"]) == frame
    assert (
        request["fields"]["topic_data"][0]["partition_data"][0]["records"][0]["records"][0]["value"] == "secret value"
    )
    assert b64decode(response["frame"]) == b"\0\0\0\3"
    assert response["undecodable"] == "response header: it ends too early"


@pytest.mark.parametrize(
    ("name", "is_recorded"), [("ssl.keystore.password", False), ("log.cleaner.threads", True)], ids=["secret", "plain"]
)
async def test_a_recording_has_no_frames_with_secrets(tmp_path: Path, name: str, is_recorded: bool) -> None:
    followed = Followed(tmp_path, format=Format.RECORDING)
    config = {"name": name, "config_operation": 0, "value": "s3cret"}
    resource = {"resource_type": 4, "resource_name": "0", "configs": [config]}
    followed.ask(encode_request("IncrementalAlterConfigs", 1, 1, "app", resources=[resource], validate_only=False))
    followed.ask(encode_request("SaslAuthenticate", 2, 2, "app", auth_bytes=b"s3cret"), b"\0\0\0\0\7s3cret" + bytes(9))
    _, alteration, authentication, authenticated = await followed.objects()
    assert ("frame" in alteration) == is_recorded
    assert "frame" not in authentication
    assert "frame" not in authenticated
    assert ("s3cret" in followed.log.path.read_text()) == is_recorded


async def test_records_are_shown_only_when_asked_for(tmp_path: Path) -> None:
    for contents in (False, True):
        followed = Followed(tmp_path, contents=contents)
        followed.ask(produce("orders", 3))
        await followed.log.log.close()
        assert ('value="secret value"' in followed.log.path.read_text()) == contents


async def test_only_what_fits_a_filter_is_shown_with_its_response(tmp_path: Path) -> None:
    followed = Followed(tmp_path, filters=Filters(api_keys=frozenset({12}), clients=("a*",)))
    followed.ask(heartbeat(1), OK)
    followed.ask(heartbeat(2, "other"), OK)
    followed.ask(produce("orders", 3), b"what")
    followed.ask(b"nonsense")
    assert [line[:21] for line in await followed.log.lines()] == [
        "#1 client:1 has conne",
        '#1 > Heartbeat v3 1 "',
        '#1 < Heartbeat v3 1 "',
    ]


async def test_a_connection_of_which_nothing_is_shown_is_not_shown(tmp_path: Path) -> None:
    followed = Followed(tmp_path, filters=Filters(clients=("a*",)))
    log = followed.log.log
    other = log.connected("client:2", "broker:9092")
    followed.ask(heartbeat(1), OK)
    log.closed(other, None)
    assert [line.split(" ")[0] for line in await followed.log.lines()] == ["#1", "#1", "#1"]


async def test_a_topic_is_found_in_either_message(tmp_path: Path) -> None:
    followed = Followed(tmp_path, filters=Filters(topics=frozenset({"orders"})))
    followed.ask(produce("orders", 1), b"what")
    followed.ask(produce("others", 2), b"what")
    # All topics are asked for, and one of them is it.
    topics = b"\0\0\0\1" + b"\0\0" + b"\0\6orders" + b"\0\0\0\0"
    followed.ask(encode_request("Metadata", 0, 3, "app", topics=[]), b"\0\0\0\0" + topics)
    assert [line[:20] for line in await followed.log.lines()][1:] == [
        '#1 > Produce v9 1 "a',
        '#1 < Produce v9 1 "a',
        '#1 < Metadata v0 3 "',
    ]


async def test_a_topic_is_found_by_its_id_once_that_has_been_seen(tmp_path: Path) -> None:
    followed = Followed(tmp_path, filters=Filters(api_keys=frozenset({1}), topics=frozenset({"orders"})))
    topic_id = bytes(range(16))
    topic = b"\0\0" + b"\7orders" + topic_id + b"\0" + b"\1" + b"\0\0\0\0" + b"\0"
    followed.ask(
        encode_request("Metadata", 12, 1, "app", topics=None),
        b"\0" + b"\0\0\0\0" + b"\1" + b"\0" + b"\0\0\0\1" + b"\2" + topic + b"\0",
    )
    fetched = [{"topic_id": UUID(bytes=topic_id), "partitions": []}]
    followed.ask(encode_request("Fetch", 16, 2, "app", max_wait_ms=1, min_bytes=1, topics=fetched))
    assert [line[:17] for line in await followed.log.lines()][1:] == ["#1 > Fetch v16 2 "]


def test_a_file_that_cannot_be_opened_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(Exception, match=f"Cannot write the wire log {tmp_path}: Is a directory."):
        open_log(WireLogOptions(str(tmp_path)), ManualClock())
