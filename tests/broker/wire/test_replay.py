"""A recording sent again, and what is said of the difference."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from broker.wire.id_translation import translate
from broker.wire.normalize import Normalizer
from broker.wire.replay import ReplayError, differences, replay
from protocol.uuid import uuid_to_text
from tests.support.broker_process import BrokerProcess
from tests.support.record_batches import decode_batches, encode_batch
from tests.support.records_over_the_wire import fetch, produce, produce_batch
from tests.support.scripted_broker import answering, scripted_broker
from tests.support.wire import WireClient, encode_request

MakeBroker = Callable[..., BrokerProcess]


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    return tmp_path / "recording"


@pytest.fixture
def recorded(make_broker: MakeBroker, recording: Path, tmp_path: Path) -> BrokerProcess:
    """A broker that records what it is asked."""
    return make_broker(
        "--wire-log", str(recording), "--wire-format", "recording", data_dir=tmp_path / "recorded"
    ).start()


@pytest.fixture
def fresh(make_broker: MakeBroker, tmp_path: Path) -> BrokerProcess:
    """Another broker, to which a recording is sent."""
    return make_broker(data_dir=tmp_path / "fresh").start()


def replayed(recording: Path, to: BrokerProcess) -> list[str]:
    """What replaying says, line by line."""
    lines: list[str] = []
    is_alike = replay(str(recording), to.address, lines.append)
    assert is_alike == lines[-1].endswith(" 0 differ.\n"), lines
    return lines


def create(client: WireClient, topic: str, version: int = 7) -> None:
    topics = [{"name": topic, "num_partitions": 1, "replication_factor": 1}]
    answer = client.ask("CreateTopics", version, timeout_ms=30_000, topics=topics)
    assert answer.topics[0].error_code == 0


def test_ids_that_the_broker_gives_out_are_followed(
    recorded: BrokerProcess, fresh: BrokerProcess, recording: Path
) -> None:
    """Those of topics, producers, fetch sessions and members, which stand in later requests."""
    with recorded.connect() as one, recorded.connect() as two:
        for _ in range(5):  # so that the ids of producers are others, too
            producer_id = one.ask("InitProducerId", 4, transactional_id=None, transaction_timeout_ms=-1).producer_id
        create(one, "other")
        one.ask("DeleteTopics", 5, topic_names=["other"], timeout_ms=30_000)
        create(one, "orders")
        batch = encode_batch([b"value"], producer_id=producer_id, producer_epoch=0, base_sequence=0)
        assert produce_batch(one, "orders", batch).error_code == 0
        asked = {"max_wait_ms": 0, "min_bytes": 0, "session_epoch": 0}
        partition = {"partition": 0, "fetch_offset": 0, "partition_max_bytes": 1000}
        session = two.ask("Fetch", 12, **asked, topics=[{"topic": "orders", "partitions": [partition]}]).session_id
        assert session
        two.ask("Fetch", 12, **{**asked, "session_epoch": 1}, session_id=session, topics=[])
        two.ask("FindCoordinator", 3, key="readers", key_type=0)
        joined = join(two, "")
        assert joined.error_code == 79  # MEMBER_ID_REQUIRED
        assert join(two, joined.member_id).error_code == 0
        assert two.ask("Heartbeat", 3, group_id="readers", generation_id=1, member_id=joined.member_id).error_code == 0
    assert recorded.stop() == 0
    with fresh.connect() as client:
        client.ask("InitProducerId", 4, transactional_id=None, transaction_timeout_ms=-1)
    assert replayed(recording, fresh) == ["15 requests sent, 15 responses compared, 0 differ.\n"]


def join(client: WireClient, member_id: str) -> Any:
    return client.ask(
        "JoinGroup",
        5,
        group_id="readers",
        session_timeout_ms=10_000,
        rebalance_timeout_ms=10_000,
        member_id=member_id,
        group_instance_id=None,
        protocol_type="consumer",
        protocols=[{"name": "range", "metadata": b""}],
    )


def test_what_overlapped_overlaps_again(recorded: BrokerProcess, fresh: BrokerProcess, recording: Path) -> None:
    with recorded.connect() as producer, recorded.connect() as consumer:
        create(producer, "orders")
        correlation_id = consumer.send(
            "Fetch",
            12,
            max_wait_ms=20_000,
            min_bytes=1,
            topics=[
                {"topic": "orders", "partitions": [{"partition": 0, "fetch_offset": 0, "partition_max_bytes": 1000}]}
            ],
        )
        with recorded.connect() as other:  # whose answer shows that the fetch has been read
            fetch(other, "orders")
        produce(producer, "orders", b"value")
        assert consumer.receive("Fetch", 12, correlation_id).responses[0].partitions[0].high_watermark == 1
    assert recorded.stop() == 0
    assert replayed(recording, fresh) == ["4 requests sent, 4 responses compared, 0 differ.\n"]


def test_each_difference_is_a_line(recorded: BrokerProcess, fresh: BrokerProcess, recording: Path) -> None:
    with recorded.connect() as client:
        create(client, "orders", version=4)
        produce(client, "orders", b"value")
    assert recorded.stop() == 0
    with fresh.connect() as client:
        create(client, "orders")
        produce(client, "orders", b"value")
    assert replayed(recording, fresh) == [
        '#1 CreateTopics v4 1: topics[0].error_code was "NONE" and is "TOPIC_ALREADY_EXISTS"\n',
        "#1 CreateTopics v4 1: topics[0].error_message was null and is \"Topic 'orders' already exists.\"\n",
        "#1 Produce v9 2: responses[0].partition_responses[0].base_offset was 0 and is 1\n",
        "2 requests sent, 2 responses compared, 2 differ.\n",
    ]


def test_a_file_with_two_recordings(recorded: BrokerProcess, fresh: BrokerProcess, recording: Path) -> None:
    """Both have a connection of the number 1."""
    for name in ("orders", "others"):
        with recorded.connect() as client:
            create(client, name)
        if name == "orders":
            recorded.restart()
    assert recorded.stop() == 0
    assert replayed(recording, fresh) == ["2 requests sent, 2 responses compared, 0 differ.\n"]


# --- a broker that behaves otherwise -------------------------------------------------------------------------------


def write_recording(path: Path, *objects: dict[str, Any]) -> None:
    path.write_text("".join(json.dumps(each) + "\n" for each in objects))


HEARTBEAT = "AAwAAwAAAAf//wABZwAAAAEAAW3//w=="
REQUEST = {"connection": 1, "event": "request", "api": "Heartbeat", "version": 3, "correlation_id": 7}
RESPONSE = {**REQUEST, "event": "response", "fields": {"throttle_time_ms": 0, "error_code": "NONE"}}


async def replay_to(path: Path, *bodies: bytes) -> list[str]:
    """Replay to a broker that answers so, and then closes."""
    lines: list[str] = []

    async def answer_and_close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        waiting = asyncio.ensure_future(answering(*bodies)(reader, writer))
        await reader.read(0)
        if not bodies:
            waiting.cancel()
        else:
            await waiting

    async with scripted_broker(answer_and_close) as address:
        await asyncio.to_thread(replay, str(path), address, lines.append)
    return lines


async def test_a_broker_that_closes_where_it_had_answered(recording: Path) -> None:
    write_recording(recording, {**REQUEST, "frame": HEARTBEAT}, RESPONSE)
    first, last = await replay_to(recording)
    assert first.startswith("#1 Heartbeat v3 7: there was a response, and now the ")
    assert last == "1 requests sent, 1 responses compared, 1 differ.\n"


async def test_an_answer_that_cannot_be_decoded(recording: Path) -> None:
    write_recording(recording, {**REQUEST, "frame": HEARTBEAT}, RESPONSE)
    assert (await replay_to(recording, b"?"))[0] == "#1 Heartbeat v3 7: it is not the same, and cannot be decoded\n"


async def test_requests_with_secrets_are_passed_over(recording: Path) -> None:
    secret = {**REQUEST, "api": "SaslAuthenticate", "version": 2, "correlation_id": 6}
    write_recording(
        recording,
        {"connection": 1, "event": "connected", "client": "c", "broker": "b"},
        secret,
        {**secret, "event": "response"},
        {"connection": 1, "event": "request", "undecodable": "nonsense", "first_bytes": ""},
        {**REQUEST, "frame": HEARTBEAT},
        RESPONSE,
        {"connection": 1, "event": "closed", "reason": None},
    )
    assert await replay_to(recording, b"\0\0\0\5\0\0") == [
        "1 requests sent, 1 responses compared, 0 differ; "
        "2 requests passed over, as they were no requests or held secrets.\n"
    ]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "{} holds no requests that can be sent; record with --format recording."),
        ('{"connection": 1, "event": "closed"}\n', "{} holds no requests that can be sent"),
        ("nonsense\n", "Line 1 of {} is not what --format recording writes."),
        ('{"connection": 1}\n', "Line 1 of {} is not what --format recording writes."),
        ('{"connection": 1, "event": "closed"}\n[]\n', "Line 2 of {} is not what --format recording writes."),
        ("\udcff", "{} is no recording but something else than text."),
    ],
)
def test_a_file_that_is_no_recording_is_one_sentence(recording: Path, text: str, sentence: str) -> None:
    recording.write_text(text, errors="surrogateescape")
    with pytest.raises(ReplayError) as refused:
        replay(str(recording), ("127.0.0.1", 1))
    assert str(refused.value).startswith(sentence.format(recording))


def test_a_file_that_is_not_there_is_one_sentence(recording: Path) -> None:
    with pytest.raises(ReplayError, match=f"Cannot read {recording}: No such file or directory."):
        replay(str(recording), ("127.0.0.1", 1))


def test_a_broker_that_is_not_there_is_one_sentence(recording: Path) -> None:
    write_recording(recording, {**REQUEST, "frame": HEARTBEAT})
    with pytest.raises(ReplayError, match=r"Cannot reach 127\.0\.0\.1:1: Connection refused\."):
        replay(str(recording), ("127.0.0.1", 1))


# --- the parts -----------------------------------------------------------------------------------------------------


def test_differences() -> None:
    old = {"a": 1, "b": [{"c": 1}, {"c": 2}], "d": [1, 2], "gone": None}
    new = {"a": 1, "b": [{"c": 1}, {"c": 3}], "d": [2, 3, 4], "new": "x" * 300}
    assert list(differences(old, new)) == [
        "b[1].c was 2 and is 3",
        "d had 2 elements and has 3",
        "d has no more 1",
        "d has now 3",
        "d has now 4",
        "gone is only in the recording",
        "new is only in the new response",
    ]
    (long,) = differences({"a": "x" * 300}, {"a": "y"})
    assert len(long) < 250


@pytest.fixture
def sides() -> Iterator[tuple[Normalizer, Normalizer]]:
    """Two brokers of which each has given a topic, a producer and a session another id."""
    recorded, new = Normalizer(), Normalizer()
    for side, topic_id, producer_id, session_id in (
        (recorded, bytes(range(16)), 7, 77),
        (new, bytes(range(1, 17)), 8, 88),
    ):
        side.response("X", {"topic_id": uuid_to_text(topic_id), "producer_id": producer_id, "session_id": session_id})
    yield recorded, new


def test_a_batch_has_its_producers_new_id_and_a_checksum_that_fits(sides: tuple[Normalizer, Normalizer]) -> None:
    def frame(producer_id: int) -> bytes:
        records = encode_batch([b"value"], producer_id=producer_id, producer_epoch=0, base_sequence=0)
        topic = {"name": "orders", "partition_data": [{"index": 0, "records": records}]}
        return encode_request("Produce", 9, 1, "app", acks=1, timeout_ms=1, topic_data=[topic])

    recorded = frame(7)
    translated = translate(recorded, *sides)
    assert len(translated) == len(recorded)
    at = recorded.index(b"\0\0\0\0\0\0\0\7\0\0")
    assert translated[at : at + 8] == (8).to_bytes(8)
    (batch,) = decode_batches(translated[recorded.index(bytes(8)) : -3])
    assert batch.producer_id == 8


def test_what_does_not_change_is_sent_as_it_was(sides: tuple[Normalizer, Normalizer]) -> None:
    """Tags that nobody knows would be lost on the way through an object."""
    heartbeat = encode_request("Heartbeat", 4, 7, "app", group_id="g", generation_id=1, member_id="m")
    assert heartbeat[-1] == 0
    for frame in (heartbeat[:-1] + b"\1\5\2hi", b"\0\x0c\0\x63", b"", b"\3\xe7\0\0\0\0\0\1\xff\xff"):
        assert translate(frame, *sides) == frame
