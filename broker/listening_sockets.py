"""Sockets that listen on one port of every address that a host has."""

from __future__ import annotations

import errno
import socket
from collections.abc import Sequence
from typing import Any, TypeAlias

# The family of an address and what sockets of it bind to.
Address: TypeAlias = "tuple[int, tuple[Any, ...]]"

_FREE_PORT_ATTEMPTS = 10


def open_listening(host: str, port: int, backlog: int) -> list[socket.socket]:
    """Return one non-blocking socket for each address of the host, on all of them where the host is empty.

    Port 0 is a free one, the same on all. The list is empty for a host that has no address on this machine.

    Raises:
        socket.gaierror: the host is not known.
        UnicodeError: it is no domain name.
        OSError: an address cannot be bound.
    """
    return open_on(addresses_of(host), port, backlog)


def addresses_of(host: str) -> list[Address]:
    """Return the addresses that a host has, which may take as long as name servers do; errors as `open_listening`."""
    found = socket.getaddrinfo(host or None, 0, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return [(family, address) for family, _, _, _, address in found]


def open_on(addresses: Sequence[Address], port: int, backlog: int) -> list[socket.socket]:
    """Return sockets as `open_listening`, for addresses that are known, so that nothing is waited for."""
    for attempts_left in reversed(range(_FREE_PORT_ATTEMPTS)):
        try:
            return _open_all(addresses, port, backlog)
        except OSError as error:
            # A port that was free on the host's first address may be taken on its second: look for another one.
            if error.errno != errno.EADDRINUSE or port != 0 or not attempts_left:
                raise
    return []


def _open_all(addresses: Sequence[Address], port: int, backlog: int) -> list[socket.socket]:
    """Return sockets that listen on one port of all the addresses that there are; raises OSError."""
    sockets: list[socket.socket] = []
    for family, address in addresses:
        try:
            # A host with two addresses, as localhost is, has one port all the same.
            sockets.append(_open(family, (address[0], port, *address[2:]), backlog))
        except OSError as error:
            if error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT) and len(addresses) > 1:
                continue  # localhost is ::1 by name on machines and in containers that have no IPv6
            for sock in sockets:
                sock.close()
            raise
        port = sockets[-1].getsockname()[1]
    return sockets


def _open(family: int, address: tuple[Any, ...], backlog: int) -> socket.socket:
    """Return a socket that listens on the address; raises OSError."""
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(address)
        sock.listen(backlog)
    except OSError:
        sock.close()
        raise
    return sock
