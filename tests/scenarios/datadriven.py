"""Scenario files: commands with the output that they must have, reviewed as a diff.

A block is some lines of commands, a line of four dashes, and the output, which ends at an empty line:

    join a
    advance 170ms
    ----
    a <- JoinGroup: generation 1 ...

Lines that begin with # are for the reader. `python -m tests.scenarios.rewrite` writes what the commands put out now.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

SEPARATOR = "----"


class Block(NamedTuple):
    """Commands and, once they have been run, their output."""

    preamble: list[str]
    """Comments and empty lines before the commands."""
    commands: list[str]
    output: list[str]


def parse(text: str) -> tuple[list[Block], list[str]]:
    """The blocks of a file and the lines that follow the last one."""
    blocks = []
    preamble: list[str] = []
    commands: list[str] = []
    lines = iter(text.splitlines())
    for line in lines:
        if line == SEPARATOR:
            assert commands, "output without commands"
            output = []
            for output_line in lines:
                if not output_line:
                    break
                output.append(output_line)
            blocks.append(Block(preamble, commands, output))
            preamble, commands = [], []
        elif commands:
            assert line and not line.startswith("#"), f"no {SEPARATOR} after {commands[-1]!r}"
            commands.append(line)
        elif line and not line.startswith("#"):
            commands.append(line)
        else:
            preamble.append(line)
    assert not commands, f"no {SEPARATOR} after {commands[-1]!r}"
    return blocks, preamble


def run(text: str, execute: Callable[[list[str]], list[str]]) -> str:
    """The file as it is with the output that `execute` makes of each block's commands."""
    blocks, rest = parse(text)
    lines = []
    for block in blocks:
        output = execute(block.commands)
        assert all(output), "an empty line would end the output"
        lines += [*block.preamble, *block.commands, SEPARATOR, *output, ""]
    return "\n".join([*lines, *rest]).rstrip("\n") + "\n"
