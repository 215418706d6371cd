"""The states of a classic group, and which may follow which."""

from __future__ import annotations

from enum import Enum
from types import MappingProxyType
from typing import Final


class ClassicGroupState(Enum):
    """Its value is the name that ListGroups and DescribeGroups show."""

    EMPTY = "Empty"
    """Nobody is a member. The group lives on for its committed offsets, which anybody outside a group may change.

    A member joins → PREPARING_REBALANCE. When the last offset has expired, or the group is deleted, it is forgotten.
    """
    PREPARING_REBALANCE = "PreparingRebalance"
    """JoinGroups wait until every member has joined again, or the rebalance timeout removes those that have not.

    Heartbeats learn REBALANCE_IN_PROGRESS; members may still commit what they have read in the old generation.
    All that are left have joined → COMPLETING_REBALANCE; nobody is left → EMPTY.
    """
    COMPLETING_REBALANCE = "CompletingRebalance"
    """There is a new generation; SyncGroups wait for the assignment that the leader makes.

    Commits learn REBALANCE_IN_PROGRESS. The assignment is stored → STABLE; a member comes, goes, or fails to sync in
    time, or the assignment cannot be stored → PREPARING_REBALANCE.
    """
    STABLE = "Stable"
    """Every member has its assignment, or has it for the asking.

    A member comes or goes, changes its subscription, or is the leader and joins again → PREPARING_REBALANCE.
    """
    DEAD = "Dead"
    """What DescribeGroups calls a group that there is not; no group is ever in this state."""


LEGAL_TRANSITIONS: Final = MappingProxyType(
    {
        ClassicGroupState.EMPTY: frozenset({ClassicGroupState.PREPARING_REBALANCE}),
        ClassicGroupState.PREPARING_REBALANCE: frozenset(
            {ClassicGroupState.COMPLETING_REBALANCE, ClassicGroupState.EMPTY}
        ),
        ClassicGroupState.COMPLETING_REBALANCE: frozenset(
            {ClassicGroupState.STABLE, ClassicGroupState.PREPARING_REBALANCE}
        ),
        ClassicGroupState.STABLE: frozenset({ClassicGroupState.PREPARING_REBALANCE}),
        ClassicGroupState.DEAD: frozenset(),
    }
)
"""By state, the states that may follow it."""
