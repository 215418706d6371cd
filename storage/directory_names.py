"""Names of directories that hold a log: those in use, copies that will take their place, and what is none any more."""

from __future__ import annotations

import re
from typing import NamedTuple

from .checkpoints import TopicPartition

FUTURE_SUFFIX = "-future"
DELETE_SUFFIX = "-delete"
STRAY_SUFFIX = "-stray"
_NAME_BYTES_MAX = 255
_PARTITION_DIRECTORY = re.compile(r"(.+)-(0|[1-9][0-9]*)")
_FUTURE_DIRECTORY = re.compile(r"(.+)-(0|[1-9][0-9]*)\.([0-9a-f]{32})-future")
_DELETED_DIRECTORY = re.compile(r".+\.([0-9a-f]{32})-delete")


class FutureName(NamedTuple):
    """The name of the directory in which a log's copy grows that will take its place."""

    key: TopicPartition
    unique_id: str
    """32 hexadecimal digits, which the log's directory will have in its name when it has been replaced."""

    def __str__(self) -> str:
        topic, partition = self.key
        return f"{topic}-{partition}.{self.unique_id}{FUTURE_SUFFIX}"

    @property
    def is_too_long(self) -> bool:
        """Whether there can be no such directory."""
        return len(str(self)) > _NAME_BYTES_MAX


def directory_name(topic: str, partition: int) -> str:
    """Name of the directory of a partition's log."""
    return f"{topic}-{partition}"


def parse_directory_name(name: str) -> TopicPartition | None:
    """The partition that a directory is named after; None where it is no log's, or one deleted or set aside."""
    match = _PARTITION_DIRECTORY.fullmatch(name)
    return (match[1], int(match[2])) if match else None


def parse_future_name(name: str) -> FutureName | None:
    """What the name of a copy's directory says; None for any other name."""
    match = _FUTURE_DIRECTORY.fullmatch(name)
    return FutureName((match[1], int(match[2])), match[3]) if match else None


def deleted_id(name: str) -> str | None:
    """The unique id in the name of a deleted or replaced log's directory; None for any other name."""
    match = _DELETED_DIRECTORY.fullmatch(name)
    return match[1] if match else None


def renamed(topic: str, partition: int, unique_id: str, suffix: str) -> str:
    """Name of a directory that is no log's any more: `<topic>-<partition>.<unique id>-delete` or `-stray`.

    A topic's name is cut where the whole would be longer than a file name may be, as Kafka does.
    """
    tail = f"-{partition}.{unique_id}{suffix}"
    return f"{topic[: _NAME_BYTES_MAX - len(tail)]}{tail}"
