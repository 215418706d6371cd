"""FindCoordinator (API key 10): the broker that coordinates a group, a transactional id or a share group's partition.

v1: key types, so that it serves transactions too (KIP-98). v3: flexible. v4: several keys at once (KIP-699). v5:
TRANSACTION_ABORTABLE (KIP-890). v6: share groups (KIP-932).
"""

from __future__ import annotations

from ..schema import Message, Struct, array, int8, int16, int32, string


class FindCoordinatorRequest(Message, api_key=10, versions="0-6", flexible="3+"):
    key: str = string("0-3", default="")
    key_type: int = int8("1+", default=0)
    """0: a group; 1: a transactional id; 2: a share group's partition, `group:topic id:partition`."""
    coordinator_keys: list[str] = array(string, "4+")


class Coordinator(Struct):
    key: str = string()
    node_id: int = int32()
    host: str = string()
    port: int = int32()
    error_code: int = int16()
    error_message: str | None = string(nullable="4+", default=None, ignorable=True)


class FindCoordinatorResponse(Message, api_key=10, versions="0-6", flexible="3+"):
    throttle_time_ms: int = int32("1+", default=0, ignorable=True)
    error_code: int = int16("0-3", default=0)
    error_message: str | None = string("1-3", nullable="1-3", default=None, ignorable=True)
    node_id: int = int32("0-3", default=0)
    host: str = string("0-3", default="")
    port: int = int32("0-3", default=0)
    coordinators: list[Coordinator] = array(Coordinator, "4+")
