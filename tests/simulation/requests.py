"""Requests on their way to the simulated coordinator."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from broker.core.groups.caller import Caller
from broker.core.groups.shard import GroupShard
from broker.core.result import Moment, Result, Ticket
from protocol.errors import ErrorCode
from protocol.messages.delete_groups import DeletableGroupResult
from protocol.messages.describe_groups import DescribedGroup
from protocol.messages.heartbeat import HeartbeatRequest, HeartbeatResponse
from protocol.messages.join_group import JoinGroupRequest, JoinGroupResponse
from protocol.messages.leave_group import LeaveGroupRequest, LeaveGroupResponse
from protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitResponse,
    OffsetCommitResponsePartition,
    OffsetCommitResponseTopic,
)
from protocol.messages.offset_delete import OffsetDeleteRequest, OffsetDeleteResponse
from protocol.messages.offset_fetch import OffsetFetchRequestGroup, OffsetFetchResponseGroup
from protocol.messages.sync_group import SyncGroupRequest, SyncGroupResponse

CLIENT_ID = "simulated"
CLIENT_HOST = "/127.0.0.1"


class Request(NamedTuple):
    """One request: what it asks, how the shard carries it out, and who waits for the answer.

    `respond` takes the answer, or None if it is lost on its way.
    """

    body: Any
    group_id: str
    api_version: int
    carry_out: Callable[[GroupShard, Moment, Ticket], Result]
    on_error: Callable[[ErrorCode], Any]
    respond: Callable[[Any], None]

    @property
    def name(self) -> str:
        return type(self.body).__name__.removesuffix("Request")


class DescribeGroup(NamedTuple):
    """DescribeGroups for one group."""

    group_id: str


class DeleteGroup(NamedTuple):
    """DeleteGroups for one group."""

    group_id: str


class ListGroups(NamedTuple):
    """ListGroups for all states and types."""


class DeleteTopics(NamedTuple):
    """What the coordinator is told when topics are deleted: their names and ids."""

    topics: tuple[tuple[str, bytes], ...]


def make_request(body: Any, api_version: int, respond: Callable[[Any], None]) -> Request:
    """Wrap a request; `api_version` counts where behaviour depends on it."""
    group_id = getattr(body, "group_id", "")
    carry_out, on_error = _BY_TYPE[type(body)]
    return Request(
        body,
        group_id,
        api_version,
        partial(carry_out, body, api_version),
        partial(on_error, body),
        respond,
    )


def _join(body: Any, api_version: int, shard: GroupShard, now: Moment, ticket: Ticket) -> Result:
    return shard.join_group(body, Caller(ticket, CLIENT_ID, CLIENT_HOST, api_version), now)


def _sync(body: Any, api_version: int, shard: GroupShard, now: Moment, ticket: Ticket) -> Result:
    return shard.sync_group(body, Caller(ticket, CLIENT_ID, CLIENT_HOST, api_version), now)


def _heartbeat(body: Any, _: int, shard: GroupShard, now: Moment, _ticket: Ticket) -> Result:
    return shard.heartbeat(body, now)


def _leave(body: Any, _: int, shard: GroupShard, now: Moment, _ticket: Ticket) -> Result:
    return shard.leave_group(body, now)


def _commit(body: Any, api_version: int, shard: GroupShard, now: Moment, _ticket: Ticket) -> Result:
    return shard.commit_offsets(body, api_version, now)


def _fetch(body: Any, _: int, shard: GroupShard, now: Moment, _ticket: Ticket) -> Result:
    return shard.fetch_offsets(body, now)


def _delete_offsets(body: Any, _: int, shard: GroupShard, _now: Moment, _ticket: Ticket) -> Result:
    return shard.delete_offsets(body)


def _describe(body: DescribeGroup, api_version: int, shard: GroupShard, _now: Moment, _ticket: Ticket) -> Result:
    return shard.describe_group(body.group_id, api_version)


def _delete_group(body: DeleteGroup, _: int, shard: GroupShard, _now: Moment, _ticket: Ticket) -> Result:
    return shard.delete_group(body.group_id)


def _list(_body: ListGroups, _: int, shard: GroupShard, _now: Moment, _ticket: Ticket) -> Result:
    return shard.list_groups([], [])


def _delete_topics(body: DeleteTopics, _: int, shard: GroupShard, _now: Moment, _ticket: Ticket) -> Result:
    return shard.topics_deleted(body.topics)


def _commit_error(body: Any, code: ErrorCode) -> OffsetCommitResponse:
    return OffsetCommitResponse(
        topics=[
            OffsetCommitResponseTopic(
                name=topic.name,
                partitions=[
                    OffsetCommitResponsePartition(partition_index=each.partition_index, error_code=code)
                    for each in topic.partitions
                ],
            )
            for topic in body.topics
        ]
    )


def _describe_error(body: DescribeGroup, code: ErrorCode) -> DescribedGroup:
    return DescribedGroup(error_code=code, group_id=body.group_id, group_state="", protocol_type="", protocol_data="")


_BY_TYPE: dict[type, tuple[Callable[..., Result], Callable[[Any, ErrorCode], Any]]] = {
    JoinGroupRequest: (
        _join,
        lambda body, code: JoinGroupResponse(error_code=code, protocol_name="", leader="", member_id=body.member_id),
    ),
    SyncGroupRequest: (_sync, lambda _, code: SyncGroupResponse(error_code=code, assignment=b"")),
    HeartbeatRequest: (_heartbeat, lambda _, code: HeartbeatResponse(error_code=code)),
    LeaveGroupRequest: (_leave, lambda _, code: LeaveGroupResponse(error_code=code)),
    OffsetCommitRequest: (_commit, _commit_error),
    OffsetFetchRequestGroup: (
        _fetch,
        lambda body, code: OffsetFetchResponseGroup(group_id=body.group_id, topics=[], error_code=code),
    ),
    OffsetDeleteRequest: (_delete_offsets, lambda _, code: OffsetDeleteResponse(error_code=code)),
    DescribeGroup: (_describe, _describe_error),
    DeleteGroup: (_delete_group, lambda body, code: DeletableGroupResult(group_id=body.group_id, error_code=code)),
    ListGroups: (_list, lambda _, _code: None),
    DeleteTopics: (_delete_topics, lambda _, _code: None),
}
