"""Kafka's text checkpoint files: a version, a count, then one line per entry.

Shared by the leader epochs of a log and the offset checkpoints of a log directory.
"""

from __future__ import annotations

from collections.abc import Sequence


class CorruptCheckpoint(Exception):
    """A checkpoint file that cannot be read; the text names the file and what is wrong with it."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path} is corrupt: {reason}")
        self.path = path


def encode_lines(version: int, lines: Sequence[str]) -> bytes:
    """Content of a checkpoint file."""
    return "\n".join((str(version), str(len(lines)), *lines, "")).encode()


def decode_lines(data: bytes, version: int, path: str) -> list[str]:
    """The entry lines of a checkpoint file; raises CorruptCheckpoint on another version, count or encoding."""
    try:
        lines = data.decode().splitlines()
    except UnicodeDecodeError as error:
        raise CorruptCheckpoint(path, "not text") from error
    if len(lines) < 2:
        raise CorruptCheckpoint(path, "no version and count")
    (found,) = integers(lines[0], 1, path)
    if found != version:
        raise CorruptCheckpoint(path, f"version {found}, expected {version}")
    (count,) = integers(lines[1], 1, path)
    if count != len(lines) - 2:
        raise CorruptCheckpoint(path, f"{len(lines) - 2} entries, expected {count}")
    return lines[2:]


def integers(line: str, count: int, path: str) -> list[int]:
    """The `count` whole numbers of a line; raises CorruptCheckpoint."""
    words = line.split()
    if len(words) == count:
        try:
            return [int(word) for word in words]
        except ValueError:
            pass
    raise CorruptCheckpoint(path, f"bad line {line[:80]!r}")
