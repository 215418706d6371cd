"""Which requests a wire log shows: those of some APIs, clients or topics."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from protocol.codec import decoder
from protocol.schema import ZERO_UUID, Field, Struct, Versioned

_TOPIC_RESOURCE = 2
"""What a topic is among the resources of configs and of ACLs alike."""

_NAME_FIELDS = frozenset({"topic", "topic_name"})
_NAME_LISTS = frozenset({"topics", "topic_names"})


class Filters(NamedTuple):
    """All that are given must fit; one that is empty fits everything."""

    api_keys: frozenset[int] = frozenset()
    clients: tuple[str, ...] = ()
    """Patterns of client ids, as a shell has them."""
    topics: frozenset[str] = frozenset()

    def fit(self, api_key: int, client_id: str | None) -> bool:
        """Tell whether API and client are wanted."""
        if self.api_keys and api_key not in self.api_keys:
            return False
        return not self.clients or any(fnmatchcase(client_id or "", pattern) for pattern in self.clients)


class TopicFinder:
    """Finds the topics that messages are about, by name or by an id that an earlier message has given a name."""

    def __init__(self) -> None:
        self._names: dict[bytes, str] = {}

    def topics_of(self, message: Versioned, version: int) -> set[str]:
        """Return the names of all topics in the message, and learn the ids of those that have both."""
        return set(self._find(message, version))

    def _find(self, struct: Struct, version: int) -> Iterator[str]:
        name: str | None = None
        topic_id = ZERO_UUID
        for field in struct.__fields__:
            value = getattr(struct, field.name)
            if _is_name(type(struct), field):
                name = value or name
            elif field.name == "topic_id":
                topic_id = value
            elif field.name == "resource_name" and getattr(struct, "resource_type", None) == _TOPIC_RESOURCE:
                name = value
            elif field.name in _NAME_LISTS and field.struct is None:
                yield from value or ()
            elif field.struct is not None and value is not None:
                for item in value if field.kind == "array" else (value,):
                    yield from self._find(_decoded(field.struct, item, version), version)
        if topic_id != ZERO_UUID:
            if name:
                self._names[topic_id] = name
            name = self._names.get(topic_id)
        if name:
            yield name


def _is_name(cls: type[Struct], field: Field) -> bool:
    """A structure of a topic calls it `name`, other structures call theirs so, too."""
    if field.name in _NAME_FIELDS:
        return True
    return field.name == "name" and "Topic" in cls.__name__ and "Config" not in cls.__name__


def _decoded(cls: type[Struct], item: Any, version: int) -> Struct:
    """What an array holds of a structure that may have been encoded before."""
    if isinstance(item, bytes) and issubclass(cls, Versioned):
        return decoder(cls, version)(memoryview(item), 0)[0]
    struct: Struct = item
    return struct
