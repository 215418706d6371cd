"""What the broker's configuration says of groups, for the state machines that know nothing of it."""

from __future__ import annotations

from ..config import Config
from ..core.groups.settings import GroupSettings

_MINUTE_MS = 60_000


def group_settings(config: Config) -> GroupSettings:
    """Return the limits and times of groups."""
    return GroupSettings(
        session_timeout_min_ms=config.int("group.min.session.timeout.ms"),
        session_timeout_max_ms=config.int("group.max.session.timeout.ms"),
        group_size_max=config.int("group.max.size"),
        initial_rebalance_delay_ms=config.int("group.initial.rebalance.delay.ms"),
        offset_metadata_bytes_max=config.int("offset.metadata.max.bytes"),
        offsets_retention_ms=config.int("offsets.retention.minutes") * _MINUTE_MS,
        offsets_retention_check_interval_ms=config.int("offsets.retention.check.interval.ms"),
    )
