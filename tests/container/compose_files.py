"""Compose files and service definitions of CI systems, read far enough to do by the engine's API what they say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def environment_of(service: Mapping[str, Any]) -> dict[str, str]:
    """The variables of a service, which may stand in a mapping or in a list of NAME=VALUE."""
    given = service.get("environment") or service.get("env") or {}
    if isinstance(given, Mapping):
        return {name: str(value) for name, value in given.items()}
    return dict(assignment.split("=", 1) for assignment in given)


def published_ports(ports: Sequence[str]) -> dict[int, int]:
    """The port of the host by that of the container, of `HOST:CONTAINER`."""
    pairs = [tuple(map(int, mapping.split(":"))) for mapping in ports]
    return {container: host for host, container in pairs}
