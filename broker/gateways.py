"""The default gateways of this machine: in a container's own network that is where connections of its host come from.

Linux tells its routes in /proc; elsewhere there are no gateways to be found, and nobody comes from one.
"""

from __future__ import annotations

import contextlib
import socket
import sys
from collections.abc import Iterator

from .clock import Clock

_ROUTES = "/proc/net/route"
_ROUTES_6 = "/proc/net/ipv6_route"
_IS_UP_THROUGH_GATEWAY = 0x3  # RTF_UP and RTF_GATEWAY
_MAPPED_PREFIX = "::ffff:"
_KEPT_MS = 1000.0  # networks come and go while a container runs


class Gateways:
    """The default gateways, looked up when they are asked for."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._found: frozenset[str] = frozenset()
        self._found_at_ms: float | None = None

    def __contains__(self, host: str) -> bool:
        """Whether an IP address, as a socket has it, is that of a default gateway."""
        now_ms = self._clock.monotonic_ms()
        if self._found_at_ms is None or now_ms - self._found_at_ms > _KEPT_MS:
            self._found = frozenset((*gateways_in(_read(_ROUTES)), *gateways_in_6(_read(_ROUTES_6))))
            self._found_at_ms = now_ms
        return host.removeprefix(_MAPPED_PREFIX).partition("%")[0] in self._found


def gateways_in(routes: str) -> Iterator[str]:
    """Yield the default gateways of an IPv4 route table in the form of /proc/net/route."""
    for line in routes.splitlines()[1:]:
        _, destination, gateway, flags, _, _, _, mask, *_ = line.split()
        if destination == mask == "00000000" and int(flags, 16) & _IS_UP_THROUGH_GATEWAY == _IS_UP_THROUGH_GATEWAY:
            # The kernel writes the four bytes, which are in the network's order, as one number of this machine.
            yield socket.inet_ntop(socket.AF_INET, int(gateway, 16).to_bytes(4, sys.byteorder))


def gateways_in_6(routes: str) -> Iterator[str]:
    """Yield the default gateways of an IPv6 route table in the form of /proc/net/ipv6_route, which has no heading."""
    for line in routes.splitlines():
        destination, prefix_length, _, _, gateway, _, _, _, flags, *_ = line.split()
        is_default = not int(destination, 16) and not int(prefix_length, 16)
        if is_default and int(flags, 16) & _IS_UP_THROUGH_GATEWAY == _IS_UP_THROUGH_GATEWAY:
            yield socket.inet_ntop(socket.AF_INET6, bytes.fromhex(gateway))


def _read(path: str) -> str:
    with contextlib.suppress(OSError), open(path, encoding="ascii") as file:
        return file.read()
    return ""
