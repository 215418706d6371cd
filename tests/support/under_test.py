"""Which broker the black-box tests run against: Ottla from this checkout, or a foreign one named in the environment."""

from __future__ import annotations

import os
from collections.abc import Callable

from .wait import wait_until

BOOTSTRAP_VARIABLE = "OTTLA_TEST_BOOTSTRAP"
"""host:port of a broker that is not Ottla, such as a real Kafka, against which the tests themselves are proven."""


def foreign_address() -> tuple[str, int] | None:
    """Host and port of the foreign broker; None where Ottla is tested."""
    host, _, port = os.environ.get(BOOTSTRAP_VARIABLE, "").rpartition(":")
    return (host, int(port)) if port else None


def settled(condition: Callable[[], object], what: str) -> bool:
    """Whether what was just asked for is in force: on Ottla at once; Kafka's brokers learn it from their controller."""
    if foreign_address() is None:
        return bool(condition())
    return bool(wait_until(condition, what))
