"""How a simulation says that something is wrong."""

from __future__ import annotations


class Violation(AssertionError):
    """An invariant does not hold."""


def require(condition: object, message: str, *details: object) -> None:
    """Raise a Violation unless the condition holds; details are only formatted then."""
    if not condition:
        raise Violation(f"{message}: {', '.join(map(repr, details))}" if details else message)
