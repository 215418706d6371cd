"""Requests about groups: single ones, and the flows of several in which members join, sync and leave."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from broker.registry import Api

from ..messages import API_BY_NAME
from ..script import FINISH, Call, Reference, Step, Value
from .world import GROUP_NAMES, Group, Member, World

Body = dict[str, Value]
SESSION_MS: Final = 600_000
"""Longer than any script runs, so that nobody is missed by chance."""

_MEMBERS_MAX = 3
_CONNECTIONS = tuple(f"k{number}" for number in range(1, 10))
_STATIC_SINCE = {"JoinGroup": 5, "SyncGroup": 3, "Heartbeat": 3, "OffsetCommit": 7, "LeaveGroup": 3}
_MEMBER_ID_REQUIRED_SINCE = 4


def _version(world: World, api: str, instance_id: str | None = None) -> int:
    served: Api = API_BY_NAME[api]
    first = _STATIC_SINCE[api] if instance_id is not None else served.min_version
    return world.draw.number(first, served.max_version)


def _identity(member: Member | None, api: str, version: int) -> Body:
    """Member id and instance id, as far as the version has them."""
    if member is None:
        return {"member_id": ""}
    identity: Body = {"member_id": Reference(member.label, "member_id")}
    if member.instance_id is not None and version >= _STATIC_SINCE[api]:
        identity["group_instance_id"] = member.instance_id
    return identity


def _someone(world: World) -> tuple[Group, Member | None]:
    """A group, one with members if there is any, and one of them."""
    inhabited = [group for group in world.groups.values() if group.members]
    if inhabited and world.draw.chance(0.85):
        group = world.draw.pick(inhabited)
        return group, world.draw.pick(group.members)
    return world.draw.pick(list(world.groups.values())), None


def join_group(world: World, version: int) -> Body:
    inhabited = [group for group in world.groups.values() if group.members]
    group = world.draw.pick(inhabited or list(world.groups.values()))
    # A member that asks twice is never answered the first time by Kafka: whoever is one joins in the flows below.
    member = world.draw.pick(group.members) if group.members and world.draw.chance(0.03) else None
    return _join(world, group.name, version, member)


def _join(world: World, group: str, version: int, member: Member | None, instance_id: str | None = None) -> Body:
    draw = world.draw
    names = [topic.name for topic in world.topics.values()][:2]
    protocols = [{"name": "range", "metadata": Call("subscription", tuple(names))}]
    if draw.chance(0.3):
        protocols.append({"name": "roundrobin", "metadata": b"any"})
    if draw.chance(0.05):
        protocols.reverse()
    body: Body = {
        "group_id": group,
        "session_timeout_ms": SESSION_MS,
        "protocol_type": draw.weighted({"consumer": 30, "connect": 1}),
        "protocols": protocols,
        **_identity(member, "JoinGroup", version),
    }
    if instance_id is not None:
        body["group_instance_id"] = instance_id
    if version >= 1:
        body["rebalance_timeout_ms"] = SESSION_MS
    if version >= 8 and draw.chance(0.3):
        body["reason"] = "because"
    return body


def sync_group(world: World, version: int) -> Body:
    group, member = _someone(world)
    return _sync(world, group, version, member)


def _sync(world: World, group: Group, version: int, member: Member | None) -> Body:
    body: Body = {
        "group_id": group.name,
        "generation_id": Reference(member.label, "generation_id") if member else 1,
        **_identity(member, "SyncGroup", version),
        "assignments": [
            {"member_id": Reference(other.label, "member_id"), "assignment": f"for {number}".encode()}
            for number, other in enumerate(group.members)
        ],
    }
    if version >= 5:
        body |= {"protocol_type": "consumer", "protocol_name": "range"}
    return body


def heartbeat(world: World, version: int) -> Body:
    group, member = _someone(world)
    return {
        "group_id": group.name,
        "generation_id": Reference(member.label, "generation_id") if member else 1,
        **_identity(member, "Heartbeat", version),
    }


def leave_group(world: World, version: int) -> Body:
    group, member = _someone(world)
    return _leave(group, version, [member] if member else [])


def _leave(group: Group, version: int, members: list[Member]) -> Body:
    if version < 3:
        return {"group_id": group.name, **_identity(members[0] if members else None, "LeaveGroup", version)}
    body: Body = {"group_id": group.name, "members": [_identity(member, "LeaveGroup", version) for member in members]}
    if version >= 5 and members:
        body["members"][0]["reason"] = "enough"
    return body


def offset_commit(world: World, version: int) -> Body:
    draw = world.draw
    group, member = _someone(world)
    outside = member is None or draw.chance(0.2)
    topics = []
    for topic in world.topics_for_request():
        partitions = []
        for partition in world.partitions(topic):
            entry: Body = {
                "partition_index": partition,
                "committed_offset": world.offset(topic, partition),
                "committed_metadata": draw.weighted({"m": 5, "": 3, None: 2, "x" * 4097: 0.0 if outside else 0.5}),
            }
            if version >= 6 and draw.chance(0.4):
                entry["committed_leader_epoch"] = draw.number(0, 2)
            partitions.append(entry)
        names: Body = {"topic_id": world.topic_id(topic)} if version >= 10 else {"name": topic.name}
        topics.append({**names, "partitions": partitions})
    body: Body = {"group_id": group.name, "topics": topics}
    if not outside and member is not None:
        body["generation_id_or_member_epoch"] = Reference(member.label, "generation_id")
        body |= _identity(member, "OffsetCommit", version)
    return body


def offset_fetch(world: World, version: int) -> Body:
    draw = world.draw
    body: Body = {}
    if version < 8:
        body["group_id"] = world.group_name()
        body["topics"] = (
            None
            if version >= 2 and draw.chance(0.3)
            else [
                {"name": topic.name, "partition_indexes": world.partitions(topic)}
                for topic in world.topics_for_request()
            ]
        )
    else:
        groups = []
        for _ in range(draw.number(1, 2)):
            topics = None
            if draw.chance(0.7):
                topics = [
                    {
                        **({"topic_id": world.topic_id(topic)} if version >= 10 else {"name": topic.name}),
                        "partition_indexes": world.partitions(topic),
                    }
                    for topic in world.topics_for_request()
                ]
            groups.append({"group_id": world.group_name(), "topics": topics})
        body["groups"] = groups
    if version >= 7:
        body["require_stable"] = draw.chance(0.3)
    return body


def describe_groups(world: World, version: int) -> Body:
    body: Body = {"groups": [world.group_name() for _ in range(world.draw.number(1, 2))]}
    if version >= 3:
        body["include_authorized_operations"] = world.draw.chance(0.3)
    return body


def list_groups(world: World, version: int) -> Body:
    draw = world.draw
    body: Body = {}
    states = ("Stable", "Empty", "preparingrebalance", "CompletingRebalance", "Dead", "no such state")
    if version >= 4 and draw.chance(0.4):
        body["states_filter"] = draw.sample(states, draw.number(1, 2))
    if version >= 5 and draw.chance(0.4):
        body["types_filter"] = draw.sample(("classic", "Consumer", "share", "no such type"), draw.number(1, 2))
    return body


def delete_groups(world: World, version: int) -> Body:
    return {"groups_names": [world.group_name() for _ in range(world.draw.number(1, 2))]}


def offset_delete(world: World, version: int) -> Body:
    return {
        "group_id": world.group_name(),
        "topics": [
            {
                "name": topic.name,
                "partitions": [{"partition_index": partition} for partition in world.partitions(topic)],
            }
            for topic in world.topics_for_request()
        ],
    }


def find_coordinator(world: World, version: int) -> Body:
    draw = world.draw
    body: Body = (
        {"key": world.group_name()}
        if version < 4
        else {"coordinator_keys": [world.group_name() for _ in range(draw.number(0, 2))]}
    )
    if version >= 1:
        body["key_type"] = draw.weighted({0: 20, 2: 1, 3: 1, -1: 1})
    return body


BODIES: Final[Mapping[str, Callable[[World, int], Body]]] = {
    "JoinGroup": join_group,
    "SyncGroup": sync_group,
    "Heartbeat": heartbeat,
    "LeaveGroup": leave_group,
    "OffsetCommit": offset_commit,
    "OffsetFetch": offset_fetch,
    "DescribeGroups": describe_groups,
    "ListGroups": list_groups,
    "DeleteGroups": delete_groups,
    "OffsetDelete": offset_delete,
    "FindCoordinator": find_coordinator,
}


# --- flows ---------------------------------------------------------------------------------------------------------


def newcomer(world: World) -> list[Step]:
    """Somebody joins a group, alone or as one of several, and all of them sync."""
    draw = world.draw
    group = world.groups[draw.pick(GROUP_NAMES)]
    if len(group.members) >= _MEMBERS_MAX:
        return leaver(world)
    taken = {member.connection for other in world.groups.values() for member in other.members}
    connection = draw.pick([name for name in _CONNECTIONS if name not in taken])
    instance_id = f"i{draw.number(1, 2)}" if draw.chance(0.3) else None
    version = _version(world, "JoinGroup", instance_id)
    member = Member(world.label("m"), connection, instance_id)
    steps = []
    known = None
    if version >= _MEMBER_ID_REQUIRED_SINCE and instance_id is None:
        steps.append(Step(connection, "JoinGroup", version, _join(world, group.name, version, None), member.label))
        known = member
    body = _join(world, group.name, version, known, instance_id)
    waits = bool(group.members)
    steps.append(Step(connection, "JoinGroup", version, body, member.label, is_started=waits))
    others = list(group.members)
    if instance_id is not None:
        # A static member takes the place of its former self.
        others = [other for other in others if other.instance_id != instance_id]
        group.members = list(others)
    group.members.append(member)
    return steps + _rejoin(world, group, others, [member] if waits else []) + _sync_all(world, group)


def rebalance(world: World) -> list[Step]:
    """All members of a group join once more."""
    inhabited = [group for group in world.groups.values() if group.members]
    if not inhabited:
        return newcomer(world)
    group = world.draw.pick(inhabited)
    return _rejoin(world, group, group.members, []) + _sync_all(world, group)


def leaver(world: World) -> list[Step]:
    """One or more members leave, the others go on without them."""
    draw = world.draw
    inhabited = [group for group in world.groups.values() if group.members]
    if not inhabited:
        return newcomer(world)
    group = draw.pick(inhabited)
    # Who leads after the leader has left is another one in Kafka, unless a single member is left.
    candidates = group.members[1:] if len(group.members) > 2 and draw.chance(0.9) else group.members
    leaving = draw.sample(candidates, 1 if draw.chance(0.7) else 2)
    version = _version(world, "LeaveGroup", "some" if len(leaving) > 1 else leaving[0].instance_id)
    steps = [Step(leaving[0].connection, "LeaveGroup", version, _leave(group, version, leaving))]
    group.members = [member for member in group.members if member not in leaving]
    return steps + _rejoin(world, group, group.members, []) + _sync_all(world, group)


def _rejoin(world: World, group: Group, members: list[Member], waiting: list[Member]) -> list[Step]:
    """The members join again, the last of them completing the generation for all."""
    steps = []
    order = world.draw.sample(members, len(members))
    for number, member in enumerate(order):
        if world.draw.chance(0.4):
            version = _version(world, "Heartbeat", member.instance_id)
            body = {
                "group_id": group.name,
                "generation_id": Reference(member.label, "generation_id"),
                **_identity(member, "Heartbeat", version),
            }
            steps.append(Step(member.connection, "Heartbeat", version, body))
        version = _version(world, "JoinGroup", member.instance_id)
        is_last = number == len(order) - 1
        body = _join(world, group.name, version, member)
        steps.append(Step(member.connection, "JoinGroup", version, body, member.label, is_started=not is_last))
    return steps + [Step(member.connection, FINISH) for member in (*waiting, *order[:-1])]


def _sync_all(world: World, group: Group) -> list[Step]:
    """All members sync, the leader anywhere among them."""
    steps = []
    order = world.draw.sample(group.members, len(group.members))
    for member in order:
        version = _version(world, "SyncGroup", member.instance_id)
        body = _sync(world, group, version, member)
        steps.append(Step(member.connection, "SyncGroup", version, body, is_started=True))
    return steps + [Step(member.connection, FINISH) for member in order]
