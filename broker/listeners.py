"""Listeners: where a broker accepts connections, and what it tells clients to connect to.

Written in properties as `NAME://HOST:PORT`; listener.security.protocol.map gives each name its security protocol. The
rules are Kafka's, tried on 4.3, but for two: a port outside 0-65535 is refused at once, and a listener on every
address needs no advertised one, since each client is told the address that it reached.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from .config import StartupError

if TYPE_CHECKING:
    from .config import Config

SECURITY_PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
SERVED_PROTOCOLS = ("PLAINTEXT",)
PORT_MAX = 65535

# Kafka takes an IPv6 address without its brackets too; the last colon is the one before the port.
_ENDPOINT = re.compile(r"(?P<name>[^:/]+)://\[?(?P<host>[0-9A-Za-z\-%._:]*)\]?:(?P<port>-?[0-9]{1,9})")


class Listener(NamedTuple):
    """A listener or an advertised endpoint; `host` is empty where none was given, `port` 0 is a free one."""

    name: str
    protocol: str
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.name}://{host}:{self.port}"


def listeners_of(config: Config) -> list[Listener]:
    """Return the listeners that the configuration asks for, in its order.

    Raises:
        StartupError: one cannot be parsed, has no known security protocol or one that is not served, or two clash.
    """
    protocols = _protocol_map(config.str("listener.security.protocol.map"))
    listeners = [_parse("listeners", text, protocols) for text in config.list("listeners")]
    _check_names("listeners", listeners)
    _check_ports(listeners)
    for listener in listeners:
        if listener.protocol not in SERVED_PROTOCOLS:
            raise StartupError(
                f"The listener {listener} uses {listener.protocol}, which is not served yet; "
                f"use {' or '.join(SERVED_PROTOCOLS)}."
            )
    return listeners


def advertised_listeners_of(config: Config) -> dict[str, Listener]:
    """Return what clients are told to connect to, by listener name.

    A host that is empty stands for the address at which the client's connection arrived. Without
    advertised.listeners the listeners themselves are returned so, each with an empty host and port 0, the port of
    arrival. A listener that is missing here is not advertised, and clients of it are told of no broker.

    Raises:
        StartupError: one cannot be parsed, names no listener, or is an address that nobody can connect to.
    """
    listeners = listeners_of(config)
    if config.value("advertised.listeners") is None:
        return {listener.name: listener._replace(host="", port=0) for listener in listeners}
    protocols = _protocol_map(config.str("listener.security.protocol.map"))
    advertised = [_parse("advertised.listeners", text, protocols) for text in config.list("advertised.listeners")]
    _check_names("advertised.listeners", advertised)
    names = [listener.name for listener in listeners]
    for endpoint in advertised:
        if endpoint.name not in names:
            raise StartupError(
                f"advertised.listeners has {endpoint.name}, which is none of the listeners: {', '.join(names)}."
            )
        if endpoint.host in ("0.0.0.0", "::"):
            raise StartupError(
                f"advertised.listeners cannot use {endpoint.host}, to which no client can connect; "
                "give an address or a name of this machine."
            )
    return {endpoint.name: endpoint for endpoint in advertised}


def _protocol_map(text: str) -> dict[str, str]:
    """Return the security protocol of each listener name, both in capitals as Kafka keeps them."""
    protocols: dict[str, str] = {}
    for item in filter(None, (part.strip() for part in text.split(","))):
        name, colon, protocol = (part.strip().upper() for part in item.rpartition(":"))
        if not colon or not name:
            raise StartupError(f"listener.security.protocol.map has {item!r}, which is not NAME:PROTOCOL.")
        if protocol not in SECURITY_PROTOCOLS:
            raise StartupError(
                f"listener.security.protocol.map gives {name} the protocol {protocol}, "
                f"which is none of {', '.join(SECURITY_PROTOCOLS)}."
            )
        if name in protocols:
            raise StartupError(f"listener.security.protocol.map names the listener {name} twice.")
        protocols[name] = protocol
    return protocols


def _parse(property_name: str, text: str, protocols: Mapping[str, str]) -> Listener:
    match = _ENDPOINT.fullmatch(text)
    if match is None:
        raise StartupError(
            f"{property_name} has {text!r}, which is not NAME://HOST:PORT (an IPv6 address stands in brackets)."
        )
    name = match["name"].strip().upper()
    if name not in protocols:
        raise StartupError(f"The listener {name} has no security protocol in listener.security.protocol.map.")
    port = int(match["port"])
    if not 0 <= port <= PORT_MAX:
        raise StartupError(f"{property_name} has the port {port}, which is not between 0 and {PORT_MAX}.")
    host = match["host"]
    if ":" in host and _ip_version(host) != 6:
        raise StartupError(f"{property_name} has {text!r}, whose host {host} is no IPv6 address.")
    return Listener(name, protocols[name], host, port)


def _check_names(property_name: str, listeners: Iterable[Listener]) -> None:
    seen: set[str] = set()
    for listener in listeners:
        if listener.name in seen:
            raise StartupError(
                f"{property_name} has two listeners named {listener.name}; "
                "give one another name, and a security protocol in listener.security.protocol.map."
            )
        seen.add(listener.name)


def _check_ports(listeners: Iterable[Listener]) -> None:
    """Raise StartupError for two listeners on one port, unless one has an IPv4 and the other an IPv6 address."""
    by_port: dict[int, list[Listener]] = {}
    for listener in listeners:
        if listener.port:
            by_port.setdefault(listener.port, []).append(listener)
    for port, sharers in by_port.items():
        if len(sharers) > 1 and sorted(_ip_version(listener.host) for listener in sharers) != [4, 6]:
            raise StartupError(
                f"The listeners {' and '.join(map(str, sharers))} have the same port {port}; only one IPv4 and one "
                "IPv6 address can share it."
            )


def _ip_version(host: str) -> int:
    """Return 4 or 6 for an IP address, 0 for anything else."""
    address = host.partition("%")[0]  # a link-local address may name its interface behind it
    for family, version in ((socket.AF_INET, 4), (socket.AF_INET6, 6)):
        try:
            socket.inet_pton(family, address)
        except OSError:
            continue
        return version
    return 0
