"""Topics made, grown, configured and deleted while the broker is stopped or killed: metadata and directories agree."""

from __future__ import annotations

import os
import random
import select
from pathlib import Path

import pytest

from tests.support.broker_process import BrokerProcess
from tests.support.wait import wait_until
from tests.support.wire import ConnectionClosed, WireClient

from .test_restart import Restart, both_ways
from .topic_ledger import Ledger, Step, configuration, creation, deletion, growth, random_step

KILLS = int(os.environ.get("OTTLA_TEST_KILLS", "10"))
"""In the middle of a step; the environment asks for more."""
SEED = int(os.environ.get("OTTLA_TEST_SEED", "0")) or random.randrange(1, 2**31)
"""Of the steps and the moments of the kills; a failure names it."""

NAMES = [f"topic-{number}" for number in range(4)]
PARTITIONS_MAX = 12


@both_ways
def test_between_every_two_steps(broker: BrokerProcess, restart: Restart) -> None:
    ledger = Ledger()

    def take(step: Step) -> None:
        with broker.connect() as wire:
            step.receive(wire, step.send(wire))
        ledger.settle(broker, step, acknowledged=True)
        restart(broker)
        ledger.check(broker)

    take(creation(a=3, b=1))
    take(growth(ledger.topics, a=5))
    take(configuration(ledger.topics, a="86400000"))
    take(growth(ledger.topics, a=8, b=2))
    take(deletion("a"))
    take(creation(a=2))
    take(configuration(ledger.topics, a="1000000000", b="2000000000"))
    take(growth(ledger.topics, a=4))
    take(deletion("a", "b"))
    take(creation(b=1))
    ledger.check_records(broker)
    assert "Traceback" not in broker.log


@pytest.mark.timeout(120 + 10 * KILLS)
def test_in_the_middle_of_a_step(broker: BrokerProcess) -> None:
    numbers = random.Random(SEED)
    ledger = Ledger()
    try:
        for _ in range(KILLS):
            step = random_step(numbers, ledger.topics, NAMES, PARTITIONS_MAX)
            acknowledged = kill_amid(broker, step, directory_changes(ledger, step), numbers)
            while numbers.random() < 0.3:
                kill_while_starting(broker, numbers)
            broker.start()
            ledger.settle(broker, step, acknowledged=acknowledged)
            ledger.check(broker)
            if numbers.random() < 0.2:
                broker.restart()
                ledger.check(broker)
        ledger.check_records(broker)
    except Exception as error:
        error.add_note(f"Found with OTTLA_TEST_SEED={SEED} OTTLA_TEST_KILLS={KILLS}.")
        raise
    assert "Traceback" not in broker.log


def directory_changes(ledger: Ledger, step: Step) -> int:
    """How many logs a step makes or removes."""
    changes = 0
    for name, after in step.outcome.items():
        before = ledger.topics.get(name)
        changes += abs((after.partitions if after else 0) - (before.partitions if before else 0))
    return changes


def kill_amid(broker: BrokerProcess, step: Step, changes: int, numbers: random.Random) -> bool:
    """Kill the broker once some of the step's changes are to be seen; tell whether it has acknowledged it before."""
    directory = broker.ready.directory / "broker-0"
    awaited = numbers.randint(0, changes + 1)
    with broker.connect() as wire:
        before = listing(directory)
        correlation_id = step.send(wire)
        wait_until(
            lambda: len(listing(directory) ^ before) >= awaited or is_answered(wire),
            f"{awaited} changes of {step.api} or its answer",
            pause_s=0,
        )
        broker.kill()
        try:
            step.receive(wire, correlation_id)
        except ConnectionClosed:
            return False
        return True


def kill_while_starting(broker: BrokerProcess, numbers: random.Random) -> None:
    """Kill the broker once its start has made or set aside some logs, or at its end where there are not so many."""
    directory = broker.ready.directory / "broker-0"
    before = listing(directory)
    awaited = numbers.randint(1, PARTITIONS_MAX)
    broker.start_and_kill(lambda: len(listing(directory) ^ before) >= awaited)


def listing(directory: Path) -> frozenset[str]:
    """The logs there are."""
    return frozenset(name for name in os.listdir(directory) if not name.endswith(("-delete", "-stray")))


def is_answered(wire: WireClient) -> bool:
    """Whether there is something to receive."""
    return bool(select.select([wire.socket], [], [], 0)[0])
