"""What a departure is: an answer that is meant to be another one than Kafka's, for a reason, and stated somewhere."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ..compare import Difference

if TYPE_CHECKING:
    from ..run import Exchange

Condition = Callable[["Exchange", Difference], bool]
"""Whether a departure explains a difference."""

HANDLERS: Final = "broker/handlers"
PROTOCOL_PAGE: Final = "docs/PROTOCOL_SUPPORT.md"
WITNESSES: Final = Path(__file__).resolve().parents[1] / "witnesses"
FAILURE: Final = "Kafka fails on it with UNKNOWN_SERVER_ERROR, which is no answer to anything."
SILENCE: Final = "A client that is not answered waits for its request timeout, and learns nothing."


def never(exchange: Exchange) -> bool:
    """No script ends for this."""
    return False


def always(exchange: Exchange) -> bool:
    """Every script ends after this."""
    return True


@dataclass(frozen=True)
class Departure:
    """One intended difference, in answers of some APIs, or where it names none of all."""

    name: str
    apis: tuple[str, ...]
    explains: Condition
    document: str
    """The file that states it, and in `statement` the words in which it does."""
    statement: str
    reason: str
    ends: Callable[[Exchange], bool] = never
    """Whether the two brokers are in different states from then on, so that a script ends there."""
    why_no_witness: str = ""
    """Why there is no script in which it shows."""

    @property
    def witness(self) -> Path:
        """The script in which it shows, unless `why_no_witness` says why there is none."""
        return WITNESSES / (re.sub(r"[^a-z0-9]+", "-", self.name.lower()) + ".txt")
