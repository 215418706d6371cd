"""Members of groups, each a consumer that polls on a thread of its own until it is told to leave.

What they do is the client's affair (`run`); the rest is the same for all clients.
"""

from __future__ import annotations

import importlib
import threading

MEMBERS = {}
"""By the names that the tests give them."""

_ASSIGNORS = {
    "range": ("range", "RangePartitionAssignor"),
    "roundrobin": ("roundrobin", "RoundRobinPartitionAssignor"),
    "sticky": ("sticky.sticky_assignor", "StickyPartitionAssignor"),
    "cooperative-sticky": ("cooperative_sticky", "CooperativeStickyAssignor"),
}
"""Module and class in kafka-python, and in aiokafka, which began as its copy."""


class Member:
    """One member: what it sees is noted here by its thread, and read by the one that answers the tests.

    Args:
        run: called with the member; consumes until `member.leaving` is set.
    """

    def __init__(self, run):
        self.leaving = threading.Event()
        self.assignment = []
        self.read = []
        self.given = []
        self.taken = []
        self.error = None
        self._run = run
        self._thread = threading.Thread(target=self._run_and_remember, daemon=True)
        self._thread.start()

    def on_assigned(self, partitions):
        """Note what a rebalance gave."""
        self.given.append(in_order(partitions))

    def on_revoked(self, partitions):
        """Note what a rebalance took; nothing is no news."""
        if partitions:
            self.taken.append(in_order(partitions))

    def look(self):
        """What it has seen so far; raises the error that has ended it."""
        if self.error is not None:
            raise self.error
        return {
            "assignment": self.assignment,
            "read": list(self.read),
            "given": list(self.given),
            "taken": list(self.taken),
        }

    def join_thread(self):
        """Wait until it has left."""
        self._thread.join()

    def _run_and_remember(self):
        try:
            self._run(self)
        except Exception as error:
            self.error = error


def in_order(partitions):
    """[topic, index] of each."""
    return sorted([each.topic, each.partition] for each in partitions)


def assignor_of(package, name):
    """The class of an assignor, for one member alone: kafka-python 2 and aiokafka keep its state in the class."""
    module, class_name = _ASSIGNORS[name]
    found = getattr(importlib.import_module(f"{package}.coordinator.assignors.{module}"), class_name)
    return type(class_name, (found,), {})


def look_at_member(bootstrap, member):
    """What a member has seen so far; raises the error that has ended it."""
    return MEMBERS[member].look()


def stop_members(bootstrap, members):
    """Have members leave, all at the same time, forget them, and tell what each has seen."""
    stopping = [MEMBERS.pop(name) for name in members]
    for member in stopping:
        member.leaving.set()
    for member in stopping:
        member.join_thread()
    return [member.look() for member in stopping]
