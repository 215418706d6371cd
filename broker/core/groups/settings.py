"""What the configuration says of groups."""

from __future__ import annotations

from typing import NamedTuple


class GroupSettings(NamedTuple):
    """Limits and times of the group coordinator, by default those of Kafka but for the initial delay."""

    session_timeout_min_ms: int = 6_000
    session_timeout_max_ms: int = 1_800_000
    group_size_max: int = 0x7FFFFFFF
    """How many members a classic group may have (KIP-389)."""
    initial_rebalance_delay_ms: int = 170
    """How long the first rebalance of an empty group waits for more members (KIP-134)."""
    offset_metadata_bytes_max: int = 4096
    offsets_retention_ms: int = 7 * 24 * 3_600_000
    offsets_retention_check_interval_ms: int = 600_000
