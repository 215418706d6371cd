"""Who is read from in which turn: nobody waits for a crowd, and the crowd does not wait for ever."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from broker.turns import ReadTurns
from tests.support.manual_clock import ManualClock

READ_MS = 1
PER_TURN = 4


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
        self.is_readable = True
        self._name = name
        self._clock = clock
        self._log = log

    def read(self) -> None:
        self._clock.advance(READ_MS)
        self._log.append(self._name)
        self.is_readable = False


class World:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.loop = Loop()
        self.turns = ReadTurns(self.loop, self.clock)  # type: ignore[arg-type]
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
            if client.is_readable:
                self.turns.read(client)
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
