"""A request and what belongs to it until it is answered."""

from __future__ import annotations


class Exchange:
    """A request that may still be answered."""

    __slots__ = ("api_key", "client_id", "connection", "correlation_id", "is_shown", "started_ms", "title", "version")

    def __init__(
        self, connection: int, api_key: int, version: int, correlation_id: int, client_id: str | None, started_ms: float
    ) -> None:
        self.connection = connection
        self.api_key = api_key
        self.version = version
        self.correlation_id = correlation_id
        self.client_id = client_id
        self.started_ms = started_ms
        """Monotonic time at which it had come whole."""
        self.is_shown = True
        self.title = ""
        """What a log calls it in its lines, both of which are written from it."""

    def answer_in(self, version: int) -> None:
        """Note that the response has a version, which only with ApiVersions is another than was asked for (KIP-511)."""
        if version != self.version:
            self.version = version
            self.title = ""
