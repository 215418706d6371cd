"""One member of a classic group."""

from __future__ import annotations

from collections.abc import Container
from typing import Final

from ..result import Ticket

NEVER_MS: Final = 0x7FFFFFFFFFFFFFFF


class ClassicMember:
    """What a member said of itself when it joined, its assignment, and what it waits for."""

    __slots__ = (
        "assignment",
        "awaiting_join",
        "awaiting_sync",
        "client_host",
        "client_id",
        "instance_id",
        "is_new",
        "member_id",
        "protocols",
        "rebalance_timeout_ms",
        "session_deadline_ms",
        "session_timeout_ms",
        "session_timer_due_ms",
    )

    def __init__(
        self,
        member_id: str,
        instance_id: str | None,
        client_id: str,
        client_host: str,
        session_timeout_ms: int,
        rebalance_timeout_ms: int,
        protocols: dict[str, bytes],
        assignment: bytes = b"",
    ) -> None:
        self.member_id = member_id
        self.instance_id = instance_id
        """Of a static member (KIP-345)."""
        self.client_id = client_id
        self.client_host = client_host
        self.session_timeout_ms = session_timeout_ms
        self.rebalance_timeout_ms = rebalance_timeout_ms
        self.protocols = protocols
        """Metadata by protocol, the one it likes best first; of consumers their subscription. Opaque."""
        self.assignment = assignment
        """What the leader gave it; opaque."""
        self.awaiting_join: Ticket | None = None
        """Its JoinGroup that waits; to be changed by the group, which counts them."""
        self.awaiting_sync: Ticket | None = None
        """Its SyncGroup that waits."""
        self.is_new = False
        """Whether its first JoinGroup still waits, so that it cannot send heartbeats yet."""
        self.session_deadline_ms = NEVER_MS
        """Monotonic: without a sign of life until then it is removed."""
        self.session_timer_due_ms = NEVER_MS
        """Monotonic: when its session timer fires, which then looks at the deadline; `NEVER_MS` if it has none."""

    @property
    def is_static(self) -> bool:
        """Whether it keeps its place when it comes back under its instance id."""
        return self.instance_id is not None

    @property
    def is_waiting(self) -> bool:
        """Whether it is known to be alive because a request of it waits for us."""
        return self.awaiting_join is not None or self.awaiting_sync is not None

    def matches(self, protocols: dict[str, bytes]) -> bool:
        """Whether these are its protocols, in this order."""
        return self.protocols == protocols and list(self.protocols) == list(protocols)

    def vote(self, candidates: Container[str]) -> str:
        """The protocol among `candidates` that it likes best."""
        return next(protocol for protocol in self.protocols if protocol in candidates)

    def __repr__(self) -> str:
        return f"<ClassicMember {self.member_id}>"
