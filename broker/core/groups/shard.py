"""The group coordinator of one partition of `__consumer_offsets`: the front of its state machine.

Each request is a module of its own, as a function from the state, the request and the moment to a `Result`; here they
are only put together. Everything that changes what is persisted comes in by `replay`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any, Final

from protocol.consumer_offsets import GroupMetadataKey, OffsetCommitKey
from protocol.messages.heartbeat import HeartbeatRequest
from protocol.messages.join_group import JoinGroupRequest
from protocol.messages.leave_group import LeaveGroupRequest
from protocol.messages.offset_commit import OffsetCommitRequest
from protocol.messages.offset_delete import OffsetDeleteRequest
from protocol.messages.offset_fetch import OffsetFetchRequestGroup
from protocol.messages.sync_group import SyncGroupRequest

from ..result import Moment, Result
from . import (
    delete_groups,
    describe_groups,
    heartbeat,
    join_group,
    leave_group,
    list_groups,
    offset_commit,
    offset_delete,
    offset_fetch,
    rebalance,
    sync_group,
)
from .caller import Caller
from .groups import Groups
from .offset_expiry import EXPIRY_KEY, OffsetExpiry
from .offset_store import OffsetStore
from .records import read_group_id
from .settings import GroupSettings
from .topic_deletion import TOPIC_DELETION_KEY, TopicDeletion

# As they stand in a key: a log of millions of records is loaded by them.
_OFFSET_KINDS: Final = frozenset(version.to_bytes(2) for version in OffsetCommitKey.VERSIONS)
_GROUP_KINDS: Final = frozenset(version.to_bytes(2) for version in GroupMetadataKey.VERSIONS)


class GroupShard:
    """Groups and their offsets."""

    __slots__ = ("_expiry", "_new_uuid", "_topic_deletion", "groups", "offsets")

    def __init__(self, settings: GroupSettings, new_uuid: Callable[[], str]) -> None:
        self.offsets = OffsetStore()
        self.groups = Groups(settings, self.offsets)
        self._expiry = OffsetExpiry(self.groups, self.offsets)
        self._topic_deletion = TopicDeletion(self.groups, self.offsets)
        self._new_uuid = new_uuid

    # The coordinator's side

    def replay(self, key: bytes, value: bytes | None) -> bool:
        """Take over a record of the log, or pass it over: False if it is malformed, True if it is not of groups.

        The value of a group is not looked into: it has no effect if it cannot be read when somebody asks for it.
        """
        kind = key[:2]
        if kind in _OFFSET_KINDS:
            return self.offsets.replay(key, value)
        if kind in _GROUP_KINDS:
            group_id = read_group_id(key)
            if group_id is None:
                return False
            self.groups.replay(group_id, value)
            if value is None:
                self.offsets.forget(group_id.encode())
        return True

    def on_loaded(self, now: Moment) -> Iterator[Result]:
        """Begin to look after members and offsets, group by group."""
        yield from rebalance.on_loaded(self.groups, now)
        yield self._expiry.start()

    def on_timer(self, key: Any, now: Moment) -> Result:
        """Do what is due."""
        match key:
            case ("session", group_id, member_id):
                return rebalance.on_session_timer(self.groups, group_id, member_id, now)
            case ("join", group_id):
                return rebalance.on_join_timer(self.groups, group_id, now)
            case ("sync", group_id):
                return rebalance.on_sync_timer(self.groups, group_id, now)
        assert key in (EXPIRY_KEY, TOPIC_DELETION_KEY), f"a timer of nobody: {key}"
        return self._expiry.on_timer(now) if key == EXPIRY_KEY else self._topic_deletion.on_timer()

    # Members

    def join_group(self, request: JoinGroupRequest, caller: Caller, now: Moment) -> Result:
        return join_group.join_group(self.groups, request, caller, now, self._new_uuid)

    def sync_group(self, request: SyncGroupRequest, caller: Caller, now: Moment) -> Result:
        return sync_group.sync_group(self.groups, request, caller, now)

    def heartbeat(self, request: HeartbeatRequest, now: Moment) -> Result:
        return heartbeat.heartbeat(self.groups, request, now)

    def leave_group(self, request: LeaveGroupRequest, now: Moment) -> Result:
        return leave_group.leave_group(self.groups, request, now)

    # Offsets

    def commit_offsets(self, request: OffsetCommitRequest, api_version: int, now: Moment) -> Result:
        return offset_commit.commit_offsets(self.groups, request, api_version, now)

    def fetch_offsets(self, request: OffsetFetchRequestGroup, now: Moment) -> Result:
        return offset_fetch.fetch_offsets(self.offsets, request)

    def delete_offsets(self, request: OffsetDeleteRequest) -> Result:
        return offset_delete.delete_offsets(self.groups, self.offsets, request)

    def topics_deleted(self, topics: Iterable[tuple[str, bytes]]) -> Result:
        return self._topic_deletion.begin(topics)

    # Groups

    def describe_group(self, group_id: str, api_version: int) -> Result:
        return describe_groups.describe_group(self.groups, group_id, api_version)

    def list_groups(self, states: Collection[str], types: Collection[str]) -> Result:
        return list_groups.list_groups(self.groups, states, types)

    def delete_group(self, group_id: str) -> Result:
        return delete_groups.delete_group(self.groups, self.offsets, group_id)
