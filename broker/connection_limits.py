"""How many connections there may be: in all, on each listener, and from each address.

With max.connections reached nobody else is accepted until one closes: whoever comes waits in the system's queue, and
is served as if nothing had been. That holds for a listener's own limit, listener.name.NAME.max.connections, too. Beyond
max.connections.per.ip a connection is closed at once. A lower max.connections, set at run time, closes those that have
been idle longest; lower limits of other kinds hold for whoever comes later.

As Kafka 4.3, but for this: no listener is exempt from max.connections, since brokers connect to none here; 0 is
refused, as nobody could ever connect; an override names a host, and a host that name servers do not know keeps no
broker from starting.
"""

from __future__ import annotations

import re
import socket
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from .config import StartupError
from .config_types import ConfigError, ConfigType, Valid, at_least, parse
from .listening_sockets import addresses_of

if TYPE_CHECKING:
    from .config import Config

_MAX_CONNECTIONS = "max.connections"
_OVERRIDES = "max.connections.per.ip.overrides"
_LISTENER_LIMIT = re.compile(r"listener\.name\.(?P<listener>[^.]+)\.max\.connections")
# What Kafka takes for an address or a name; the last colon of an override is the one before its number.
_OVERRIDE = re.compile(r"\s*(?P<host>[0-9A-Za-z\-%._:]+?)\s*:(?P<number>[^:]*)")


class ConnectionLimits(NamedTuple):
    """What the configuration says: `listeners` by their names in lower case, `overrides` by host as it was written."""

    total: int
    listeners: Mapping[str, int]
    per_ip: int
    overrides: Mapping[str, int]


def is_listener_limit(name: str) -> bool:
    """Tell whether a property is the limit of a single listener, which no table has."""
    return _LISTENER_LIMIT.fullmatch(name) is not None


def connection_limits_of(config: Config) -> ConnectionLimits:
    """Return the limits that the configuration asks for; raises StartupError for some that make no sense."""
    listeners: dict[str, int] = {}
    for _, texts in reversed(config.layers):
        for name, text in texts.items():
            if match := _LISTENER_LIMIT.fullmatch(name):
                listeners[match["listener"]] = _at_least_one(name, _parse(name, at_least(0), text))
    limits = ConnectionLimits(
        total=_at_least_one(_MAX_CONNECTIONS, config.int(_MAX_CONNECTIONS)),
        listeners=listeners,
        per_ip=config.int("max.connections.per.ip"),
        overrides=_overrides_of(config.str(_OVERRIDES)),
    )
    if limits.per_ip == 0 and not limits.overrides:
        raise StartupError(
            f"max.connections.per.ip can be 0 only if {_OVERRIDES} names an address that may connect all the same."
        )
    return limits


class OpenConnections:
    """Counts the connections of a server and says who else may come.

    `limits` may be replaced at any time; the limits of addresses are those that `follow` was told last.
    """

    def __init__(self, limits: ConnectionLimits) -> None:
        self.limits = limits
        self._overrides: dict[str, int] = {}
        self._count = 0
        self._by_listener: Counter[str] = Counter()
        self._by_host: Counter[str] = Counter()

    @property
    def excess(self) -> int:
        """How many there are beyond max.connections."""
        return self._count - self.limits.total

    def has_room(self, listener_name: str) -> bool:
        """Tell whether one more may be accepted on the listener."""
        limits = self.limits
        limit = limits.listeners.get(listener_name.lower(), limits.total) if limits.listeners else limits.total
        return self._count < limits.total and self._by_listener[listener_name] < limit

    def limit_reached(self, host: str) -> int | None:
        """Return the limit of an address which already has so many connections, None if it may have another one."""
        limit = self._overrides.get(host.partition("%")[0], self.limits.per_ip)
        return limit if self._by_host[host] >= limit else None

    def add(self, listener_name: str, host: str) -> None:
        """Count one that was accepted."""
        self._count += 1
        self._by_listener[listener_name] += 1
        self._by_host[host] += 1

    def discard(self, listener_name: str, host: str) -> None:
        """Count one no more that has closed."""
        self._count -= 1
        self._by_listener[listener_name] -= 1
        self._by_host[host] -= 1
        if not self._by_host[host]:
            del self._by_host[host]

    def follow(self, overrides: Mapping[str, int]) -> None:
        """Have these limits of addresses hold from now on."""
        self._overrides = dict(overrides)


def override_addresses(overrides: Mapping[str, int]) -> tuple[dict[str, int], list[str]]:
    """Return the limits by address, and the hosts that are unknown; may take as long as name servers do."""
    by_address: dict[str, int] = {}
    unknown: list[str] = []
    for host, limit in overrides.items():
        try:
            addresses: Iterable[str] = [str(address[0]) for _, address in addresses_of(host)]
        except (socket.gaierror, UnicodeError):
            unknown.append(host)
        else:
            by_address.update((address.partition("%")[0], limit) for address in addresses)
    return by_address, unknown


def _overrides_of(text: str) -> dict[str, int]:
    """Parse `HOST:NUMBER, ...`; raises StartupError."""
    overrides: dict[str, int] = {}
    for item in text.split(",") if text.strip() else ():
        match = _OVERRIDE.fullmatch(item)
        if match is None:
            raise StartupError(f"{_OVERRIDES} has {item.strip()!r}, which is not HOST:NUMBER.")
        overrides[match["host"]] = _parse(_OVERRIDES, None, match["number"])
    return overrides


def _parse(name: str, valid: Valid | None, text: str) -> int:
    try:
        value = parse(name, ConfigType.INT, valid, text)
    except ConfigError as error:
        raise StartupError(f"{error}.") from error
    assert isinstance(value, int)
    return value


def _at_least_one(name: str, limit: int) -> int:
    if limit < 1:
        raise StartupError(f"{name} must be at least 1, or nobody could connect.")
    return limit
