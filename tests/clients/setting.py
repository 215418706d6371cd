"""What the function of a feature has at hand, and the table in which it enters itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.support.wire import WireClient

from .client_process import ClientError, ClientProcess


@dataclass(frozen=True)
class Setting:
    """What a feature's function has at hand."""

    client: ClientProcess
    spare: ClientProcess
    """Another process of the same client, which may be killed."""
    clients: Mapping[str, ClientProcess]
    address: tuple[str, int]
    wire: WireClient
    make_topic: Callable[..., str]
    topic_name: Callable[[], str]
    compressed: dict[str, str]
    """By codec: the topic to which all clients have produced with it, as far as it was made."""

    @property
    def ask(self) -> Callable[..., Any]:
        """Ask the client for an operation."""
        return self.client.ask

    def refused(self, code: int, operation: str, **arguments: Any) -> None:
        """Ask the client for an operation that must end with Kafka's error of this code."""
        try:
            answer = self.ask(operation, **arguments)
        except ClientError as error:
            assert error.code == code, error
        else:
            raise AssertionError(f"{operation} is not refused, but answered with {answer}")


Check = Callable[[Setting], None]

FEATURES: dict[str, Check] = {}
"""By the name that stands in the table, in its order."""


def feature(name: str) -> Callable[[Check], Check]:
    """Enter a function in the table."""

    def enter(check: Check) -> Check:
        FEATURES[name] = check
        return check

    return enter
