"""Names of the directories that hold one log each, and what they are renamed to when it is deleted or not ours."""

from __future__ import annotations

import re

from .checkpoints import TopicPartition

DELETE_SUFFIX = "-delete"
STRAY_SUFFIX = "-stray"
_NAME_BYTES_MAX = 255
_PARTITION_DIRECTORY = re.compile(r"(.+)-(0|[1-9][0-9]*)")


def directory_name(topic: str, partition: int) -> str:
    """Name of the directory of a partition's log."""
    return f"{topic}-{partition}"


def parse_directory_name(name: str) -> TopicPartition | None:
    """The partition that a directory is named after; None where it is no log's, or one deleted or set aside."""
    match = _PARTITION_DIRECTORY.fullmatch(name)
    return (match[1], int(match[2])) if match else None


def renamed(topic: str, partition: int, unique_id: str, suffix: str) -> str:
    """Name of a directory that is no log's any more: `<topic>-<partition>.<unique id>-delete` or `-stray`.

    A topic's name is cut where the whole would be longer than a file name may be, as Kafka does.
    """
    tail = f"-{partition}.{unique_id}{suffix}"
    return f"{topic[: _NAME_BYTES_MAX - len(tail)]}{tail}"
