"""The language of the scenarios: what clients, time and failures do.

    settings NAME=VALUE ...         settings of the coordinator, in the first block
    join CLIENT ... [OPTION=VALUE]  JoinGroup, as a client does: if it has to get an id first it joins again with it
    join-once CLIENT                one JoinGroup whatever the answer is
    sync CLIENT [ID=PARTITIONS ...] SyncGroup, a leader's with assignments
    heartbeat CLIENT ...
    leave CLIENT ...                one LeaveGroup of several members
    remove INSTANCE ...             LeaveGroup of static members by an administrator
    commit CLIENT TOPIC-N=OFFSET    OffsetCommit; the client `nobody` is no member
    fetch [GROUP]                   OffsetFetch of all offsets
    describe | delete [GROUP]       DescribeGroups, DeleteGroups
    list [STATE ...]                ListGroups
    delete-offsets TOPIC-N ...      OffsetDelete
    respawn CLIENT                  its process begins anew and knows nothing of its former self
    advance DURATION                time goes on, timers fire
    restart [NAME=VALUE ...]        the coordinator dies, another takes over its log, with other settings perhaps
    refuse CODE | accept            from now on appends are refused with this code, or accepted again
    timers                          what is armed for groups
    notes                           what the broker's log has been told since it was last shown

Options of `join` last until they are changed: group, instance, topics, metadata (hex), protocols, type, session,
rebalance, version. `id` and `generation`, of any request of a member, stand for one request in place of its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from broker.core.groups.caller import Caller
from broker.core.groups.settings import GroupSettings
from broker.core.groups.shard import GroupShard
from broker.core.result import Moment, Result, Ticket
from protocol.errors import ErrorCode
from protocol.messages.delete_groups import DeletableGroupResult
from protocol.messages.heartbeat import HeartbeatRequest, HeartbeatResponse
from protocol.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse
from protocol.messages.leave_group import LeaveGroupRequest, LeaveGroupResponse, MemberIdentity
from protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
    OffsetCommitResponse,
    OffsetCommitResponsePartition,
    OffsetCommitResponseTopic,
)
from protocol.messages.offset_delete import (
    OffsetDeleteRequest,
    OffsetDeleteRequestPartition,
    OffsetDeleteRequestTopic,
    OffsetDeleteResponse,
)
from protocol.messages.offset_fetch import OffsetFetchRequestGroup, OffsetFetchResponseGroup
from protocol.messages.sync_group import SyncGroupRequest, SyncGroupRequestAssignment, SyncGroupResponse

from .show import group_text, record_text, response_text
from .world import Request, World

UNITS_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
Options = dict[str, str]


def duration_ms(text: str) -> int:
    match = re.fullmatch(r"(\d+)(ms|s|m|h|d)", text)
    assert match is not None, text
    return int(match[1]) * UNITS_MS[match[2]]


def partition(text: str) -> tuple[str, int]:
    topic, _, index = text.rpartition("-")
    return topic, int(index)


@dataclass
class Client:
    """A member as its client sees it, and its settings as the language writes them."""

    name: str
    options: Options = field(
        default_factory=lambda: {
            "group": "g",
            "topics": "orders",
            "protocols": "range",
            "type": "consumer",
            "session": "10s",
            "rebalance": "60s",
            "version": "9",
        }
    )
    member_id: str = ""
    generation: int = -1
    protocol: str | None = None
    has_to_join_again: bool = False

    @property
    def group_id(self) -> str:
        return self.options["group"]

    @property
    def instance_id(self) -> str | None:
        return self.options.get("instance")

    def metadata(self) -> bytes:
        if "metadata" in self.options:
            return bytes.fromhex(self.options["metadata"])
        topics = [topic.encode() for topic in self.options["topics"].split(",")]
        encoded = b"".join(len(topic).to_bytes(2) + topic for topic in topics)
        return b"\x00\x00" + len(topics).to_bytes(4) + encoded + b"\xff\xff\xff\xff"

    def on_join(self, response: JoinGroupResponse) -> None:
        code = response.error_code
        self.has_to_join_again = code == ErrorCode.MEMBER_ID_REQUIRED
        if code in (ErrorCode.NONE, ErrorCode.MEMBER_ID_REQUIRED):
            self.member_id = response.member_id
            self.generation = response.generation_id
            self.protocol = response.protocol_name
        elif code in (ErrorCode.UNKNOWN_MEMBER_ID, ErrorCode.GROUP_MAX_SIZE_REACHED):
            self.member_id, self.generation = "", -1


class Scenario:
    """Runs the commands of one scenario."""

    def __init__(self) -> None:
        self._settings = GroupSettings()
        self._made_world: World | None = None
        self._clients: dict[str, Client] = {}
        self._lines: list[str] = []
        self._clock_prefix = ""
        self._shown_groups: dict[str, str] = {}

    @property
    def world(self) -> World:
        if self._made_world is None:
            self._made_world = World(self._settings, self._report, response_text, record_text)
        return self._made_world

    def execute(self, commands: list[str]) -> list[str]:
        """Carry out the commands of a block and return what happened."""
        self._lines = []
        for command in commands:
            name, *words = command.split()
            arguments = [word for word in words if "=" not in word]
            options = dict(word.split("=", 1) for word in words if "=" in word)
            method = getattr(self, f"do_{name.replace('-', '_')}")
            method(arguments, options)
        self._show_changed_groups()
        return self._lines

    def _report(self, line: str) -> None:
        self._lines.append(self._clock_prefix + line)

    def _show_changed_groups(self) -> None:
        groups = self.world.shard.groups
        texts = {}
        for group_id in groups.ids():
            group = groups.find(group_id)
            assert group is not None
            texts[group_id] = group_text(group)
        for group_id in self._shown_groups.keys() - texts.keys():
            self._report(f"{group_id}: none")
        for group_id, text in texts.items():
            if self._shown_groups.get(group_id) != text:
                self._report(text)
        self._shown_groups = texts

    def _client(self, name: str) -> Client:
        return self._clients.setdefault(name, Client(name))

    def _call(
        self,
        title: str,
        operation: Callable[[GroupShard, Moment, Ticket], Result],
        on_error: Callable[[ErrorCode], Any],
        on_reply: Callable[[Any], None] = lambda response: None,
    ) -> None:
        self.world.call(Request(title, on_reply, on_error), operation)

    # The coordinator and time

    def do_settings(self, arguments: list[str], options: Options) -> None:
        assert self._made_world is None
        self._settings = self._settings._replace(**{name: int(value) for name, value in options.items()})

    def do_advance(self, arguments: list[str], options: Options) -> None:
        world = self.world
        remaining_ms = duration_ms(arguments[0])
        end_ms = world.now.monotonic_ms + remaining_ms
        while world.now.monotonic_ms < end_ms:
            due_ms = min([*world.timers.values(), end_ms])
            self._clock_prefix = f"{due_ms / 1000:.3f} s: "
            world.advance(min(due_ms, end_ms) - world.now.monotonic_ms)
        self._clock_prefix = ""

    def do_restart(self, arguments: list[str], options: Options) -> None:
        self.world.settings = self.world.settings._replace(**{name: int(value) for name, value in options.items()})
        self.world.restart()

    def do_refuse(self, arguments: list[str], options: Options) -> None:
        self.world.refusal = ErrorCode[arguments[0]]

    def do_accept(self, arguments: list[str], options: Options) -> None:
        self.world.refusal = None

    def do_timers(self, arguments: list[str], options: Options) -> None:
        for key, due_ms in sorted(self.world.timers.items(), key=str):
            assert isinstance(key, tuple)
            if len(key) == 1:
                continue  # of no group
            self._report(f"{' '.join(key)}: in {(due_ms - self.world.now.monotonic_ms) / 1000:g} s")

    def do_notes(self, arguments: list[str], options: Options) -> None:
        for note in self.world.notes:
            self._report(note)
        self.world.notes.clear()

    # Members

    def do_respawn(self, arguments: list[str], options: Options) -> None:
        former = self._clients[arguments[0]]
        self._clients[former.name] = Client(former.name, former.options)

    def do_join(self, arguments: list[str], options: Options) -> None:
        for name in arguments:
            self.do_join_once([name], options)
            if self._client(name).has_to_join_again:
                self.do_join_once([name], {})

    def do_join_once(self, arguments: list[str], options: Options) -> None:
        client = self._client(arguments[0])
        member_id = options.pop("id", client.member_id)
        client.options |= options
        settings = client.options
        version = int(settings["version"])
        request = JoinGroupRequest(
            group_id=client.group_id,
            session_timeout_ms=duration_ms(settings["session"]),
            rebalance_timeout_ms=duration_ms(settings["rebalance"]) if version >= 1 else -1,
            member_id=member_id,
            group_instance_id=client.instance_id,
            protocol_type=settings["type"],
            protocols=[
                JoinGroupRequestProtocol(name=name, metadata=client.metadata())
                for name in settings["protocols"].split(",")
            ],
        )
        self._call(
            f"{client.name} <- JoinGroup",
            lambda shard, now, ticket: shard.join_group(
                request, Caller(ticket, client.name, "/127.0.0.1", version), now
            ),
            lambda code: JoinGroupResponse(error_code=code, protocol_name=None, leader="", member_id=member_id),
            client.on_join,
        )

    def do_sync(self, arguments: list[str], options: Options) -> None:
        client = self._client(arguments[0])
        request = SyncGroupRequest(
            group_id=client.group_id,
            generation_id=int(options.pop("generation", client.generation)),
            member_id=options.pop("id", client.member_id),
            group_instance_id=client.instance_id,
            protocol_type=options.pop("type", client.options["type"]),
            protocol_name=options.pop("protocol", client.protocol),
            assignments=[
                SyncGroupRequestAssignment(member_id=member_id, assignment=partitions.encode())
                for member_id, partitions in options.items()
            ],
        )
        self._call(
            f"{client.name} <- SyncGroup",
            lambda shard, now, ticket: shard.sync_group(request, Caller(ticket, client.name, "/127.0.0.1", 5), now),
            lambda code: SyncGroupResponse(error_code=code, assignment=b""),
        )

    def do_heartbeat(self, arguments: list[str], options: Options) -> None:
        for name in arguments:
            self._heartbeat(self._client(name), options)

    def _heartbeat(self, client: Client, options: Options) -> None:
        request = HeartbeatRequest(
            group_id=client.group_id,
            generation_id=int(options.get("generation", client.generation)),
            member_id=options.get("id", client.member_id),
            group_instance_id=client.instance_id,
        )
        self._call(
            f"{client.name} <- Heartbeat",
            lambda shard, now, ticket: shard.heartbeat(request, now),
            lambda code: HeartbeatResponse(error_code=code),
        )

    def do_leave(self, arguments: list[str], options: Options) -> None:
        clients = [self._client(name) for name in arguments]
        identities = [
            MemberIdentity(
                member_id=options.get("id", client.member_id), group_instance_id=client.instance_id, reason=None
            )
            for client in clients
        ]
        self._leave(f"{' '.join(arguments)} <- LeaveGroup", clients[0].group_id, identities)

    def do_remove(self, arguments: list[str], options: Options) -> None:
        identities = [MemberIdentity(member_id="", group_instance_id=name, reason=None) for name in arguments]
        self._leave("admin <- LeaveGroup", options.get("group", "g"), identities)

    def _leave(self, title: str, group_id: str, identities: list[MemberIdentity]) -> None:
        request = LeaveGroupRequest(group_id=group_id, members=identities)
        self._call(
            title,
            lambda shard, now, ticket: shard.leave_group(request, now),
            lambda code: LeaveGroupResponse(error_code=code),
        )

    # Offsets and groups

    def do_commit(self, arguments: list[str], options: Options) -> None:
        client = self._client(arguments[0])
        generation = int(options.pop("generation", client.generation))
        member_id = options.pop("id", client.member_id)
        retention_ms = duration_ms(options.pop("retention")) if "retention" in options else -1
        group_id = options.pop("group", client.group_id)
        topics: dict[str, OffsetCommitRequestTopic] = {}
        for place, offset in options.items():
            name, index = partition(place)
            topic = topics.setdefault(name, OffsetCommitRequestTopic(name=name))
            topic.partitions.append(
                OffsetCommitRequestPartition(
                    partition_index=index, committed_offset=int(offset), committed_metadata=None
                )
            )
        request = OffsetCommitRequest(
            group_id=group_id,
            generation_id_or_member_epoch=generation,
            member_id=member_id,
            group_instance_id=client.instance_id,
            retention_time_ms=retention_ms,
            topics=list(topics.values()),
        )

        def on_error(code: ErrorCode) -> OffsetCommitResponse:
            return OffsetCommitResponse(
                topics=[
                    OffsetCommitResponseTopic(
                        name=topic.name,
                        partitions=[
                            OffsetCommitResponsePartition(partition_index=each.partition_index, error_code=code)
                            for each in topic.partitions
                        ],
                    )
                    for topic in request.topics
                ]
            )

        self._call(
            f"{client.name} <- OffsetCommit",
            lambda shard, now, ticket: shard.commit_offsets(request, 9, now),
            on_error,
        )

    def do_fetch(self, arguments: list[str], options: Options) -> None:
        group_id = arguments[0] if arguments else "g"
        request = OffsetFetchRequestGroup(group_id=group_id, topics=None)
        self._call(
            "OffsetFetch",
            lambda shard, now, ticket: shard.fetch_offsets(request, now),
            lambda code: OffsetFetchResponseGroup(group_id=group_id, error_code=code),
        )

    def do_delete_offsets(self, arguments: list[str], options: Options) -> None:
        topics: dict[str, OffsetDeleteRequestTopic] = {}
        for place in arguments:
            name, index = partition(place)
            topic = topics.setdefault(name, OffsetDeleteRequestTopic(name=name))
            topic.partitions.append(OffsetDeleteRequestPartition(partition_index=index))
        request = OffsetDeleteRequest(group_id=options.get("group", "g"), topics=list(topics.values()))
        self._call(
            "OffsetDelete",
            lambda shard, now, ticket: shard.delete_offsets(request),
            lambda code: OffsetDeleteResponse(error_code=code),
        )

    def do_describe(self, arguments: list[str], options: Options) -> None:
        group_id = arguments[0] if arguments else "g"
        self._call(
            "DescribeGroups",
            lambda shard, now, ticket: shard.describe_group(group_id, 6),
            lambda code: DeletableGroupResult(group_id=group_id, error_code=code),
        )

    def do_delete(self, arguments: list[str], options: Options) -> None:
        group_id = arguments[0] if arguments else "g"
        self._call(
            "DeleteGroups",
            lambda shard, now, ticket: shard.delete_group(group_id),
            lambda code: DeletableGroupResult(group_id=group_id, error_code=code),
        )

    def do_list(self, arguments: list[str], options: Options) -> None:
        self._call("ListGroups", lambda shard, now, ticket: shard.list_groups(arguments, []), lambda code: [])
