"""Who sends a request."""

from __future__ import annotations

from typing import NamedTuple

from ..result import Ticket


class Caller(NamedTuple):
    """What a request that may wait brings along besides its body."""

    ticket: Ticket
    client_id: str
    """Empty if the client gave none."""
    client_host: str
    """As Kafka shows it: `/127.0.0.1`."""
    api_version: int
