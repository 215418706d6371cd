"""What passes between a client and a broker: bytes in, bytes out, lines in the log."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from broker.wire.conversation import Conversation
from protocol.messages.metadata import MetadataResponse, MetadataResponseBroker
from protocol.messages.produce import PartitionProduceResponse, ProduceResponse, TopicProduceResponse
from protocol.messages.sasl_handshake import SaslHandshakeResponse
from protocol.schema import Message
from tests.protocol.messages import encode
from tests.support.wire import encode_request
from tests.support.wire_logs import LogForTests


def framed(frame: bytes) -> bytes:
    return len(frame).to_bytes(4) + frame


def request(api: str, version: int, correlation_id: int, **fields: Any) -> bytes:
    return framed(encode_request(api, version, correlation_id, "app", **fields))


def response(message: Message, version: int, correlation_id: int) -> bytes:
    tags = b"\0" if message.has_flexible_header(version) else b""
    return framed(correlation_id.to_bytes(4) + tags + encode(message, version))


class Both:
    """A conversation and its log."""

    def __init__(self, directory: Path, **options: object) -> None:
        self.log = LogForTests(directory, **options)
        self.number = self.log.log.connected("client:1", "broker:2")
        self.conversation = Conversation(self.number, self.log.log, self.log.clock, lambda _: ("proxy", 9192))
        self.sent = self.conversation.from_client
        self.answered = self.conversation.from_broker

    async def lines(self) -> list[str]:
        lines = await self.log.lines()
        assert lines.pop(0) == "#1 client:1 has connected to broker:2"
        return lines


HEARTBEAT = {"group_id": "g", "generation_id": 1, "member_id": "m", "group_instance_id": None}
HEARTBEAT_LINE = '#1 > Heartbeat v3 7 "app" group_id="g" generation_id=1 member_id="m" group_instance_id=null'


def produce(acks: int, correlation_id: int, version: int = 9) -> bytes:
    return request(
        "Produce",
        version,
        correlation_id,
        acks=acks,
        timeout_ms=1,
        topic_data=[{"name": "orders", "partition_data": [{"index": 0, "records": b"abc"}]}],
    )


def produced(correlation_id: int) -> bytes:
    partition = PartitionProduceResponse(index=0, error_code=0, base_offset=5)
    return response(
        ProduceResponse(responses=[TopicProduceResponse(name="orders", partition_responses=[partition])]),
        9,
        correlation_id,
    )


@pytest.mark.parametrize("step", [1, 7, 1000])
async def test_a_request_and_its_response(tmp_path: Path, step: int) -> None:
    both = Both(tmp_path)
    data = request("Heartbeat", 3, 7, **HEARTBEAT)
    for at in range(0, len(data), step):
        both.sent(data[at : at + step])
    both.log.clock.advance(5)
    reply = framed(b"\0\0\0\7" + b"\0\0\0\0" + b"\0\x1b")
    received = b"".join(both.answered(reply[at : at + step]) for at in range(0, len(reply), step))
    assert received == reply
    both.conversation.closed("by the client")
    assert await both.lines() == [
        HEARTBEAT_LINE,
        '#1 < Heartbeat v3 7 "app" 5.000 ms throttle_time_ms=0 error_code=REBALANCE_IN_PROGRESS',
        "#1 closed: by the client",
    ]


async def test_addresses_are_replaced_but_shown_as_the_broker_gave_them(tmp_path: Path) -> None:
    both = Both(tmp_path)
    both.sent(request("Metadata", 5, 1, topics=None, allow_auto_topic_creation=False))
    broker = MetadataResponseBroker(node_id=1, host="kafka", port=9092)
    received = both.answered(response(MetadataResponse(brokers=[broker]), 5, 1))
    broker.host, broker.port = "proxy", 9192
    assert received == response(MetadataResponse(brokers=[broker]), 5, 1)
    assert 'host="kafka" port=9092' in (await both.lines())[1]


async def test_a_producer_that_wants_no_answer_gets_none(tmp_path: Path) -> None:
    both = Both(tmp_path)
    both.sent(produce(0, 1) + produce(-1, 2))
    both.answered(produced(2))
    both.conversation.closed("by the client")
    assert [line[:20] for line in await both.lines()] == [
        '#1 > Produce v9 1 "a',
        '#1 > Produce v9 2 "a',
        '#1 < Produce v9 2 "a',
        "#1 closed: by the cl",
    ]


async def test_requests_without_an_answer_are_named_at_the_end(tmp_path: Path) -> None:
    both = Both(tmp_path)
    both.sent(request("Heartbeat", 3, 7, **HEARTBEAT) + produce(1, 8))
    both.conversation.closed("by the broker")
    assert (await both.lines())[-1] == ("#1 closed: by the broker, without an answer to Heartbeat v3 7, Produce v9 8")


async def test_an_answer_out_of_turn_finds_its_request(tmp_path: Path) -> None:
    """As after a Produce of a version that is not known here, which may want no answer."""
    both = Both(tmp_path)
    both.sent(framed(b"\0\0\0\x63" + b"\0\0\0\1" + b"\0\3app" + b"\0what") + request("Heartbeat", 3, 7, **HEARTBEAT))
    both.answered(framed(b"\0\0\0\7" + b"\0\0\0\0" + b"\0\0"))
    lines = await both.lines()
    assert lines[0] == (
        '#1 > Produce v99 1 "app" undecodable: this version is not known here; 18 bytes, beginning with '
        '"\\x00\\x00\\x00c\\x00\\x00\\x00\\x01\\x00\\x03app\\x00what"'
    )
    assert lines[2].startswith('#1 < Heartbeat v3 7 "app"')


async def test_apis_that_are_not_known_are_passed_on(tmp_path: Path) -> None:
    both = Both(tmp_path)
    both.sent(framed(b"\3\xe7\0\0" + b"\0\0\0\1" + b"\xff\xff" + b"x" * 100))
    reply = framed(b"\0\0\0\1" + b"y" * 100)
    assert both.answered(reply) == reply
    first = "\\x03\\xe7\\x00\\x00\\x00\\x00\\x00\\x01\\xff\\xff" + "x" * 22
    assert await both.lines() == [
        f'#1 > Api999 v0 1 null undecodable: this API is not known here; 110 bytes, beginning with "{first}"',
        "#1 < Api999 v0 1 null 0.000 ms undecodable: this API is not known here; 104 bytes, beginning with "
        f'"\\x00\\x00\\x00\\x01{"y" * 28}"',
    ]


async def test_a_body_that_is_damaged_is_passed_on(tmp_path: Path) -> None:
    both = Both(tmp_path)
    both.sent(framed(encode_request("Heartbeat", 3, 7, "app", **HEARTBEAT)[:-4]))
    reply = framed(b"\0\0\0\7" + b"\0\0")
    assert both.answered(reply) == reply
    lines = await both.lines()
    assert "undecodable: HeartbeatRequest v3: it ends too early; 21 bytes, beginning with" in lines[0]
    assert "undecodable: HeartbeatResponse v3: it ends too early; 6 bytes, beginning with" in lines[1]


async def test_a_version_of_api_versions_that_the_broker_refuses(tmp_path: Path) -> None:
    both = Both(tmp_path)
    both.sent(request("ApiVersions", 4, 1, client_software_name="a", client_software_version="1"))
    reply = framed(b"\0\0\0\1" + b"\0\x23" + b"\0\0\0\1" + b"\0\x12\0\0\0\3")
    assert both.answered(reply) == reply
    assert (await both.lines())[1] == (
        '#1 < ApiVersions v0 1 "app" 0.000 ms error_code=UNSUPPORTED_VERSION '
        "api_keys=[{api_key=18 min_version=0 max_version=3}]"
    )


async def test_addresses_that_cannot_be_replaced_are_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    both = Both(tmp_path)
    both.sent(framed(b"\0\3\0\x63" + b"\0\0\0\1" + b"\xff\xff"))
    both.answered(framed(b"\0\0\0\1" + b"new"))
    await both.lines()
    with caplog.at_level(logging.WARNING):
        assert (
            "[#1] A response of Metadata v99 is passed on as it is, and may lead its client past this proxy: "
            "this version is not known here."
        ) in caplog.text


# --- what is no Kafka ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [1, 1000])
async def test_another_protocol_is_passed_on_and_its_begin_shown(tmp_path: Path, step: int) -> None:
    both = Both(tmp_path)
    junk = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"
    for at in range(0, len(junk), step):
        both.sent(junk[at : at + step])
    reply = b"HTTP/1.1 400 Bad Request\r\n\r\n"
    assert both.answered(reply) == reply
    both.conversation.closed("by the client")
    shown = "GET /metrics HTTP/1.1\\x0d\\x0aHost: loc" if step > 1 else "GET "
    assert await both.lines() == [
        f'#1 > undecodable: no request has such a length; it begins with "{shown}"',
        "#1 closed: by the client",
    ]


async def test_what_was_asked_before_the_nonsense_is_still_answered(tmp_path: Path) -> None:
    both = Both(tmp_path)
    both.sent(request("Heartbeat", 3, 7, **HEARTBEAT) + b"\xff\xff\xff\xff")
    reply = framed(b"\0\0\0\7" + b"\0\0\0\0" + b"\0\0")
    assert both.answered(reply + b"bye") == reply + b"bye"
    assert both.answered(b"bye") == b"bye"
    lines = await both.lines()
    assert lines[1] == '#1 > undecodable: no request has such a length; it begins with "\\xff\\xff\\xff\\xff"'
    assert lines[2].endswith("error_code=NONE")


async def test_frames_that_are_no_messages(tmp_path: Path) -> None:
    both = Both(tmp_path)
    both.sent(framed(b"") + framed(b"\0\3\0") + framed(b"\0\3\0\0\0\0"))
    assert both.answered(framed(b"what") + framed(b"\0")) == framed(b"what") + framed(b"\0")
    assert await both.lines() == [
        '#1 > undecodable: a request of 0 bytes has no header; it begins with ""',
        '#1 > undecodable: a request of 3 bytes has no header; it begins with "\\x00\\x03\\x00"',
        '#1 > undecodable: request header: it ends too early; it begins with "\\x00\\x03\\x00\\x00\\x00\\x00"',
        '#1 < undecodable: it answers no request; it begins with "what"',
        '#1 < undecodable: it answers no request; it begins with "\\x00"',
    ]


async def test_a_broker_that_speaks_nonsense(tmp_path: Path) -> None:
    both = Both(tmp_path)
    both.sent(request("Heartbeat", 3, 7, **HEARTBEAT))
    assert both.answered(b"\xff\xff\xff") == b""
    assert both.answered(b"\xff!") == b"\xff\xff\xff\xff!"
    assert both.answered(b"?") == b"?"
    assert (await both.lines())[1] == (
        '#1 < undecodable: no response has such a length; it begins with "\\xff\\xff\\xff\\xff!"'
    )


async def test_a_connection_that_ends_within_a_request(tmp_path: Path) -> None:
    both = Both(tmp_path)
    both.sent(request("Heartbeat", 3, 7, **HEARTBEAT)[:12])
    both.conversation.closed("by the client")
    assert (await both.lines())[0] == (
        "#1 > undecodable: the connection has ended within a request; it begins with "
        '"\\x00\\x0c\\x00\\x03\\x00\\x00\\x00\\x07"'
    )


# --- secrets -------------------------------------------------------------------------------------------------------

PASSWORD = b"\0user\0s3cret-password"


async def test_tokens_are_hidden(tmp_path: Path) -> None:
    both = Both(tmp_path)
    both.sent(request("SaslHandshake", 1, 1, mechanism="PLAIN"))
    both.sent(request("SaslAuthenticate", 2, 2, auth_bytes=PASSWORD))
    both.sent(framed(b"\0\x24\0\x63" + b"\0\0\0\3" + b"\xff\xff" + PASSWORD))
    both.sent(framed(b"\0\x24\0\2" + b"\0\0\0\4" + b"\0\x20" + PASSWORD))
    both.sent(request("SaslAuthenticate", 2, 5, auth_bytes=PASSWORD)[:-3])
    both.conversation.closed("by the client")
    lines = await both.lines()
    assert lines[1] == '#1 > SaslAuthenticate v2 2 "app" auth_bytes=<hidden>'
    assert lines[2].endswith('this version is not known here; 31 bytes, beginning with "<hidden>"')
    assert lines[3].endswith('it begins with "<hidden>"')
    assert lines[4].endswith('it begins with "<hidden>"')
    assert not any("s3cret" in line for line in lines)


@pytest.mark.parametrize(("mechanism", "tokens"), [("PLAIN", 1), ("SCRAM-SHA-256", 2), ("SCRAM-SHA-512", 2)])
async def test_bare_tokens_are_hidden(tmp_path: Path, mechanism: str, tokens: int) -> None:
    """As they come after the oldest handshake, without any header."""
    both = Both(tmp_path)
    both.sent(request("SaslHandshake", 0, 1, mechanism=mechanism))
    both.answered(response(SaslHandshakeResponse(error_code=0, mechanisms=["PLAIN"]), 0, 1))
    for _ in range(tokens):
        both.sent(framed(PASSWORD))
        assert both.answered(framed(b"server")) == framed(b"server")
    both.sent(request("Heartbeat", 3, 7, **HEARTBEAT))
    assert (await both.lines())[2:] == [
        "#1 > a SASL token of 21 bytes",
        "#1 < a SASL token of 6 bytes",
    ] * tokens + [HEARTBEAT_LINE]


async def test_where_it_is_not_known_how_many_tokens_follow_nothing_is_shown(tmp_path: Path) -> None:
    both = Both(tmp_path)
    both.sent(request("SaslHandshake", 0, 1, mechanism="GSSAPI") + framed(PASSWORD))
    handshake = response(SaslHandshakeResponse(error_code=0, mechanisms=["GSSAPI"]), 0, 1)
    assert both.answered(handshake) == handshake
    assert both.answered(framed(b"server")) == framed(b"server")
    both.sent(request("Heartbeat", 3, 7, **HEARTBEAT))
    assert await both.lines() == [
        '#1 > SaslHandshake v0 1 "app" mechanism="GSSAPI"',
        "#1 > SASL tokens of GSSAPI, and with them all that follows",
        '#1 < SaslHandshake v0 1 "app" 0.000 ms error_code=NONE mechanisms=["GSSAPI"]',
    ]
