"""`partition.metadata`: the id of the topic that a log directory's `<topic>-<partition>` was made for (KIP-516).

A topic deleted and made again under the same name has another id, so its predecessor's files are told apart.
"""

from __future__ import annotations

import contextlib

from protocol.uuid import uuid_from_text, uuid_to_text

from .filesystem import Filesystem
from .text_checkpoint import CorruptCheckpoint

FILE_NAME = "partition.metadata"
_PREFIX = "version: 0\ntopic_id: "


def encode(topic_id: bytes) -> bytes:
    """Content of a `partition.metadata` file for a topic id of 16 bytes."""
    return f"{_PREFIX}{uuid_to_text(topic_id)}".encode()


def decode(data: bytes, path: str) -> bytes:
    """The topic id, 16 bytes; raises CorruptCheckpoint."""
    text = data.decode(errors="replace").strip()
    if text.startswith(_PREFIX):
        try:
            return uuid_from_text(text[len(_PREFIX) :])
        except ValueError:
            pass
    raise CorruptCheckpoint(path, "no version 0 and topic id")


def sync(directory: str, filesystem: Filesystem) -> None:
    """Makes the file of a log's directory durable, without which the log is set aside; no effect where there is none.

    Raises OSError.
    """
    with contextlib.suppress(FileNotFoundError):
        filesystem.fsync_file(f"{directory}/{FILE_NAME}")
