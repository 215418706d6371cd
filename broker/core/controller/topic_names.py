"""What a topic may be called."""

from __future__ import annotations

import re
from collections.abc import Iterable

from protocol.errors import ErrorCode, KafkaError

NAME_LENGTH_MAX = 249  # a directory `<name>-<partition>.<32 digits>-delete` must fit into 255 bytes
_LEGAL = re.compile(r"[a-zA-Z0-9._-]+")


def validate_topic_name(name: str) -> None:
    """Raise KafkaError(INVALID_TOPIC_EXCEPTION) for a name that no topic can have."""
    if not name:
        reason = "the empty string is not allowed"
    elif name in (".", ".."):
        reason = f"'{name}' is not allowed"
    elif len(name) > NAME_LENGTH_MAX:
        reason = f"the length of '{name}' is longer than the max allowed length {NAME_LENGTH_MAX}"
    elif _LEGAL.fullmatch(name) is None:
        reason = f"'{name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'"
    else:
        return
    raise KafkaError(ErrorCode.INVALID_TOPIC_EXCEPTION, f"Topic name is invalid: {reason}")


def absence(name: str) -> ErrorCode:
    """Return why no topic has this name: none can have it, or it is only not there."""
    try:
        validate_topic_name(name)
    except KafkaError as error:
        return error.code
    return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION


class NameCollisions:
    """Finds names that differ only in `.` against `_`, which names of metrics cannot tell apart."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = names
        self._taken: dict[str, str] | None = None  # by folded name; made when the first name asks for it

    def check(self, name: str) -> None:
        """Raise KafkaError(INVALID_TOPIC_EXCEPTION) if a name collides with one that is taken."""
        if not _may_collide(name):
            return
        taken = self._names_taken().get(_folded(name), name)
        if taken != name:
            message = f"Topic '{name}' collides with existing topic: {taken}"
            raise KafkaError(ErrorCode.INVALID_TOPIC_EXCEPTION, message)

    def take(self, name: str) -> None:
        """Have a name that was checked collide with others from now on."""
        if _may_collide(name):
            self._names_taken()[_folded(name)] = name

    def _names_taken(self) -> dict[str, str]:
        if self._taken is None:
            self._taken = {_folded(other): other for other in self._names if _may_collide(other)}
        return self._taken


def _may_collide(name: str) -> bool:
    return "." in name or "_" in name


def _folded(name: str) -> str:
    return name.replace(".", "_")
