"""A few simulations with seeds that stay, and one that nobody has run before."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from .__main__ import command
from .world import SimulationFailed, World

STEPS = 15_000
POPULATION = 100
CHECKOUT = Path(__file__).resolve().parents[2]


def simulate(seed: int) -> World:
    """Run one; a failure says how to run it again."""
    world = World(seed, population=POPULATION)
    try:
        world.run(STEPS)
    except SimulationFailed as failure:
        pytest.fail(f"{failure}\n{command(seed, STEPS, POPULATION)}", pytrace=False)
    return world


@pytest.mark.parametrize("seed", [1, 2, 3, 5, 8, 13, 21, 34])
def test_a_seed_that_stays(seed: int) -> None:
    world = simulate(seed)
    assert world.step_count > STEPS
    assert world.member_count > POPULATION // 4


def test_a_seed_that_nobody_has_run_before() -> None:
    simulate(secrets.randbelow(2**31))


@pytest.mark.parametrize(
    ("broken", "replacement", "violation"),
    [
        ("offset_commit._admit", lambda *_: None, "an old generation is accepted|a commit from outside"),
        ("rebalance.is_expired", lambda *_: False, "a member without a session"),
        ("sync_group._note_sync", lambda *_: None, "a timer removes a member"),
        ("classic_group.ClassicGroup.elect_joined_leader", lambda _: True, "a leader that does not know of it"),
        ("offset_expiry._is_expired", lambda *_: True, "an offset expires too early"),
    ],
)
def test_a_broken_state_machine_is_found_out(
    monkeypatch: pytest.MonkeyPatch, broken: str, replacement: Callable[..., object], violation: str
) -> None:
    monkeypatch.setattr(f"broker.core.groups.{broken}", replacement)
    with pytest.raises(SimulationFailed, match=violation):
        for seed in range(10):
            World(seed, population=POPULATION).run(STEPS)


def test_a_seed_is_all_that_a_simulation_depends_on() -> None:
    """Not on the order of sets of strings, which is another in each process."""
    digests = set()
    for hash_seed in ("1", "2"):
        finished = subprocess.run(
            [sys.executable, "-m", "tests.simulation", "--seed", "34", "--steps", "1000", "--population", "20"],
            cwd=CHECKOUT,
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        )
        digests.add(finished.stdout.rpartition("digest ")[2])
    assert len(digests) == 1
