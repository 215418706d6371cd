"""Who is read from in which turn: nobody waits for a crowd, and the crowd does not wait for ever."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from broker.turns import BUDGET_MS, SLICE_MS, Turns
from tests.support.manual_clock import ManualClock

READ_MS = 1
PER_TURN = int(BUDGET_MS / READ_MS)


class Loop:
    """Runs callbacks when told to, as a loop does at the beginning of each turn."""

    def __init__(self) -> None:
        self._soon: list[Callable[[], Any]] = []

    def call_soon(self, callback: Callable[[], Any]) -> None:
        self._soon.append(callback)

    def begin_turn(self) -> None:
        due, self._soon = self._soon, []
        for callback in due:
            callback()

    @property
    def is_idle(self) -> bool:
        return not self._soon


class Client:
    """A connection that takes a millisecond to read from."""

    def __init__(self, name: str, clock: ManualClock, log: list[str]) -> None:
        self.deferred = False
        self.spent_ms = 0.0
        self.patient = False
        self.is_readable = True
        self._name = name
        self._clock = clock
        self._log = log

    def take_turn(self) -> None:
        self._clock.advance(READ_MS)
        self._log.append(self._name)
        self.is_readable = False

    def let_go(self) -> None:
        self._log.append(f"{self._name} is answered")


class World:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.loop = Loop()
        self.turns = Turns(self.loop, self.clock)  # type: ignore[arg-type]
        self.log: list[str] = []

    def client(self, name: str) -> Client:
        return Client(name, self.clock, self.log)

    def crowd(self, size: int) -> list[Client]:
        return [self.client(f"crowd-{index}") for index in range(size)]

    def poll(self, *clients: Client) -> list[str]:
        """One turn of the loop: what was put off comes first, then what the system tells; who was read from."""
        self.log.clear()
        self.loop.begin_turn()
        for client in clients:
            if client.is_readable and self.turns.admits(client):
                client.take_turn()
        return list(self.log)


def test_each_is_read_from_at_once_while_there_is_time() -> None:
    world = World()
    crowd = world.crowd(PER_TURN)
    for _ in range(3):
        assert world.poll(*crowd) == [f"crowd-{index}" for index in range(PER_TURN)]
        for client in crowd:
            client.is_readable = True
    assert world.poll() == []
    assert world.loop.is_idle


def test_a_turn_ends_and_the_others_have_the_next_ones_in_their_order() -> None:
    world = World()
    crowd = world.crowd(3 * PER_TURN)
    order = []
    assert len(world.poll(*crowd)) == PER_TURN
    order += world.log
    while not world.loop.is_idle:
        order += world.poll(*crowd)
    assert order == [f"crowd-{index}" for index in range(3 * PER_TURN)]
    assert not any(client.deferred for client in crowd)


def test_one_that_comes_later_does_not_wait_for_the_crowd() -> None:
    world = World()
    crowd = world.crowd(10 * PER_TURN)
    world.poll(*crowd)
    newcomer = world.client("newcomer")
    read = world.poll(*crowd, newcomer)
    assert read == [*(f"crowd-{index}" for index in range(PER_TURN, 2 * PER_TURN)), "newcomer"]


def test_newcomers_do_not_starve_the_crowd() -> None:
    world = World()
    crowd = world.crowd(2 * PER_TURN)
    world.poll(*crowd)
    read = world.poll(*(world.client("newcomer") for _ in range(3 * PER_TURN)))
    assert read == [*(f"crowd-{index}" for index in range(PER_TURN, 2 * PER_TURN)), *["newcomer"] * PER_TURN]


class Greedy(Client):
    """A connection with more requests than there is time for."""

    def __init__(self, name: str, world: World) -> None:
        super().__init__(name, world.clock, world.log)
        self._world = world

    def take_turn(self) -> None:
        super().take_turn()
        self.is_readable = True
        self._world.turns.defer(self, READ_MS)


def test_the_greedy_wait_for_those_who_are_late() -> None:
    world = World()
    greedy = [Greedy(f"greedy-{index}", world) for index in range(PER_TURN)]
    crowd = world.crowd(1)
    assert world.poll(*greedy, *crowd) == [each._name for each in greedy]
    assert world.poll(*greedy, *crowd) == ["crowd-0", *(each._name for each in greedy[: PER_TURN - 1])]


def test_the_greedy_have_a_share_in_every_turn() -> None:
    world = World()
    greedy = [Greedy(f"greedy-{index}", world) for index in range(2)]
    world.poll(*greedy)
    crowd = world.crowd(10 * PER_TURN)
    served = [name for _ in range(5) for name in world.poll(*crowd, *greedy)]
    assert [name for name in served if name.startswith("greedy")] == ["greedy-0", "greedy-1"] * 3
    assert len([name for name in served if name.startswith("crowd")]) == 5 * PER_TURN


def test_who_had_a_greedy_turn_has_one_more_before_it_is_as_good_as_others() -> None:
    world = World()
    client = world.client("client")
    assert world.poll(client) == ["client"]
    client.spent_ms = READ_MS
    client.is_readable = True
    assert world.poll(client) == []
    assert world.poll() == ["client"]
    client.is_readable = True
    assert world.poll(client) == ["client"]


def test_slices_are_the_shorter_the_more_share_a_turn() -> None:
    world = World()
    seen: list[float] = []

    class Watching(Client):
        def take_turn(self) -> None:
            seen.append(world.turns.slice_ms)

    for count in (1, 2, 100):
        for _ in range(count):
            world.turns.defer(Watching("greedy", world.clock, world.log), SLICE_MS)
        for _ in range(count):
            world.turns.defer(Watching("late", world.clock, world.log), 0.0)
        world.poll()
    assert sorted(set(seen)) == [BUDGET_MS / 100, 0.5, BUDGET_MS / 2, BUDGET_MS]
    assert world.turns.slice_ms == SLICE_MS


def test_the_patient_wait_for_others_who_are_late() -> None:
    world = World()
    members = world.crowd(10 * PER_TURN)
    for member in members:
        member.patient = True
    newcomer = world.client("newcomer")
    assert "newcomer" not in world.poll(*members, newcomer)
    assert world.poll()[0] == "newcomer"
    assert len(world.log) == PER_TURN


def test_who_is_deferred_twice_has_one_turn() -> None:
    world = World()
    client = world.client("client")
    world.turns.defer(client, 0.0)
    world.turns.defer(client, READ_MS)
    assert world.poll() == ["client"]
    assert world.poll() == []
    assert world.loop.is_idle


def test_one_that_fails_does_not_keep_the_others_from_their_turns() -> None:
    world = World()

    class Failing(Client):
        def take_turn(self) -> None:
            raise MemoryError

    world.turns.defer(Failing("failing", world.clock, world.log), 0.0)
    world.turns.defer(world.client("other"), 0.0)
    with pytest.raises(MemoryError):
        world.poll()
    assert world.poll() == ["other"]
    assert world.poll() == []
    assert world.loop.is_idle


def test_replies_that_are_held_go_when_the_turn_ends() -> None:
    world = World()
    first, second = world.client("first"), world.client("second")
    assert world.poll(first) == ["first"]
    assert world.turns.hold(first)
    assert world.turns.hold(second)
    assert world.poll() == ["first is answered", "second is answered"]
    assert world.poll() == []
    assert world.loop.is_idle


def test_no_reply_is_held_while_some_are_deferred() -> None:
    world = World()
    world.poll(*world.crowd(PER_TURN + 1))
    first = world.client("first")
    assert not world.turns.hold(first)
    assert world.poll() == [f"crowd-{PER_TURN}"]
    assert world.turns.hold(first)


def test_a_reply_that_fails_to_go_keeps_no_other() -> None:
    world = World()
    bad, good, late = world.client("bad"), world.client("good"), world.client("late")

    def fail() -> None:
        raise RuntimeError

    bad.let_go = fail  # type: ignore[method-assign]
    world.turns.hold(bad)
    world.turns.hold(good)
    world.turns.defer(late, 0.0)
    with pytest.raises(RuntimeError):
        world.poll()
    assert world.poll() == ["good is answered", "late"]
    world.poll()
    assert world.loop.is_idle
