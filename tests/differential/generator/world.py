"""What a script has made so far, as far as can be told without asking: enough to write what makes sense next."""

from __future__ import annotations

import itertools
from collections import defaultdict
from dataclasses import dataclass, field

from ..peers import OFFSETS_PARTITIONS
from ..script import Call, Value
from .draw import Draw

TOPIC_NAMES = ("orders", "payments", "a.b", "events", "audit-log", "Zeta", "n" * 249)
BAD_TOPIC_NAMES = ("", ".", "..", "a b", "umläut", "n" * 250, "a/b", "a_b", "__cluster_metadata")
GROUP_NAMES = ("readers", "writers", "ops")
CONNECTIONS = ("c1", "c2", "c3", "c4")


@dataclass
class Topic:
    """A topic that was made; offsets are what was appended if all went well."""

    name: str
    partitions: int
    ends: dict[int, int] = field(default_factory=lambda: defaultdict(int))


INTERNAL_TOPIC = Topic("__consumer_offsets", OFFSETS_PARTITIONS)


@dataclass
class Member:
    """Somebody who has joined a group, if all went well, and the name of the answer that says so."""

    label: str
    connection: str
    instance_id: str | None


@dataclass
class Group:
    """A group and those who should be in it, its leader first."""

    name: str
    members: list[Member] = field(default_factory=list)


@dataclass
class Producer:
    """The name of the answer that gave a producer its id, and the next sequence of each partition."""

    label: str
    sequences: dict[tuple[str, int], int] = field(default_factory=lambda: defaultdict(int))


@dataclass
class Session:
    """A fetch session: the answer that began it and the next epoch."""

    label: str
    epoch: int = 1


class World:
    """All that there is."""

    def __init__(self, draw: Draw) -> None:
        self.draw = draw
        self.topics: dict[str, Topic] = {}
        self.former_topics: list[str] = []
        self.groups = {name: Group(name) for name in GROUP_NAMES}
        self.producers: list[Producer] = []
        self.sessions: list[Session] = []
        self._labels = itertools.count(1)

    def label(self, kind: str) -> str:
        """A name that no answer has so far."""
        return f"{kind}{next(self._labels)}"

    def connection(self) -> str:
        """Any of them, the first ones more often."""
        return self.draw.pick(CONNECTIONS)

    def topic(self) -> Topic:
        """A topic that there should be, or rarely one that there is not."""
        if self.topics and self.draw.chance(0.93):
            return self.draw.pick(list(self.topics.values()))
        return Topic(self.draw.pick((*self.former_topics, *TOPIC_NAMES[:3], "missing", *BAD_TOPIC_NAMES)), 1)

    def topics_for_request(self, most: int = 2) -> list[Topic]:
        """One or a few; the same one twice only very rarely, which no client does."""
        topics = [self.topic() for _ in range(self.draw.number(1, most))]
        return topics if self.draw.chance(0.02) else list({topic.name: topic for topic in topics}.values())

    def topics_with_internal(self, most: int = 2) -> list[Topic]:
        """The same, with the topic of groups among them now and then.

        What its logs hold is not the same on both sides, since not all that scripts do is taken back.
        """
        return [*self.topics_for_request(most), *([INTERNAL_TOPIC] if self.draw.chance(0.05) else [])]

    def partition(self, topic: Topic) -> int:
        """A partition that the topic should have, or rarely one that it has not."""
        return self.draw.number(0, topic.partitions - 1) if self.draw.chance(0.93) else topic.partitions

    def partitions(self, topic: Topic) -> list[int]:
        """One or a few; the same one twice only very rarely, which no client does."""
        partitions = [self.partition(topic) for _ in range(self.draw.number(1, 2))]
        return partitions if self.draw.chance(0.02) else list(dict.fromkeys(partitions))

    def topic_id(self, topic: Topic) -> Value:
        """Its id, or rarely that of its predecessor."""
        return Call("old_topic_id" if self.draw.chance(0.06) else "topic_id", (topic.name,))

    def offset(self, topic: Topic, partition: int) -> int:
        """An offset near those that there should be."""
        end = topic.ends[partition]
        return self.draw.weighted({0: 4.0, end: 3.0, max(0, end - 1): 2.0, end + 1: 0.7, self.draw.number(0, end): 3.0})

    def group_name(self) -> str:
        """The name of a group, or rarely of one that nobody joins."""
        return self.draw.pick(GROUP_NAMES) if self.draw.chance(0.93) else self.draw.pick(("nobody's", "", "simple"))

    def forget_topic(self, name: str) -> None:
        """It is gone."""
        if self.topics.pop(name, None) is not None and name not in self.former_topics:
            self.former_topics.append(name)
