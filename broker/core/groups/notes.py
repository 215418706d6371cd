"""What the broker's log tells of groups: why they rebalance, what comes of it, and who is removed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ..result import Result
from .classic_group import ClassicGroup
from .classic_member import ClassicMember

NAMED_MAX: Final = 3
"""Members that one line names; the others it counts."""


def note(group: ClassicGroup, text: str, result: Result) -> None:
    """Tell something of the group."""
    result.notes.append(f"[group {group.group_id} generation={group.generation}] {text}")


def note_late(group: ClassicGroup, members: Sequence[ClassicMember], what: str, result: Result) -> None:
    """Tell which members are removed because they have not done `what` in time, if there are any."""
    if members:
        names = ", ".join(member.member_id for member in members[:NAMED_MAX])
        more = f" and {len(members) - NAMED_MAX} more" if len(members) > NAMED_MAX else ""
        note(group, f"Removing who has not {what} within {group.rebalance_timeout_ms} ms: {names}{more}.", result)
