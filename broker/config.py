"""The broker's configuration: Kafka's property names, each value parsed and judged before it holds."""

from __future__ import annotations

import builtins
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from .config_table import BROKER_PROPERTIES, Property
from .config_types import SHORT_MAX, ConfigError, ConfigSource, Value, parse

__all__ = ["BROKER_PROPERTIES", "Config", "Property", "StartupError"]

# What one source says: properties by name, as text. Those of the start are one: file, environment, command line.
Layer: TypeAlias = "tuple[ConfigSource, Mapping[str, str]]"


class StartupError(Exception):
    """The broker cannot start; the message is one sentence for its user, who sees it without a traceback."""


class Config:
    """The value of every property of BROKER_PROPERTIES, at the moment.

    A property has its default, unless the start says otherwise (a file, the environment, the command line), unless it
    was set at run time for all brokers, unless it was set for this one (KIP-226). All brokers of a process have their
    own; whoever needs a value asks for it when it is needed, or follows the changes, since `adopt` may change it.
    Names that are not in the table are kept for those who ask for the layers, and mean nothing, as in Kafka.

    The readers are named after the type they return, and assert that the property is of it and has a value; `int`
    serves SHORT, INT and LONG.

    Args:
        settings: properties by name, as text; the others have their defaults.
        for_all, for_this: what was set at run time for all brokers and for this one.
        places: where each of the settings was given, for people, by its name.

    Raises:
        StartupError: a value is bad by itself or beside another.
    """

    __slots__ = ("_given", "_places", "_values", "layers")

    layers: tuple[Layer, ...]
    """What the values come from, the first that has a name holding; the defaults stand in the table."""

    def __init__(
        self,
        settings: Mapping[str, str] | None = None,
        for_all: Mapping[str, str] | None = None,
        for_this: Mapping[str, str] | None = None,
        places: Mapping[str, str] | None = None,
    ) -> None:
        self._given = settings or {}
        self._places = places or {}
        self.layers = (
            (ConfigSource.DYNAMIC_BROKER_CONFIG, for_this or {}),
            (ConfigSource.DYNAMIC_DEFAULT_BROKER_CONFIG, for_all or {}),
            (ConfigSource.STATIC_BROKER_CONFIG, self._given),
        )
        values: dict[str, Value] = {name: row.default for name, row in BROKER_PROPERTIES.items()}
        for _, texts in reversed(self.layers):
            for name, text in texts.items():
                if name in BROKER_PROPERTIES:
                    values[name] = _parse(name, text)
        self._values = values
        self._check_together()
        # Clients that ask for either are told the id, as by Kafka.
        values["broker.id"] = values["node.id"] = self.node_id

    @classmethod
    def load(
        cls,
        files: Sequence[builtins.str] = (),
        environment: Mapping[builtins.str, builtins.str] | None = None,
        settings: Mapping[builtins.str, builtins.str] | None = None,
    ) -> Config:
        """Return the configuration of .properties and .toml files, variables and settings, each laid over those before.

        Args:
            environment: the variables of a process, by name; those that stand for properties hold.
            settings: properties by name.

        Raises:
            StartupError: as the constructor, or a file cannot be read.
        """
        given: dict[builtins.str, builtins.str] = {}
        places: dict[builtins.str, builtins.str] = {}
        for file in files:
            from .config_file import read_config_file

            properties = read_config_file(file)
            # On its own first: what is wrong in the file names the file, even where something else would hide it.
            for name, text in properties.texts.items():
                places[name] = properties.place(name)
                _parse_in(places[name], name, text)
            given |= properties.texts
        if environment is not None:
            from .config_environment import environment_properties, place_of

            for variable, (name, text) in environment_properties(environment).items():
                places[name] = place_of(variable)
                _parse_in(f"The environment variable {variable}", name, text)
                given[name] = text
        for name, text in (settings or {}).items():
            places[name] = "--set"
            if not text.strip():
                _parse_in(places[name], name, text)
            given[name] = text
        return cls(given, places=places)

    def given(self, name: builtins.str) -> builtins.bool:
        """Tell whether the property was set at the start, be it to its default."""
        return name in self._given

    def place(self, name: builtins.str) -> builtins.str:
        """Return where the start has given the property, for people; empty where nothing says."""
        return self._places.get(name, "")

    @property
    def names_not_in_table(self) -> builtins.list[builtins.str]:
        """The names that the start has given and that are not in the table, in their order."""
        return [name for name in self._given if name not in BROKER_PROPERTIES]

    def source(self, name: builtins.str) -> ConfigSource:
        """Return where the value of the property comes from."""
        for source, texts in self.layers:
            if name in texts:
                return source
        return ConfigSource.DEFAULT_CONFIG

    def overridden(
        self, for_all: Mapping[builtins.str, builtins.str], for_this: Mapping[builtins.str, builtins.str]
    ) -> Config:
        """Return what this configuration would be with this set at run time, in place of what was.

        Raises StartupError as the constructor.
        """
        return Config(self._given, for_all, for_this, self._places)

    def adopt(self, other: Config) -> None:
        """Take over all values of another configuration, at once for everybody who reads this one."""
        self._given, self._places = other._given, other._places
        self.layers, self._values = other.layers, other._values

    def value(self, name: builtins.str) -> Value:
        """Return the property's value whatever its type, None if it has none."""
        return self._values[name]

    def int(self, name: builtins.str) -> builtins.int:
        """Return the value of a SHORT, INT or LONG property."""
        value = self._values[name]
        assert isinstance(value, int) and not isinstance(value, bool), name
        return value

    def bool(self, name: builtins.str) -> builtins.bool:
        """Return the value of a BOOLEAN property."""
        value = self._values[name]
        assert isinstance(value, bool), name
        return value

    def str(self, name: builtins.str) -> builtins.str:
        """Return the value of a STRING property."""
        value = self._values[name]
        assert isinstance(value, str), name
        return value

    def optional_str(self, name: builtins.str) -> builtins.str | None:
        """Return the value of a STRING property that may have none."""
        value = self._values[name]
        assert value is None or isinstance(value, str), name
        return value

    def list(self, name: builtins.str) -> builtins.list[builtins.str]:
        """Return the items of a LIST property, none if it has no value."""
        value = self._values[name]
        assert value is None or isinstance(value, tuple), name
        return [*value] if value else []

    @property
    def node_id(self) -> builtins.int:
        """This broker's id: node.id, else broker.id, else 0; both have it as their value."""
        if self.given("broker.id") and not self.given("node.id"):
            return self.int("broker.id")
        return self.int("node.id")

    @property
    def log_dirs(self) -> builtins.list[builtins.str]:
        """The log directories of log.dirs, else of log.dir; none if the data directory shall hold the only one."""
        return self.list("log.dirs") or self.list("log.dir")

    def _check_together(self) -> None:
        """Raise StartupError for values that are bad beside another or where they are used, as KafkaConfig does."""
        from .connection_limits import connection_limits_of  # both import StartupError from here
        from .listeners import advertised_listeners_of, gateway_host_of

        if self.given("broker.id") and self.given("node.id") and self.int("broker.id") != self.int("node.id"):
            raise StartupError("node.id and broker.id must have the same value where both are given.")
        if self.node_id < 0:
            raise StartupError("broker.id must be at least 0.")
        for name in ("ottla.cluster.id", "broker.rack"):
            text = self._values[name]
            if isinstance(text, str) and not (text.isprintable() and len(text.encode()) <= SHORT_MAX):
                raise StartupError(f"{name} must be a line of text of at most {SHORT_MAX} bytes.")
        if self._values["ottla.cluster.id"] == "":
            raise StartupError("ottla.cluster.id must not be empty; leave it out for one at random.")
        if "broker" not in self.list("process.roles"):
            raise StartupError(
                "process.roles asks for a controller alone, which Ottla does not need: start none, or let it be a "
                "broker too."
            )
        for name, low in (("log.roll.ms", 1), ("log.roll.jitter.ms", 0)):
            value = self._values[name]
            if isinstance(value, int) and value < low:
                raise StartupError(f"{name} must be at least {low}.")
        for name in ("log.retention.ms", "log.retention.minutes", "log.retention.hours"):
            if self._values[name] is not None:
                if self._values[name] == 0:
                    raise StartupError(f"{name} must be -1 for ever, or at least 1.")
                break
        if self.int("group.max.session.timeout.ms") < self.int("group.min.session.timeout.ms"):
            raise StartupError("group.max.session.timeout.ms must be at least group.min.session.timeout.ms.")
        if 0 < self.int("queued.max.request.bytes") < self.int("socket.request.max.bytes"):
            raise StartupError("queued.max.request.bytes must be at least socket.request.max.bytes, or 0 for no limit.")
        if 0 <= self.int("connections.max.idle.ms") <= 100:
            raise StartupError("connections.max.idle.ms must be more than 100, or below 0 for ever.")
        connection_limits_of(self)
        advertised_listeners_of(self)
        gateway_host_of(self)


def _parse(name: str, text: str) -> Value:
    row = BROKER_PROPERTIES[name]
    try:
        return parse(name, row.type, row.valid, text)
    except ConfigError as error:
        raise StartupError(f"{str(error).rstrip('.')}.") from error


def _parse_in(place: str, name: str, text: str) -> None:
    """Raise StartupError that says where the bad value of a property in the table stands."""
    if name in BROKER_PROPERTIES:
        try:
            _parse(name, text)
        except StartupError as error:
            if not text.strip():
                # As compose writes `${NAME:-}`; Kafka's own sentences quote the text, and here there is none.
                raise StartupError(
                    f"{place}: the value of {name} is empty; unset it to have the default, or give it a value."
                ) from error
            raise StartupError(f"{place}: {error}") from error
