"""Listeners: where a broker accepts connections, and what it tells clients to connect to.

Written in properties as `NAME://HOST:PORT`; listener.security.protocol.map gives each name its security protocol. The
rules are Kafka's, tried on 4.3, but for three: a port outside 0-65535 is refused at once, a listener on every address
needs no advertised one, since each client is told the address that it reached, and listeners of controllers
(controller.listener.names) are left out, since no client connects to them.
"""

from __future__ import annotations

import logging
import re
import socket
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from .config import StartupError

if TYPE_CHECKING:
    from .config import Config

logger = logging.getLogger(__name__)

SECURITY_PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
SERVED_PROTOCOLS = ("PLAINTEXT",)
PORT_MAX = 65535
EVERY_ADDRESS = ("", "0.0.0.0", "::")

_HOST = r"[0-9A-Za-z\-%._:]*"
# Kafka takes an IPv6 address without its brackets too; the last colon is the one before the port.
_ENDPOINT = re.compile(rf"(?P<name>[^:/]+)://\[?(?P<host>{_HOST})\]?:(?P<port>-?[0-9]{{1,9}})")


class Listener(NamedTuple):
    """A listener or an advertised endpoint; `host` is empty where none was given, `port` 0 is a free one."""

    name: str
    protocol: str
    host: str
    port: int

    @property
    def is_on_every_address(self) -> bool:
        """Whether it accepts connections on all addresses of the machine."""
        return self.host in EVERY_ADDRESS

    @property
    def is_for_this_machine(self) -> bool:
        """Whether nobody connects to it from another machine."""
        return self.host in ("localhost", "::1") or self.host.startswith("127.")

    def __str__(self) -> str:
        return f"{self.name}://{_address(self.host, self.port)}"


def listeners_of(config: Config) -> list[Listener]:
    """Return the listeners that the configuration asks for, in its order.

    Raises:
        StartupError: one cannot be parsed, has no known security protocol or one that is not served, or two clash.
    """
    listeners = _parse_all("listeners", config)
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
    advertised = _parse_all("advertised.listeners", config)
    names = [listener.name for listener in listeners]
    for endpoint in advertised:
        if endpoint.name not in names:
            raise StartupError(
                f"advertised.listeners has {endpoint.name}, which is none of the listeners: {', '.join(names)}; "
                f"set {_listeners_for(advertised, config)} to have one for each."
            )
        if endpoint.host in ("0.0.0.0", "::"):
            raise StartupError(
                f"advertised.listeners cannot use {endpoint.host}, to which no client can connect; "
                "give an address or a name of this machine, or none, as in PLAINTEXT://:9092, for the one that each "
                "client has reached."
            )
    return {endpoint.name: endpoint for endpoint in advertised}


def _listeners_for(advertised: Iterable[Listener], config: Config) -> str:
    """Return the setting that has a listener for each advertised one, named as the advertised ones were given."""
    from .config_environment import place_of, variable_of  # needed only where something is wrong

    taken: set[int] = set()
    texts: list[str] = []
    for name, _, _, port in advertised:
        while port in taken:
            port += 1
        if port:
            taken.add(port)
        texts.append(f"{name}://:{port}")
    variable = variable_of("advertised.listeners")
    from_environment = config.place("advertised.listeners") == place_of(variable)
    return f"{variable_of('listeners') if from_environment else 'listeners'}={','.join(texts)}"


def gateway_host_of(config: Config) -> str | None:
    """Return the host that clients are told which come from the default gateway, None if they are told as all others.

    Raises StartupError for what is no host to which a client can connect.
    """
    host = config.optional_str("ottla.gateway.advertised.host")
    if not host:
        return None
    if not re.fullmatch(_HOST, host) or host.count(":") == 1 or host in EVERY_ADDRESS:
        raise StartupError(
            f"ottla.gateway.advertised.host is {host!r}, to which no client can connect; give a name or an address, "
            "without a port and without brackets."
        )
    return host


def describe_advertised(listener: Listener, endpoint: Listener | None, gateway_host: str | None) -> str:
    """Return what clients are told to connect to that have reached a listener, whose port is the bound one."""
    if endpoint is None:
        return f"Clients of {listener} are told of no broker, as advertised.listeners lacks it."
    port = endpoint.port or listener.port
    if endpoint.host:
        return f"Clients of {listener} are told to connect to {_address(endpoint.host, port)}."
    told = f"Clients of {listener} are told to connect to the address that they have reached, port {port}"
    if gateway_host is None:
        return f"{told}."
    address = _address(gateway_host, port)
    return f"{told}; those that come from the default gateway, as of a container's host, to {address}."


def describe_access(listeners: Iterable[Listener]) -> list[str]:
    """Return what there is to say about who may use those listeners that can be reached from other machines."""
    exposed = [str(listener) for listener in listeners if not listener.is_for_this_machine]
    if not exposed:
        return []
    return [
        f"Anybody who can reach {' or '.join(exposed)} may read, write and delete everything, as there is no "
        "authentication yet; a listener on 127.0.0.1 is for this machine alone."
    ]


def warn_of_unknown_hosts(hosts: Iterable[str]) -> None:
    """Log which advertised hosts do not resolve; to look them up may take long."""
    for host in hosts:
        try:
            socket.getaddrinfo(host, None)
        except (OSError, UnicodeError) as error:
            logger.warning(
                "[listeners] The advertised host %s does not resolve on this machine (%s): clients that cannot resolve "
                "it either will not connect; correct advertised.listeners, or make the name known to them.",
                host,
                error.strerror if isinstance(error, OSError) else error,
            )


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _parse_all(property_name: str, config: Config) -> list[Listener]:
    """Return the endpoints of a property but for those of controllers; raises StartupError."""
    protocols = _protocol_map(config.str("listener.security.protocol.map"))
    of_controllers = {name.upper() for name in config.list("controller.listener.names")}
    listeners = [
        _parse(property_name, text, protocols)
        for text in config.list(property_name)
        if text.partition("://")[0].strip().upper() not in of_controllers
    ]
    if not listeners:
        raise StartupError(f"{property_name} has none but those of controller.listener.names; add one for clients.")
    _check_names(property_name, listeners)
    return listeners


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
            f"{property_name} has {text!r}, which is not NAME://HOST:PORT, as PLAINTEXT://localhost:9092 is (an IPv6 "
            "address stands in brackets)."
        )
    name = match["name"].strip().upper()
    if name not in protocols:
        raise StartupError(
            f"The listener {name} has no security protocol in listener.security.protocol.map; "
            f"add {name}:PLAINTEXT to it."
        )
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
