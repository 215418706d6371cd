"""The walk over all offsets: everything comes once, in slices of bounded work."""

from __future__ import annotations

import pytest

from broker.core.groups import offset_sweep
from broker.core.groups.offset_store import encode_place
from broker.core.groups.offset_sweep import OffsetSweep, Stretch
from broker.core.groups.shard import GroupShard
from broker.core.result import CoordinatorRecord
from tests.support.offset_requests import add_group, carry_out, commit, new_shard

A_RECORD = CoordinatorRecord(b"twelve bytes", None)


@pytest.fixture
def shard() -> GroupShard:
    """Groups of 5, 3 and no offsets."""
    shard = new_shard()
    commit(shard, "a", {("orders", index): index for index in range(5)})
    commit(shard, "b", {("orders", index): index for index in range(3)})
    add_group(shard, "c")
    return shard


def walk(shard: GroupShard, offsets_per_slice: int, record_per_place: bool = False) -> list[list[Stretch]]:
    """The stretches of each slice of a walk."""
    sweep = OffsetSweep(shard.groups, shard.offsets, offsets_per_slice)
    slices: list[list[Stretch]] = []
    has_ended = False
    while not has_ended:
        seen: list[Stretch] = []

        def examine(stretch: Stretch, records: list[CoordinatorRecord], seen: list[Stretch] = seen) -> None:
            seen.append(stretch)
            if record_per_place:
                records += [A_RECORD] * len(stretch.places)

        records, has_ended = sweep.next_slice(examine)
        assert len(records) == (sum(len(stretch.places) for stretch in seen) if record_per_place else 0)
        slices.append(seen)
    return slices


def places(*indexes: int) -> list[bytes]:
    return [encode_place("orders", index) for index in indexes]


@pytest.mark.parametrize("offsets_per_slice", [1, 2, 3, 4, 5, 6, 100])
def test_everything_comes_once(shard: GroupShard, offsets_per_slice: int) -> None:
    stretches = [stretch for stretches in walk(shard, offsets_per_slice) for stretch in stretches]
    seen: dict[str, list[bytes]] = {}
    for stretch in stretches:
        seen.setdefault(stretch.group_id, []).extend(stretch.places)
    assert seen == {"a": places(0, 1, 2, 3, 4), "b": places(0, 1, 2), "c": []}
    assert [stretch.group_id for stretch in stretches if stretch.is_last] == list(seen)


def test_a_few_groups_are_one_slice(shard: GroupShard) -> None:
    assert [len(stretches) for stretches in walk(shard, 100)] == [3]


def test_groups_without_offsets_cost_too() -> None:
    shard = new_shard()
    for number in range(20):
        add_group(shard, str(number))
    assert [len(stretches) for stretches in walk(shard, 100)] == [10, 10, 0]


def test_slices_end_after_many_records(shard: GroupShard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offset_sweep, "RECORDS_MAX", 3)
    slices = walk(shard, 1_000, record_per_place=True)
    assert [[len(stretch.places) for stretch in stretches] for stretches in slices] == [[0, 3], [2, 3], []]


def test_slices_end_after_many_bytes(shard: GroupShard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offset_sweep, "RECORDS_BYTES_MAX", 2 * len(A_RECORD.key))
    slices = walk(shard, 1_000, record_per_place=True)
    assert [[len(stretch.places) for stretch in stretches] for stretches in slices] == [[0, 1, 1]] + [[1, 1]] * 3 + [[]]


def test_restarting_begins_anew(shard: GroupShard) -> None:
    sweep = OffsetSweep(shard.groups, shard.offsets, 1)
    seen: list[str] = []

    def examine(stretch: Stretch, records: list[CoordinatorRecord]) -> None:
        seen.append(stretch.group_id)

    sweep.next_slice(examine)
    sweep.restart()
    sweep.next_slice(examine)
    assert seen[0] == seen[1]


def test_after_the_end_comes_the_next_walk(shard: GroupShard) -> None:
    sweep = OffsetSweep(shard.groups, shard.offsets, 1_000)
    seen: list[str] = []

    def examine(stretch: Stretch, records: list[CoordinatorRecord]) -> None:
        seen.append(stretch.group_id)

    for _ in range(2):
        assert sweep.next_slice(examine) == ([], True)
    assert len(seen) == 6


def test_a_group_that_goes_during_a_walk_has_no_more_offsets(shard: GroupShard) -> None:
    sweep = OffsetSweep(shard.groups, shard.offsets, 1)
    seen: list[Stretch] = []

    def examine(stretch: Stretch, records: list[CoordinatorRecord]) -> None:
        seen.append(stretch)

    sweep.next_slice(examine)
    carry_out(shard, shard.delete_group("b"))
    while not sweep.next_slice(examine)[1]:
        pass
    assert all(not stretch.places for stretch in seen if stretch.group_id == "b")
