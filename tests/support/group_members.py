"""Members of groups that speak with a coordinator without a broker, for tests that look at single fields."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from broker.core.groups.caller import Caller
from broker.core.groups.classic_group import ClassicGroup
from broker.core.groups.settings import GroupSettings
from broker.core.groups.shard import GroupShard
from broker.core.result import Moment, Result, Ticket
from protocol.errors import ErrorCode
from protocol.messages.heartbeat import HeartbeatRequest
from protocol.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse
from protocol.messages.leave_group import LeaveGroupRequest, LeaveGroupResponse, MemberIdentity
from protocol.messages.sync_group import SyncGroupRequest, SyncGroupRequestAssignment, SyncGroupResponse

from ..scenarios.world import Request, World

DELAY_MS = GroupSettings().initial_rebalance_delay_ms


def consumer_metadata(*topics: str) -> bytes:
    """A consumer's subscription, as v0."""
    encoded = b"".join(len(topic.encode()).to_bytes(2) + topic.encode() for topic in topics)
    return b"\x00\x00" + len(topics).to_bytes(4) + encoded + b"\xff\xff\xff\xff"


class Answer:
    """What has become of a request: its response is None as long as it waits."""

    def __init__(self) -> None:
        self.response: Any = None
        self.refusal: ErrorCode | None = None
        """The code of the KafkaError that refused it as a whole."""

    @property
    def code(self) -> ErrorCode:
        """The error of the answer as a whole."""
        return ErrorCode(self.response.error_code) if self.refusal is None else self.refusal


class GroupMembers:
    """One coordinator, and requests to it in short; the group is `group`, member ids are `<client>-<count>`."""

    def __init__(self, settings: GroupSettings | None = None) -> None:
        self.world = World(settings or GroupSettings(), lambda line: None, lambda response: "", lambda record: "")

    @property
    def group(self) -> ClassicGroup:
        found = self.world.shard.groups.find("group")
        assert found is not None
        return found

    def join(
        self,
        client: str = "client",
        member_id: str = "",
        *,
        instance_id: str | None = None,
        protocols: dict[str, bytes] | None = None,
        protocol_type: str = "consumer",
        session_timeout_ms: int = 10_000,
        rebalance_timeout_ms: int = 60_000,
        group_id: str = "group",
        version: int = 9,
    ) -> Answer:
        """Send one JoinGroup."""
        if protocols is None:
            protocols = {"range": consumer_metadata("orders")}
        request = JoinGroupRequest(
            group_id=group_id,
            session_timeout_ms=session_timeout_ms,
            rebalance_timeout_ms=rebalance_timeout_ms,
            member_id=member_id,
            group_instance_id=instance_id,
            protocol_type=protocol_type,
            protocols=[JoinGroupRequestProtocol(name=name, metadata=data) for name, data in protocols.items()],
        )
        return self._call(
            lambda shard, now, ticket: shard.join_group(request, Caller(ticket, client, "/127.0.0.1", version), now),
            lambda code: JoinGroupResponse(error_code=code, protocol_name=None, leader="", member_id=member_id),
        )

    def sync(
        self,
        member_id: str,
        generation: int,
        assignments: dict[str, bytes] | None = None,
        *,
        instance_id: str | None = None,
        protocol_type: str | None = "consumer",
        protocol_name: str | None = "range",
    ) -> Answer:
        """Send a SyncGroup."""
        request = SyncGroupRequest(
            group_id="group",
            generation_id=generation,
            member_id=member_id,
            group_instance_id=instance_id,
            protocol_type=protocol_type,
            protocol_name=protocol_name,
            assignments=[
                SyncGroupRequestAssignment(member_id=name, assignment=data)
                for name, data in (assignments or {}).items()
            ],
        )
        return self._call(
            lambda shard, now, ticket: shard.sync_group(request, Caller(ticket, "client", "/127.0.0.1", 5), now),
            lambda code: SyncGroupResponse(error_code=code, assignment=b""),
        )

    def heartbeat(self, member_id: str, generation: int, *, instance_id: str | None = None) -> ErrorCode:
        """Send a Heartbeat and return its error."""
        request = HeartbeatRequest(
            group_id="group", generation_id=generation, member_id=member_id, group_instance_id=instance_id
        )
        return self._call(lambda shard, now, ticket: shard.heartbeat(request, now), lambda code: None).code

    def leave(self, *identities: tuple[str, str | None]) -> Answer:
        """Send a LeaveGroup of members given by member id and instance id."""
        members = [MemberIdentity(member_id=each, group_instance_id=instance) for each, instance in identities]
        request = LeaveGroupRequest(group_id="group", members=members)
        return self._call(
            lambda shard, now, ticket: shard.leave_group(request, now), lambda code: LeaveGroupResponse(error_code=code)
        )

    def _call(
        self, operation: Callable[[GroupShard, Moment, Ticket], Result], on_error: Callable[[ErrorCode], Any]
    ) -> Answer:
        answer = Answer()

        def refuse(code: ErrorCode) -> Any:
            answer.refusal = code
            return on_error(code)

        def take(response: Any) -> None:
            answer.response = response

        self.world.call(Request("", take, refuse), operation)
        return answer

    # What tests begin with

    def enter(self, *clients: str, **options: Any) -> list[Answer]:
        """Let these join an empty group as members with ids, and wait for the end of the initial delay."""
        answers = []
        for client in clients:
            member_id = self.join(client, **options).response.member_id
            answers.append(self.join(client, member_id, **options))
        self.world.advance(2 * DELAY_MS)
        return answers

    def stable(self, *clients: str, **options: Any) -> list[str]:
        """Make a stable group of these, the first one the leader, and return their member ids."""
        members = [answer.response.member_id for answer in self.enter(*clients, **options)]
        generation = self.group.generation
        for member_id in members[1:]:
            self.sync(member_id, generation)
        self.sync(members[0], generation, {member_id: member_id.encode() for member_id in members})
        return members
