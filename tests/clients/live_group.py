"""A group whose members are consumers of a client, started and watched by a test."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterable
from typing import Any, NamedTuple, Self

from tests.support.groups_over_the_wire import DescribedGroup, TopicPartition, describe_group
from tests.support.wait import wait_until

from .client_process import ClientError, ClientProcess
from .setting import Setting

_names = itertools.count()


class Seen(NamedTuple):
    """What a member has seen so far."""

    assignment: list[TopicPartition]
    """Now."""
    read: list[dict[str, Any]]
    given: list[list[TopicPartition]]
    """By each rebalance."""
    taken: list[list[TopicPartition]]
    """By each rebalance that took something."""


class LiveMember:
    """One member; it polls in the client's process until it leaves."""

    def __init__(self, process: ClientProcess, **options: Any) -> None:
        self.process = process
        self.name = f"member-{next(_names)}"
        process.ask("start_member", member=self.name, **options)

    def look(self) -> Seen:
        """What it has seen; raises ClientError where it has ended with an error."""
        return _seen(self.process.ask("look_at_member", member=self.name))

    def offsets(self, partition: int) -> list[int]:
        """Those of the records that it has read of a partition, in the order of their arrival."""
        return [record["offset"] for record in self.look().read if record["partition"] == partition]


class LiveGroup:
    """A context manager, at whose end those leave who are still members.

    Args:
        setting: whose client the members are.
        options: of all its members: topics or pattern, assignor, auto_commit.
    """

    def __init__(self, setting: Setting, **options: Any) -> None:
        self.name = f"group-of-{setting.topic_name()}"
        self.members: list[LiveMember] = []
        self._setting = setting
        self._options = options

    def start(self, process: ClientProcess | None = None, **options: Any) -> LiveMember:
        """Start one more member, in the client's first process unless another is named."""
        member = LiveMember(process or self._setting.client, group=self.name, **self._options, **options)
        self.members.append(member)
        return member

    def leave(self, *members: LiveMember) -> list[Seen]:
        """Have members leave, at the same time where they are in one process, and return what they have seen."""
        self.members = [member for member in self.members if member not in members]
        seen = []
        for process in {member.process for member in members}:
            names = [member.name for member in members if member.process is process]
            seen += [_seen(each) for each in process.ask("stop_members", members=names)]
        return seen

    def kill(self, process: ClientProcess) -> None:
        """Kill a process with all members in it."""
        process.close()
        self.members = [member for member in self.members if member.process is not process]

    def await_shared(self, *topics: str, partitions: int) -> DescribedGroup:
        """Wait until the broker says that all members share all partitions, each knowing its own; return its words."""
        everything = sorted((topic, index) for topic in topics for index in range(partitions))

        def shared() -> DescribedGroup | None:
            views = sorted(member.look().assignment for member in self.members)
            described = describe_group(self._setting.wire, self.name)
            assigned = [list(member.assignment) for member in described.members]
            agreed = described.state == "Stable" and assigned == views
            return described if agreed and sorted(itertools.chain(*assigned)) == everything else None

        found = wait_until(shared, f"{len(self.members)} members of {self.name} share the partitions")
        assert found is not None
        return found

    def await_read(self, count: int, members: Iterable[LiveMember] | None = None) -> list[dict[str, Any]]:
        """Wait until so many records have been read by these members, all if none are named, and return them."""
        chosen = self.members if members is None else list(members)

        def enough() -> list[dict[str, Any]]:
            read = [record for member in chosen for record in member.look().read]
            return read if len(read) >= count else []

        return wait_until(enough, f"{count} records are read in {self.name}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        # A member that fails when it leaves must not hide the failure of the test.
        with contextlib.suppress(ClientError, AssertionError) if kind else contextlib.nullcontext():
            self.leave(*self.members)


def _seen(answer: dict[str, Any]) -> Seen:
    return Seen(
        _partitions(answer["assignment"]),
        answer["read"],
        [_partitions(each) for each in answer["given"]],
        [_partitions(each) for each in answer["taken"]],
    )


def _partitions(listed: list[list[Any]]) -> list[TopicPartition]:
    return [(topic, index) for topic, index in listed]
