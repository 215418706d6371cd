"""Where Ottla means to answer otherwise than Kafka, and why: the one table of it.

Each entry explains differences in answers of some APIs, names the sentence of the documents that states it, and has a
script in `tests/differential/witnesses` in which it shows, or says why there is none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..compare import Difference
from .cluster import CLUSTER
from .departure import SILENCE, WITNESSES, Departure
from .everywhere import EVERYWHERE
from .groups import GROUPS
from .records import RECORDS
from .topics import TOPICS

if TYPE_CHECKING:
    from ..run import Exchange

__all__ = ["DEPARTURES", "SILENCE", "WITNESSES", "Departure", "explain"]

DEPARTURES: Final[tuple[Departure, ...]] = (*EVERYWHERE, *RECORDS, *GROUPS, *TOPICS, *CLUSTER)


def explain(exchange: Exchange, difference: Difference) -> Departure | None:
    """Return what explains a difference, or None."""
    for departure in DEPARTURES:
        if (not departure.apis or exchange.step.api in departure.apis) and departure.explains(exchange, difference):
            return departure
    return None
