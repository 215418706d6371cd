"""All groups of one partition of `__consumer_offsets`: what the log says of them, and those that live.

A group without members is nothing but its record, which stays undecoded until somebody asks for it, or even less: a
group that only has offsets has no record at all. Such a group is made anew for each question and is not kept. One that
has members, or is about to have some, is kept in `live`, and there it has more than its record: who waits, whose
session ends when.
"""

from __future__ import annotations

from collections.abc import Iterator

from protocol.errors import ErrorCode, KafkaError
from protocol.messages.heartbeat import HeartbeatRequest
from protocol.messages.sync_group import SyncGroupRequest

from .classic_group import ClassicGroup
from .classic_member import ClassicMember
from .offset_store import OffsetStore
from .records import decode_group
from .settings import GroupSettings


class Groups:
    """The classic groups of a partition by their ids."""

    __slots__ = ("_offsets", "live", "persisted", "settings")

    def __init__(self, settings: GroupSettings, offsets: OffsetStore) -> None:
        self.settings = settings
        self.live: dict[str, ClassicGroup] = {}
        """Groups with members or pending members. No other group has a member, so requests of members look here."""
        self.persisted: dict[str, bytes] = {}
        """The value of each group's last record. It changes only by `replay`."""
        self._offsets = offsets

    def replay(self, group_id: str, value: bytes | None) -> None:
        """Take over a group's record or its tombstone."""
        if value is None:
            self.persisted.pop(group_id, None)
            self.forget(group_id)
            return
        self.persisted[group_id] = value
        group = self.live.get(group_id)
        if group is not None:
            group.is_record_stale = False
            self.release(group)

    def find(self, group_id: str) -> ClassicGroup | None:
        """The group if there is one; what is changed of it is lost unless it is kept."""
        group = self.live.get(group_id)
        if group is not None:
            return group
        value = self.persisted.get(group_id)
        if value is not None:
            group = decode_group(group_id, value)
        if group is None and self._offsets.of_group(group_id.encode()) is not None:
            group = ClassicGroup(group_id)
        return group

    def find_or_create(self, group_id: str, wall_ms: int) -> tuple[ClassicGroup, bool]:
        """The group, made at this moment if there was none, and whether it was."""
        group = self.find(group_id)
        return (ClassicGroup(group_id, wall_ms), True) if group is None else (group, False)

    def find_member(self, request: HeartbeatRequest | SyncGroupRequest) -> tuple[ClassicGroup, ClassicMember]:
        """The member of the present generation that a request comes from, behind its group.

        Raises KafkaError: INVALID_GROUP_ID, UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID, ILLEGAL_GENERATION.
        """
        if not request.group_id:
            raise KafkaError(ErrorCode.INVALID_GROUP_ID)
        group = self.live.get(request.group_id)
        if group is None:
            raise KafkaError(ErrorCode.UNKNOWN_MEMBER_ID)
        member = group.validate_member(request.member_id, request.group_instance_id)
        if request.generation_id != group.generation:
            raise KafkaError(ErrorCode.ILLEGAL_GENERATION)
        return group, member

    def keep(self, group: ClassicGroup) -> None:
        """Let a group live that has a member or a pending member."""
        self.live[group.group_id] = group

    def release(self, group: ClassicGroup) -> None:
        """Let go of a group that is nothing but its record any more."""
        if group.is_idle and not group.is_record_stale:
            self.live.pop(group.group_id, None)

    def forget(self, group_id: str) -> None:
        """Drop the live part of a group that is no more."""
        self.live.pop(group_id, None)

    def ids(self) -> Iterator[str]:
        """The id of each group there is."""
        seen = dict.fromkeys([*self.persisted, *self.live])
        yield from seen
        for encoded in list(self._offsets.group_ids):
            group_id = encoded.decode()
            if group_id not in seen:
                yield group_id
