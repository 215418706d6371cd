"""The short way of OffsetCommit answers and stores what decoder and handler of all requests do, byte by byte."""

from __future__ import annotations

import asyncio
import dataclasses
import struct
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.context import RequestContext
from broker.handlers.offset_commit import handle
from broker.handlers.repeated_offset_commit import RepeatedOffsetCommit
from broker.security.acl import AclOperation, ResourceType
from protocol.codec import decoder, encoder
from protocol.errors import ErrorCode
from protocol.header import decode_request_header, framed_response_header
from protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
    OffsetCommitResponse,
)
from protocol.schema import ZERO_UUID
from tests.support.group_broker import GroupBroker
from tests.support.metadata_broker import Connection, Granting
from tests.support.offset_requests import committed, new_shard

KEY = 8
VERSIONS_WITH_SHORT_WAY = range(6, 11)
READ_ALL = ((AclOperation.READ, ResourceType.GROUP, "*"), (AclOperation.READ, ResourceType.TOPIC, "*"))


@asynccontextmanager
async def started() -> AsyncIterator[GroupBroker]:
    """The topics `orders` and `items` have two partitions each."""
    with tempfile.TemporaryDirectory() as directory:
        broker = GroupBroker(Path(directory))
        await broker.start()
        await broker.make_topic("orders")
        await broker.make_topic("items")
        yield broker
        await broker.stop()


@pytest.fixture
async def broker() -> AsyncIterator[GroupBroker]:
    async with started() as broker:
        yield broker


@dataclasses.dataclass(frozen=True)
class Kind:
    """What requests have in common whose offsets alone differ."""

    version: int = 8
    client_id: str | None = "c"
    group: str = "g"
    generation: int = -1
    partitions: tuple[tuple[str, int], ...] = (("orders", 0),)
    metadata: str | None = ""


def frame(broker: GroupBroker, kind: Kind, correlation_id: int, offset: int, epoch: int = -1) -> bytes:
    """A request without its length; each partition's offset is one more than that of the one before."""
    topics = []
    for number, (name, index) in enumerate(kind.partitions):
        partition = OffsetCommitRequestPartition(
            partition_index=index,
            committed_offset=offset + number,
            committed_leader_epoch=epoch,
            committed_metadata=kind.metadata,
        )
        if topics and topics[-1].name == name:
            topics[-1].partitions.append(partition)
        else:
            known = broker.image.topics.get(name)
            topic_id = ZERO_UUID if known is None else known.topic_id
            topics.append(OffsetCommitRequestTopic(name=name, topic_id=topic_id, partitions=[partition]))
    request = OffsetCommitRequest(
        group_id=kind.group, generation_id_or_member_epoch=kind.generation, member_id="", topics=topics
    )
    client_id = None if kind.client_id is None else kind.client_id.encode()
    header = struct.pack(">hhih", KEY, kind.version, correlation_id, -1 if client_id is None else len(client_id))
    tags = b"\0" if OffsetCommitRequest.has_flexible_header(kind.version) else b""
    parts: list[Any] = []
    encoder(OffsetCommitRequest, kind.version)(request, parts)
    return header + (client_id or b"") + tags + b"".join(parts)


class LongWay:
    """Decodes a request, has it handled and encodes the response; `last` is what the short way is made of."""

    def __init__(self, broker: GroupBroker) -> None:
        self.broker = broker
        self.last: tuple[Any, ...] = ()

    def answer(self, data: bytes) -> bytes:
        view = memoryview(data)
        version = int.from_bytes(data[2:4])
        header = decode_request_header(view, OffsetCommitRequest.has_flexible_header(version))
        request, _ = decoder(OffsetCommitRequest, version)(view, header.body_position)
        connection: Any = Connection()
        ctx = RequestContext(self.broker, connection, KEY, version, header.client_id, len(data))  # type: ignore[arg-type]
        self.last = (ctx, view, header.body_position, request)
        response = handle(ctx, request)
        assert isinstance(response, OffsetCommitResponse)
        return encoded(response, version, header.correlation_id)

    def short_way(self) -> RepeatedOffsetCommit | None:
        return RepeatedOffsetCommit.after(*self.last)


def encoded(response: OffsetCommitResponse, version: int, correlation_id: int) -> bytes:
    parts: list[Any] = []
    encoder(OffsetCommitResponse, version)(response, parts)
    body = b"".join(parts)
    flexible = OffsetCommitResponse.has_flexible_header(version)
    return framed_response_header(correlation_id, flexible, len(body)) + body


def content(broker: GroupBroker) -> dict[bytes, dict[bytes, bytes]]:
    offsets = broker.groups.shard.offsets
    return {group_id: dict(offsets.of_group(group_id) or {}) for group_id in offsets.group_ids}


def made_after(broker: GroupBroker, data: bytes) -> RepeatedOffsetCommit:
    long = LongWay(broker)
    long.answer(data)
    short = long.short_way()
    assert short is not None
    return short


KINDS = st.builds(
    Kind,
    version=st.sampled_from([2, 5, *VERSIONS_WITH_SHORT_WAY, *VERSIONS_WITH_SHORT_WAY]),
    client_id=st.sampled_from(["c", "a-consumer", None, ""]),
    group=st.sampled_from(["g", "g", "another"]),
    generation=st.sampled_from([-1, -1, -1, 3]),
    partitions=st.lists(
        st.tuples(st.sampled_from(["orders", "orders", "items", "missing"]), st.sampled_from([0, 0, 1, 1, 2, -1])),
        min_size=1,
        max_size=4,
    ).map(tuple),
    metadata=st.sampled_from(["", "", None, "text", "ü" * 5000]),
)
KINDS_ALIKE = KINDS.flatmap(
    lambda kind: st.lists(
        st.one_of(
            st.just(kind),
            st.just(kind),
            st.just(dataclasses.replace(kind, version=16 - kind.version)) if kind.version >= 6 else st.just(kind),
            st.just(dataclasses.replace(kind, group="h")),
            KINDS,
        ),
        min_size=1,
        max_size=3,
    ).map(lambda others: [kind, *others])
)
COMMITS = st.tuples(
    st.integers(0, 3),
    st.sampled_from([0, 42, 1 << 40, -1, -0x5152535455565758]),
    st.sampled_from([-1, 7, -0x51525354]),
    st.sampled_from(["none"] * 8 + ["tagged", "one byte more", "one byte less"]),
)
CHANGES = st.sampled_from(["made again", "topic denied", "group denied", "allowed", "refusing", "serving"])


async def change(broker: GroupBroker, what: str) -> None:
    if what == "made again":
        await broker.ask("delete_topics", 5, topic_names=["orders"], timeout_ms=10_000)
        await broker.make_topic("orders", 1)
    elif what == "topic denied":
        broker.authorizer = Granting(READ_ALL[0], (AclOperation.READ, ResourceType.TOPIC, "items"))
    elif what == "group denied":
        broker.authorizer = Granting(READ_ALL[1])
    elif what == "allowed":
        broker.authorizer = Granting(*READ_ALL)
    else:
        broker.groups.refusal = ErrorCode.COORDINATOR_LOAD_IN_PROGRESS if what == "refusing" else None


async def play(kinds: list[Kind], actions: list[Any]) -> int:
    """Have each commit answered both ways, from the same state; returns how many the short way took."""
    taken = 0
    async with started() as broker:
        long, short = LongWay(broker), None
        for correlation_id, action in enumerate(actions):
            if isinstance(action, str):
                await change(broker, action)
                continue
            number, offset, epoch, mangling = action
            data = frame(broker, kinds[number % len(kinds)], correlation_id, offset, epoch)
            if mangling == "tagged" and data[3] >= 8:
                data = data[:-1] + b"\1\5\2xx"
            elif mangling == "one byte more":
                data += b"\0"
            elif mangling == "one byte less":
                data = data[:-1]
            before = content(broker)
            answer = None if short is None else short.answer(memoryview(data))
            if answer is not None:
                taken += 1
                after = content(broker)
                broker.groups.shard = new_shard()
                for group_id, values in before.items():
                    prefix = b"\0\1" + len(group_id).to_bytes(2) + group_id
                    for place, value in values.items():
                        broker.groups.shard.replay(prefix + place, value)
                assert long.answer(data) == answer
                assert content(broker) == after
            else:
                assert content(broker) == before
                if mangling != "one byte less":
                    long.answer(data)
                    short = long.short_way() or short
    return taken


@settings(max_examples=60, deadline=None)
@given(kinds=KINDS_ALIKE, actions=st.lists(st.one_of(COMMITS, COMMITS, CHANGES), min_size=3, max_size=12))
def test_both_ways_answer_and_store_the_same(kinds: list[Kind], actions: list[Any]) -> None:
    asyncio.run(play(kinds, actions))


@pytest.mark.parametrize("version", VERSIONS_WITH_SHORT_WAY)
async def test_what_differs_in_numbers_alone_takes_the_short_way(version: int) -> None:
    kind = Kind(version, partitions=(("orders", 0), ("orders", 1), ("items", 1)))
    assert await play([kind], [(0, offset, epoch, "none") for offset, epoch in [(1, 0), (7, -1), (1 << 50, 9)]]) == 2


async def test_it_commits_what_the_request_says(broker: GroupBroker) -> None:
    kind = Kind(partitions=(("orders", 0), ("items", 1)))
    short = made_after(broker, frame(broker, kind, 1, 10))
    assert short.answer(memoryview(frame(broker, kind, 2, 20))) is not None
    assert committed(broker.groups.shard, "g") == {("orders", 0): 20, ("items", 1): 21}


@pytest.mark.parametrize(
    "other",
    [
        Kind(version=9),
        Kind(client_id="d"),
        Kind(group="h"),
        Kind(generation=0),
        Kind(partitions=(("orders", 1),)),
        Kind(partitions=(("orders", 0), ("orders", 1))),
        Kind(metadata="x"),
        Kind(metadata=None),
    ],
)
async def test_what_differs_otherwise_is_not_its_business(broker: GroupBroker, other: Kind) -> None:
    short = made_after(broker, frame(broker, Kind(), 1, 10))
    before = content(broker)
    assert short.answer(memoryview(frame(broker, other, 2, 20))) is None
    assert content(broker) == before


@pytest.mark.parametrize("version", VERSIONS_WITH_SHORT_WAY)
async def test_what_was_refused_once_is_asked_again(broker: GroupBroker, version: int) -> None:
    kind = Kind(version, partitions=(("orders", 0), ("items", 0)))
    broker.authorizer = Granting(READ_ALL[0], (AclOperation.READ, ResourceType.TOPIC, "items"))
    short = made_after(broker, frame(broker, kind, 1, 10))
    assert committed(broker.groups.shard, "g") == {("items", 0): 11}
    broker.authorizer = Granting(*READ_ALL)
    assert short.answer(memoryview(frame(broker, kind, 2, 20))) is not None
    assert committed(broker.groups.shard, "g") == {("orders", 0): 20, ("items", 0): 21}


async def test_old_and_large_requests_have_no_short_way(broker: GroupBroker) -> None:
    long = LongWay(broker)
    for kind in (Kind(version=5), Kind(metadata="x" * 2000)):
        long.answer(frame(broker, kind, 1, 10))
        assert long.short_way() is None


async def test_an_answer_that_is_outstanding_is_a_future_of_the_response(broker: GroupBroker) -> None:
    short = made_after(broker, frame(broker, Kind(), 1, 10))
    broker.groups.is_slow = True
    answer = short.answer(memoryview(frame(broker, Kind(), 2, 20)))
    assert isinstance(answer, asyncio.Future)
    broker.groups.answer()
    assert [topic.partitions[0].error_code for topic in (await answer).topics] == [0]
