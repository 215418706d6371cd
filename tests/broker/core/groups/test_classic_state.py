"""Which state of a group may follow which."""

from __future__ import annotations

import pytest

from broker.core.groups.classic_group import ClassicGroup
from broker.core.groups.classic_state import LEGAL_TRANSITIONS, ClassicGroupState

State = ClassicGroupState
LEGAL = {
    (State.EMPTY, State.PREPARING_REBALANCE),
    (State.PREPARING_REBALANCE, State.EMPTY),
    (State.PREPARING_REBALANCE, State.COMPLETING_REBALANCE),
    (State.COMPLETING_REBALANCE, State.PREPARING_REBALANCE),
    (State.COMPLETING_REBALANCE, State.STABLE),
    (State.STABLE, State.PREPARING_REBALANCE),
}


@pytest.mark.parametrize("new", State, ids=lambda state: state.value)
@pytest.mark.parametrize("old", State, ids=lambda state: state.value)
def test_transition(old: ClassicGroupState, new: ClassicGroupState) -> None:
    group = ClassicGroup("group")
    group.state = old
    if (old, new) in LEGAL:
        group.transition(new, 1_700_000_000_000)
        assert (group.state, group.state_timestamp_ms) == (new, 1_700_000_000_000)
    else:
        with pytest.raises(AssertionError):
            group.transition(new, 1_700_000_000_000)


def test_every_state_has_its_row() -> None:
    assert LEGAL_TRANSITIONS.keys() == set(State)
