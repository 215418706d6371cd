"""What topics there must be after a crash, and the comparison of that with the broker and with its directories."""

from __future__ import annotations

import base64
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

from tests.support.broker_process import BrokerProcess
from tests.support.record_batches import decode_batches
from tests.support.records_over_the_wire import fetch, list_offset, produce, read_all, values_of
from tests.support.wire import WireClient

TIMEOUT_MS = 60_000
SETTING = "retention.ms"
DEFAULT_SETTING = "604800000"
_TOPIC = 2  # the resource type of configs
_SET = 0  # the operation on a config
_TOPIC_ID = re.compile(r"topic_id: (\S{22})")
_PARTITION_DIRECTORY = re.compile(r"(.+)-(\d+)")


class State(NamedTuple):
    """What a client chose of a topic: the number of its partitions, and the value of SETTING."""

    partitions: int
    setting: str = DEFAULT_SETTING


class Step(NamedTuple):
    """One request, and what becomes of each of its topics, None being that it is gone."""

    api: str
    version: int
    fields: Mapping[str, Any]
    outcome: Mapping[str, State | None]

    def send(self, wire: WireClient) -> int:
        """Send the request and return its correlation id."""
        return wire.send(self.api, self.version, **self.fields)

    def receive(self, wire: WireClient, correlation_id: int) -> None:
        """Receive the answer, which must be without an error for every topic."""
        answer = wire.receive(self.api, self.version, correlation_id)
        results = next(
            getattr(answer, name) for name in ("topics", "results", "responses") if getattr(answer, name, None)
        )
        assert [result.error_code for result in results] == [0] * len(self.outcome), answer


def creation(**partitions: int) -> Step:
    """Make topics of so many partitions each."""
    topics = [{"name": name, "num_partitions": count, "replication_factor": 1} for name, count in partitions.items()]
    fields = {"timeout_ms": TIMEOUT_MS, "topics": topics}
    return Step("CreateTopics", 7, fields, {name: State(count) for name, count in partitions.items()})


def growth(topics: Mapping[str, State], **partitions: int) -> Step:
    """Give some of the topics so many partitions each."""
    wanted = [{"name": name, "count": count, "assignments": None} for name, count in partitions.items()]
    fields = {"topics": wanted, "timeout_ms": TIMEOUT_MS, "validate_only": False}
    outcome = {name: topics[name]._replace(partitions=count) for name, count in partitions.items()}
    return Step("CreatePartitions", 3, fields, outcome)


def configuration(topics: Mapping[str, State], **settings: str) -> Step:
    """Set SETTING of some of the topics."""
    resources = [
        {
            "resource_type": _TOPIC,
            "resource_name": name,
            "configs": [{"name": SETTING, "config_operation": _SET, "value": value}],
        }
        for name, value in settings.items()
    ]
    outcome = {name: topics[name]._replace(setting=value) for name, value in settings.items()}
    return Step("IncrementalAlterConfigs", 1, {"resources": resources, "validate_only": False}, outcome)


def deletion(*names: str) -> Step:
    """Delete topics."""
    topics = [{"name": name, "topic_id": None} for name in names]
    return Step("DeleteTopics", 6, {"timeout_ms": TIMEOUT_MS, "topics": topics}, dict.fromkeys(names))


@dataclass
class Ledger:
    """What was acknowledged of topics and their records."""

    topics: dict[str, State] = field(default_factory=dict)
    ids: dict[str, UUID] = field(default_factory=dict)
    deleted_ids: set[UUID] = field(default_factory=set)
    values: dict[tuple[UUID, int], list[bytes]] = field(default_factory=dict)
    """By topic id and partition: the records that were acknowledged, in order."""

    def settle(self, broker: BrokerProcess, step: Step, *, acknowledged: bool) -> None:
        """Learn what became of a step's topics: all of it where it was acknowledged, else all or nothing of each."""
        with broker.connect() as wire:
            there_are = observed(wire)
        for name, after in step.outcome.items():
            allowed = [after] if acknowledged else [after, self.topics.get(name)]
            state, topic_id = there_are.get(name, (None, None))
            assert state in allowed, f"{step.api}: {name} is {state}, which is none of {allowed}"
            if name in self.ids and topic_id is not None:
                assert topic_id == self.ids[name], f"{name} has another id"
            elif name in self.ids:
                del self.topics[name]
                self.deleted_ids.add(self.ids.pop(name))
            if state is not None and topic_id is not None:
                assert topic_id not in self.deleted_ids, f"{name} has the id of a topic that is gone"
                self.topics[name], self.ids[name] = state, topic_id

    def check(self, broker: BrokerProcess) -> None:
        """Compare metadata, directories, and whether each partition still has its records and takes more."""
        with broker.connect() as wire:
            assert observed(wire) == {name: (self.topics[name], self.ids[name]) for name in self.topics}
            self.check_directories(broker.ready.directory / "broker-0")
            for name, state in self.topics.items():
                for index in range(state.partitions):
                    self._use(wire, name, index)

    def _use(self, wire: WireClient, name: str, index: int) -> None:
        """Read the last record of a partition, and append one to it."""
        values = self.values.setdefault((self.ids[name], index), [])
        assert list_offset(wire, name, -2, partition=index).offset == 0
        assert list_offset(wire, name, -1, partition=index).offset == len(values)
        if values:
            answer = fetch(wire, name, len(values) - 1, partition=index)
            assert (answer.error_code, values_of(decode_batches(answer.records))) == (0, values[-1:])
        value = f"{self.ids[name]}/{index}/{len(values)}".encode()
        assert produce(wire, name, value, partition=index) == len(values)
        values.append(value)

    def check_records(self, broker: BrokerProcess) -> None:
        """Read everything that was acknowledged of the topics there are."""
        with broker.connect() as wire:
            for name, state in self.topics.items():
                for index in range(state.partitions):
                    assert values_of(read_all(wire, name, partition=index)) == self.values[self.ids[name], index]

    def check_directories(self, directory: Path) -> None:
        """Each partition has a directory with its topic's id, and there is no other but what is on its way out."""
        expected = {
            f"{name}-{index}": self.ids[name]
            for name, state in self.topics.items()
            for index in range(state.partitions)
        }
        found = {}
        for path in directory.iterdir():
            if not path.is_dir():
                continue
            if path.name.endswith(("-delete", "-stray")):
                assert topic_id_in(path) in self.deleted_ids, f"{path.name} is no log of a deleted topic"
            else:
                assert _PARTITION_DIRECTORY.fullmatch(path.name), f"what is {path.name}?"
                found[path.name] = topic_id_in(path)
        assert found == expected


def observed(wire: WireClient) -> dict[str, tuple[State, UUID]]:
    """State and id of all topics, as clients are told."""
    topics = wire.ask("Metadata", 12, topics=None).topics
    for topic in topics:
        assert topic.error_code == 0
        assert all(partition.error_code == 0 for partition in topic.partitions), topic
        assert [partition.partition_index for partition in topic.partitions] == list(range(len(topic.partitions)))
    keys = [SETTING]
    resources = [{"resource_type": _TOPIC, "resource_name": topic.name, "configuration_keys": keys} for topic in topics]
    answers = wire.ask("DescribeConfigs", 4, resources=resources).results
    settings = {answer.resource_name: answer.configs[0].value for answer in answers}
    return {topic.name: (State(len(topic.partitions), settings[topic.name]), topic.topic_id) for topic in topics}


def topic_id_in(directory: Path) -> UUID | None:
    """The topic id in a log's directory; None where there is none."""
    try:
        found = _TOPIC_ID.search((directory / "partition.metadata").read_text())
    except FileNotFoundError:
        return None
    return None if found is None else UUID(bytes=base64.urlsafe_b64decode(found[1] + "=="))


def random_step(numbers: random.Random, topics: Mapping[str, State], names: list[str], partitions_max: int) -> Step:
    """Any step that is possible with these topics, the names being all that there may be."""
    missing = [name for name in names if name not in topics]
    small = [name for name, state in topics.items() if state.partitions < partitions_max]
    steps = ["create"] * bool(missing) + ["grow"] * bool(small) + ["configure", "delete"] * bool(topics)
    match numbers.choice(steps):
        case "create":
            chosen = numbers.sample(missing, numbers.randint(1, len(missing)))
            return creation(**{name: numbers.randint(1, partitions_max) for name in chosen})
        case "grow":
            chosen = numbers.sample(small, numbers.randint(1, len(small)))
            counts = {name: numbers.randint(topics[name].partitions + 1, partitions_max) for name in chosen}
            return growth(topics, **counts)
        case "configure":
            chosen = numbers.sample(list(topics), numbers.randint(1, len(topics)))
            return configuration(topics, **{name: str(numbers.randint(1, 10**9) * 1000) for name in chosen})
        case _:
            return deletion(*numbers.sample(list(topics), numbers.randint(1, len(topics))))
