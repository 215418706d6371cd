"""Where a partition is led now, told beside NOT_LEADER_OR_FOLLOWER so that the client need not ask (KIP-951)."""

from __future__ import annotations

from typing import NamedTuple

from ..context import RequestContext
from ..metadata.image import TopicImage


class LeaderHint(NamedTuple):
    """A partition's leader and its epoch; host and port as this client reaches it, None if it cannot."""

    leader_id: int
    leader_epoch: int
    endpoint: tuple[str, int] | None
    rack: str | None


def leader_hint(ctx: RequestContext, topic: TopicImage, index: int) -> LeaderHint:
    """Return who leads the partition according to the current image."""
    image = ctx.broker.images.current
    placement = topic.partitions[index]
    leader = image.brokers.get(placement.leader)
    return LeaderHint(
        placement.leader,
        image.current_epoch(placement),
        ctx.advertised(placement.leader),
        None if leader is None else leader.rack,
    )
