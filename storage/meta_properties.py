"""`meta.properties`: which cluster and node a log directory belongs to (KIP-631), and its own id (KIP-858).

A Java properties file with the keys version, cluster.id, node.id and directory.id, as Kafka's KRaft brokers write it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from protocol.uuid import uuid_to_text

from .filesystem import Filesystem
from .log_directory_error import LogDirectoryError

FILE_NAME = "meta.properties"
_VERSION = "1"
_ENTRY = re.compile(r"\s*((?:[^\\=:\s]|\\.)+)\s*[=:\s]\s*(.*)")
_ESCAPE = re.compile(r"\\(.)")


@dataclass(frozen=True, slots=True)
class MetaProperties:
    """The owner of a log directory; `directory_id` is a 22-character Kafka uuid."""

    cluster_id: str
    node_id: int
    directory_id: str


def encode(properties: MetaProperties) -> bytes:
    """Content of a `meta.properties` file."""
    lines = (
        f"cluster.id={_escape(properties.cluster_id)}",
        f"directory.id={_escape(properties.directory_id)}",
        f"node.id={properties.node_id}",
        f"version={_VERSION}",
    )
    return "\n".join((*lines, "")).encode()


def decode(data: bytes, path: str) -> MetaProperties:
    """Reads a `meta.properties` file; `directory_id` is empty where Kafka before 3.7 wrote none.

    Raises LogDirectoryError where it is not one of version 1 with a cluster and a node.
    """
    values: dict[str, str] = {}
    for line in data.decode(errors="replace").splitlines():
        if not line.lstrip().startswith(("#", "!")) and (match := _ENTRY.fullmatch(line)):
            values[_ESCAPE.sub(r"\1", match[1])] = _ESCAPE.sub(r"\1", match[2])
    if (version := values.get("version")) != _VERSION:
        raise LogDirectoryError(f"{path} has version {version}, only {_VERSION} can be used")
    try:
        return MetaProperties(values["cluster.id"], int(values["node.id"]), values.get("directory.id", ""))
    except (KeyError, ValueError) as error:
        raise LogDirectoryError(f"{path} has no usable cluster.id and node.id") from error


def claim(directory: str, cluster_id: str, node_id: int, filesystem: Filesystem) -> str:
    """Makes sure that a log directory belongs to this cluster and node, and returns its directory id.

    A directory without the file, or without a directory id in it, is given one. Raises LogDirectoryError where it
    belongs to another cluster or node.
    """
    path = f"{directory}/{FILE_NAME}"
    try:
        found = decode(filesystem.read_file(path), path)
    except FileNotFoundError:
        found = MetaProperties(cluster_id, node_id, "")
    if found.cluster_id != cluster_id:
        raise LogDirectoryError(
            f"log directory {directory} belongs to cluster {found.cluster_id}, this is cluster {cluster_id}"
        )
    if found.node_id != node_id:
        raise LogDirectoryError(f"log directory {directory} belongs to node {found.node_id}, this is node {node_id}")
    if found.directory_id:
        return found.directory_id
    claimed = MetaProperties(cluster_id, node_id, _new_directory_id())
    filesystem.write_atomically(path, encode(claimed))
    return claimed.directory_id


def _new_directory_id() -> str:
    import uuid  # Slow to import, and needed by a directory's first start alone.

    # As Kafka: none that begins with a dash, which command lines take for an option.
    while (directory_id := uuid_to_text(uuid.uuid4().bytes)).startswith("-"):
        pass
    return directory_id


def _escape(value: str) -> str:
    return re.sub(r"([\\=:#!])", r"\\\1", value)
