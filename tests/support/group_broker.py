"""The broker of the metadata handlers, with one group coordinator that leads every group, as tests want it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from broker.core.controller.topic_creation import NewTopic
from broker.core.groups.shard import GroupShard
from broker.core.result import Moment, Result, Ticket
from broker.metadata.image import GROUPS_TOPIC, TopicImage
from protocol.errors import ErrorCode, KafkaError
from protocol.messages.join_group import JoinGroupRequestProtocol

from .metadata_broker import MetadataBroker
from .offset_requests import START, carry_out, new_shard

Operation = Callable[[GroupShard, Moment, Ticket], Result]
OnError = Callable[[ErrorCode], Any]

PARTITIONS = 4


class Groups:
    """Stands for broker.coordinators.groups: carries out at once what is asked, or does as it is told."""

    def __init__(self, broker: GroupBroker) -> None:
        self.shard = new_shard()
        self.refusal: ErrorCode | None = None
        """What all requests are answered with; what the making of the topic fails with."""
        self.other_partitions: list[ErrorCode] = []
        """The refusals of partitions that have no groups."""
        self.is_slow = False
        """Whether replies are outstanding until `answer`."""
        self.asked: list[str] = []
        """The group ids of all calls."""
        self.outstanding: list[tuple[asyncio.Future[Any], Any]] = []
        self.waiting: dict[Ticket, asyncio.Future[Any]] = {}
        self._broker = broker

    def call(self, group_id: str, operation: Operation, on_error: OnError) -> Any:
        self.asked.append(group_id)
        ticket = Ticket(len(self.asked))
        future = self.waiting[ticket] = asyncio.get_running_loop().create_future()
        reply = self._carry_out(lambda shard, now: operation(shard, now, ticket), on_error)
        if reply is None:
            return future
        del self.waiting[ticket]
        if self.is_slow:
            self.outstanding.append((future, reply))
            return future
        return reply

    async def call_each(self, operation: Operation, on_error: OnError) -> list[Any]:
        replies = [on_error(refusal) for refusal in self.other_partitions]
        return [*replies, self._carry_out(lambda shard, now: operation(shard, now, Ticket(0)), on_error)]

    def on_timer(self, *key: str) -> None:
        """Let a timer of the state machine be due."""
        self._carry_out(lambda shard, now: shard.on_timer(key, now), lambda code: None)

    def answer(self) -> None:
        """Give the outstanding replies, the last one first."""
        while self.outstanding:
            future, reply = self.outstanding.pop()
            future.set_result(reply)

    def _carry_out(self, operation: Callable[[GroupShard, Moment], Result], on_error: OnError) -> Any:
        if self.refusal is not None:
            return on_error(self.refusal)
        try:
            result = operation(self.shard, START)
        except KafkaError as error:
            return on_error(error.code)
        reply = carry_out(self.shard, result)
        for ticket, response in result.replies:
            self.waiting.pop(ticket).set_result(response)
        return reply

    def partition_of(self, group_id: str) -> int:
        return len(group_id) % PARTITIONS

    async def ensure_topic(self) -> None:
        if self.refusal is not None:
            raise KafkaError(self.refusal)
        await self._broker.make_topic(GROUPS_TOPIC, PARTITIONS)


class GroupBroker(MetadataBroker):
    """The broker that a RequestContext of these tests points to; made by `start`."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.groups = Groups(self)

    async def make_topic(self, name: str, partitions: int = 2) -> TopicImage:
        await self.topics.create((NewTopic(name, partitions, 1),), may_create=lambda topic: True, timeout_ms=10_000)
        return self.image.topics[name]

    async def settle(self, group: str, version: int = 3, **fields: Any) -> str:
        """Make a stable group of one member, which joins in this version, and return its id."""
        joined = await self.join_alone(group, version, **fields)
        assert joined.error_code == 0, joined
        synced = await self.ask(
            "sync_group",
            3,
            group_id=group,
            generation_id=joined.generation_id,
            member_id=joined.member_id,
            assignments=[],
        )
        assert synced.error_code == 0
        return str(joined.member_id)

    async def join_alone(self, group: str, version: int, **fields: Any) -> Any:
        """What the JoinGroup of the first member is answered with when nobody else has come."""
        joining = asyncio.ensure_future(self.join(group, version, **fields))
        await asyncio.sleep(0)
        self.groups.on_timer("join", group)
        return await joining

    async def join(self, group: str, version: int, **fields: Any) -> Any:
        """What a JoinGroup is answered with; it may have to wait for a timer."""
        defaults = {
            "session_timeout_ms": 10_000,
            "member_id": "",
            "protocol_type": "consumer",
            "protocols": [JoinGroupRequestProtocol(name="range", metadata=b"\0\0\0\0\0\0\xff\xff\xff\xff")],
        }
        return await self.ask("join_group", version, group_id=group, **{**defaults, **fields})
