"""What stock clients and a real Kafka have said to each other: each byte is understood, and Ottla says the same.

`python -m tests.differential.capture` records it anew.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import pytest

from broker.wire.decoding import Undecoded, decode_request, decode_response
from broker.wire.recording import Event, read
from broker.wire.render import to_plain
from broker.wire.replay import Replay
from protocol.codec import encoder
from protocol.header import framed_response_header
from protocol.schema import Message

from .departures import DEPARTURES
from .messages import API_BY_NAME, encode_request_header
from .peers import Peer, ottla
from .settle import prepare
from .side import Side

RECORDINGS: Final = sorted(Path(__file__).with_name("golden").glob("*.jsonl"))
FRAME_SIZE_BYTES: Final = 4

EXPECTED: Final = {
    "not served": r"ApiVersions v\d+ \d+: api_keys (had \d+ elements|has no more )",
    "no features": r"ApiVersions v\d+ \d+: \w*_features\w* is only in the recording",
    "ids of topics that are gone": r'Fetch .*\.error_code was "UNKNOWN_TOPIC_OR_PARTITION" and is "UNKNOWN_TOPIC_ID"',
    "batches that do not fit": r"Fetch .*\.aborted_transactions was null and is \[\]",
    "all synonyms of a topic's settings": r"DescribeConfigs .*\.synonyms (had \d+ elements|has now )",
}
"""What differs in replaying, by the departures that say why."""

each_recording = pytest.mark.parametrize("path", RECORDINGS, ids=[path.stem for path in RECORDINGS])


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Peer]:
    """A new Ottla, ready as the Kafka was when it was recorded."""
    with ottla(tmp_path) as peer:
        with closing(Side(peer)) as side:
            prepare(side)
        yield peer


def test_all_clients_are_there() -> None:
    assert [path.stem for path in RECORDINGS] == ["aiokafka", "confluent", "java_client", "java_tools", "kafka_python"]


@each_recording
def test_frames_are_encoded_again_as_they_were(path: Path) -> None:
    events = [event for event in served(path) if event.frame is not None]
    assert {event.kind for event in events} == {"request", "response"}
    for event in events:
        frame, fields = encoded_again(event)
        assert frame == event.frame, event.title
        assert fields == event.fields, event.title


@each_recording
def test_ottla_answers_the_same(path: Path, broker: Peer) -> None:
    differences: list[str] = []
    with closing(Replay(broker.address, differences.append)) as replay:
        for event in served(path):
            replay.follow(event)
    assert replay.compared_count > 0
    assert [line for line in differences if not any(re.search(how, line) for how in EXPECTED.values())] == []


@each_recording
def test_nothing_is_told_of_the_machine(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert set(re.findall(r'"(?:client_)?host": "(.*?)"', text)) <= {"", "127.0.0.1", "/127.0.0.1"}
    assert re.findall(r'"/\w+/.*?"', text) == []


def test_what_is_expected_is_meant() -> None:
    assert set(EXPECTED) <= {departure.name for departure in DEPARTURES}


def served(path: Path) -> Iterator[Event]:
    """The events of a recording without the questions that only a Kafka is asked, as it says that it serves them."""
    return (event for event in read(str(path)) if event.api in API_BY_NAME or not event.api)


def encoded_again(event: Event) -> tuple[bytes, dict[str, Any]]:
    """A frame decoded and encoded, and its fields as they are recorded."""
    assert event.frame is not None
    if event.kind == "request":
        header, request = decode_request(memoryview(event.frame))
        body, message = encoded_body(request, event.version)
        is_flexible = message.has_flexible_header(event.version)
        head = encode_request_header(
            header.api_key, header.api_version, header.correlation_id, header.client_id, is_flexible
        )
        return head + body, to_plain(message, event.version)
    version, response = decode_response(event.api_key, event.version, memoryview(event.frame))
    body, message = encoded_body(response, version)
    head = framed_response_header(event.correlation_id, message.has_flexible_header(version), len(body))
    return head[FRAME_SIZE_BYTES:] + body, to_plain(message, version)


def encoded_body(message: Message | Undecoded, version: int) -> tuple[bytes, Message]:
    assert not isinstance(message, Undecoded), message.reason
    parts: list[Any] = []
    encoder(type(message), version)(message, parts)
    return b"".join(parts), message
