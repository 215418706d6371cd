"""What a broker says of names, given at its start or set later, that nothing here obeys; none is refused."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from .config import Config
from .config_follower import LOGGED_LENGTH, printable
from .config_table import BROKER_PROPERTIES, LOG_MOVES_BYTES_PER_SECOND_MAX
from .connection_limits import is_listener_limit
from .inert_properties import INERT_PROPERTIES, MISSED, is_of_kafka

logger = logging.getLogger(__name__)

_NEAREST_MAX = 5  # to look for one takes ms, and a client may set thousands of names
_NEAREST_LIKENESS = 0.8  # a name that only shares some words leads astray
_BITNAMI = "cfg."


def remark_on_replicas(config: Config, brokers: int) -> None:
    """Log what holds in place of numbers of replicas that these few brokers cannot have."""
    names = ("default.replication.factor", "min.insync.replicas")
    if above := [f"{name}={config.int(name)}" for name in names if config.int(name) > brokers]:
        logger.info("[configs] There are not enough brokers for %s: %d holds instead.", " and ".join(above), brokers)


def remark_on(names: Sequence[str], place: Callable[[str], str] = lambda _: "") -> None:
    """Log what there is to say about names that are not in the table of those in force.

    `place` returns where a name was given, for people.
    """
    # These are obeyed, although they are in no table.
    names = [name for name in names if name != LOG_MOVES_BYTES_PER_SECOND_MAX and not is_listener_limit(name)]
    inert = [name for name in names if is_of_kafka(name)]
    if inert:
        logger.info("[configs] Properties of Kafka that have no meaning here: %s", ", ".join(map(printable, inert)))
    if missed := [name for name in inert if name in MISSED]:
        logger.warning("[configs] Nothing is refused here because of these properties: %s", ", ".join(missed))
    if unknown := [name for name in names if not is_of_kafka(name)]:
        words = [_described(name, place(name), look=number < _NEAREST_MAX) for number, name in enumerate(unknown)]
        logger.warning("[configs] Unknown properties are ignored: %s", ", ".join(words))


def _described(name: str, place: str, *, look: bool) -> str:
    """Return an unknown name with where it stands and, if one shall look for it, with the one that was meant."""
    notes = [place] if place else []
    shown = name[:LOGGED_LENGTH]
    if shown.startswith(_BITNAMI):
        notes.append("as Bitnami's image has it; drop CFG_")
    elif look and (nearest := _nearest(shown)):
        notes.append(f"the nearest is {nearest!r}")
    return f"{shown!r} ({'; '.join(notes)})" if notes else repr(shown)


def _nearest(name: str) -> str | None:
    from difflib import get_close_matches  # needed only by those who mistype

    names = [*BROKER_PROPERTIES, *INERT_PROPERTIES]
    return next(iter(get_close_matches(name.lower(), names, n=1, cutoff=_NEAREST_LIKENESS)), None)
