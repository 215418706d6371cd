"""Run simulations by hand: one seed, with a trace if need be, or many."""

# ruff: noqa: T201 - a command that prints what it has found
from __future__ import annotations

import argparse
import secrets
import sys
import time
from collections.abc import Sequence

from .world import SimulationFailed, World


def command(seed: int, steps: int, population: int) -> str:
    """The command that runs a simulation once more."""
    return f"python -m tests.simulation --seed {seed} --steps {steps} --population {population}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; exits with 1 at the first seed that fails."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, help="the first seed (default: a random one)")
    parser.add_argument("--seeds", type=int, default=1, help="how many seeds, one after the other (default: 1)")
    parser.add_argument("--steps", type=int, default=20_000, help="before everything calms down (default: 20000)")
    parser.add_argument("--population", type=int, default=150, help="consumers at a time, about (default: 150)")
    parser.add_argument("--verbose", action="store_true", help="print everything that happens")
    options = parser.parse_args(arguments)
    first = secrets.randbelow(2**31) if options.seed is None else options.seed
    for seed in range(first, first + options.seeds):
        started_s = time.perf_counter()
        world = World(seed, population=options.population, show=print if options.verbose else None)
        try:
            world.run(options.steps)
        except SimulationFailed as error:
            print(f"seed {seed}, {error}\n{command(seed, options.steps, options.population)}")
            return 1
        print(
            f"seed {seed}: {world.step_count} steps, {world.member_count} members,"
            f" {time.perf_counter() - started_s:.1f} s, digest {world.digest:08x}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
