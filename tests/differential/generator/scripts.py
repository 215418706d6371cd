"""A script from a seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from broker.registry import APIS, Api

from ..messages import fields_of, implicit_default, request_class
from ..script import FINISH, Call, Step, Value
from . import configs, groups, records, topics
from .draw import Draw
from .nonsense import spoil
from .world import World

STEPS: Final = 80
SPOILED: Final = 0.3
"""How many of the single requests have a field that is wrong."""

Body = dict[str, Value]

BODIES: Final[Mapping[str, Callable[[World, int], Body]]] = {
    **topics.BODIES,
    **records.BODIES,
    **groups.BODIES,
    **configs.BODIES,
}
"""How a sensible request is made, for each API; one that is missing here gets the defaults of its fields."""

_WEIGHTS: Final[Mapping[str, float]] = {
    "Produce": 5,
    "Fetch": 5,
    "ListOffsets": 3,
    "Metadata": 2,
    "OffsetCommit": 3,
    "OffsetFetch": 3,
    "CreateTopics": 1.5,
    "DeleteTopics": 0.7,
    "DescribeConfigs": 2,
    "IncrementalAlterConfigs": 1.5,
    "DescribeGroups": 2,
}
"""How often an API is asked, where that is not once."""

_BLOCKING = ("JoinGroup", "SyncGroup")
_PAIRS: Final = tuple((api, version) for api in APIS for version in range(api.min_version, api.max_version + 1))


def generate(seed: int, number: int, steps: int = STEPS) -> list[Step]:
    """The script of that number under a seed."""
    draw = Draw(f"{seed}/{number}")
    world = World(draw)
    script = [Step("c1", "CreateTopics", 5, topics.create_topics(world, 5))]
    while len(script) < steps:
        script += draw.weighted(_FLOWS)(world)
    return [_tidy(step) for step in script]


def _single(world: World) -> list[Step]:
    draw = world.draw
    api = draw.weighted({api: _WEIGHTS.get(api.name, 1.0) for api in APIS})
    return _request(world, api, draw.number(api.min_version, api.max_version))


def _any_version(world: World) -> list[Step]:
    """Each version of each API as often as any other."""
    return _request(world, *world.draw.pick(_PAIRS))


def _request(world: World, api: Api, version: int) -> list[Step]:
    draw = world.draw
    if api.name == "JoinGroup" and not any(group.members for group in world.groups.values()):
        return groups.newcomer(world)  # in Kafka, what is refused would leave a group behind
    make = BODIES.get(api.name)
    body = make(world, version) if make is not None else {}
    if draw.chance(SPOILED):
        spoil(draw, api.name, version, body)
    if api.name == "Produce" and draw.chance(0.9):
        records.apart(body)
    if api.name in _BLOCKING:
        # Whoever sends it may have to wait, and nobody else shall wait behind it.
        connection = world.label("w")
        return [Step(connection, api.name, version, body, is_started=True), Step(connection, FINISH)]
    if draw.chance(0.01):
        body |= draw.pick([{"_cut": draw.number(1, 8)}, {"_append": draw.data(3)}, {"_client_id": None}])
    return [Step(world.connection(), api.name, version, body)]


def _foreign_frame(world: World) -> list[Step]:
    """A key or a version that nobody serves."""
    draw = world.draw
    api = draw.pick(APIS)
    if draw.chance(0.3):
        return [Step(world.connection(), "ApiVersions", 0, {"_key": draw.pick((4, 5, 7, 58, 999, -1))})]
    version = draw.pick((api.max_version + 1, api.min_version - 1, 99, -1))
    return [Step(world.connection(), api.name, version, {})]


def _session_fetch(world: World) -> list[Step]:
    return [records.session_fetch(world, world.draw.number(7, 18), world.connection())]


def _new_producer(world: World) -> list[Step]:
    return [records.new_producer(world, world.draw.number(0, 5), world.connection())]


def _long_poll(world: World) -> list[Step]:
    """A fetch that waits for what is produced over another connection."""
    draw = world.draw
    if not world.topics:
        return []
    topic = draw.pick(list(world.topics.values()))
    version = draw.number(4, 12)
    wanted = {"partition": 0, "fetch_offset": topic.ends[0], "partition_max_bytes": 1_000_000}
    topic.ends[0] += 2
    body = {"max_wait_ms": 10_000, "min_bytes": 1, "topics": [{"topic": topic.name, "partitions": [wanted]}]}
    data = [{"name": topic.name, "partition_data": [{"index": 0, "records": Call("batch", (2,))}]}]
    return [
        Step("long", "Fetch", version, body, is_started=True),
        Step("c1", "Produce", draw.number(3, 12), {"acks": -1, "timeout_ms": 1000, "topic_data": data}),
        Step("long", FINISH),
    ]


_FLOWS: Final[Mapping[Callable[[World], list[Step]], float]] = {
    _single: 40,
    _any_version: 25,
    _session_fetch: 4,
    _new_producer: 2,
    _long_poll: 1,
    _foreign_frame: 0.7,
    groups.newcomer: 3,
    groups.rebalance: 1,
    groups.leaver: 1,
}


def _tidy(step: Step) -> Step:
    """The same request without fields that have their default anyway."""
    if step.api == FINISH:
        return step
    cls = request_class(step.api)
    kept = {name: value for name, value in step.fields.items() if name.startswith("_")}
    for field in fields_of(cls, step.version):
        if field.name in step.fields and step.fields[field.name] != implicit_default(field):
            kept[field.name] = step.fields[field.name]
    return Step(step.connection, step.api, step.version, kept, step.label, step.is_started)
