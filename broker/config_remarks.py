"""What a broker says of names, given at its start or set later, that nothing here obeys; none is refused."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from .config_follower import LOGGED_LENGTH, printable
from .config_table import BROKER_PROPERTIES, LOG_MOVES_BYTES_PER_SECOND_MAX
from .connection_limits import is_listener_limit
from .inert_properties import INERT_PROPERTIES, MISSED, is_of_kafka

logger = logging.getLogger(__name__)

_NEAREST_MAX = 5  # to look for one takes ms, and a client may set thousands of names


def remark_on(names: Sequence[str]) -> None:
    """Log what there is to say about names that are not in the table of those in force."""
    # These are obeyed, although they are in no table.
    names = [name for name in names if name != LOG_MOVES_BYTES_PER_SECOND_MAX and not is_listener_limit(name)]
    inert = [name for name in names if is_of_kafka(name)]
    if inert:
        logger.info("[configs] Properties of Kafka that have no meaning here: %s", ", ".join(map(printable, inert)))
    if missed := [name for name in inert if name in MISSED]:
        logger.warning("[configs] Nothing is refused here because of these properties: %s", ", ".join(missed))
    if unknown := [name[:LOGGED_LENGTH] for name in names if not is_of_kafka(name)]:
        words = [*map(_with_nearest, unknown[:_NEAREST_MAX]), *map(repr, unknown[_NEAREST_MAX:])]
        logger.warning("[configs] There is no such property, so that nothing obeys it: %s", ", ".join(words))


def _with_nearest(name: str) -> str:
    from difflib import get_close_matches  # needed only by those who mistype

    nearest = get_close_matches(name.lower(), [*BROKER_PROPERTIES, *INERT_PROPERTIES], n=1)
    return f"{name!r} (the nearest is {nearest[0]!r})" if nearest else repr(name)
