"""Two thousand rebalances in a row leave nothing behind in a broker."""

from __future__ import annotations

from collections.abc import Sequence

import psutil
import pytest

from tests.support.broker_process import BrokerProcess
from tests.support.groups_over_the_wire import describe_group, list_groups
from tests.support.wait import wait_until

from .group_members import RawMember, rebalance

ROUNDS = 1_000
"""Each of two rebalances at least: a guest comes, and goes."""

BASELINE = 200
"""The round after which memory has reached its working size: growth is counted from here."""

GROWTH_LIMIT_BYTES = 4 * 1024 * 1024
PARTITIONS = 6
GROUP = TOPIC = "restless"


@pytest.mark.timeout(240)
def test_memory_and_connections_stay(broker: BrokerProcess) -> None:
    process = psutil.Process(broker.pid)
    with broker.connect() as client:
        assert describe_group(client, GROUP).state == "Dead"
        with _member(broker) as first, _member(broker) as second:
            residents = [first, second]
            generation = rebalance(residents)
            connections = len(process.net_connections("tcp"))
            for number in range(1, ROUNDS + 1):
                with _member(broker) as guest:
                    generation = _next_generation(generation, [*residents, guest])
                    guest.leave()
                    generation = _next_generation(generation, residents)
                if number % 4 == 0:
                    _haunt(broker, first)
                    generation = _next_generation(generation, residents)
                if number == BASELINE:
                    baseline = process.memory_info().rss
            assert generation > 2 * ROUNDS
            wait_until(lambda: len(process.net_connections("tcp")) == connections, "the guests' connections are closed")
            growth = process.memory_info().rss - baseline
            assert growth <= GROWTH_LIMIT_BYTES, f"{growth / 2**20:.1f} MB more than after {BASELINE} rounds"
            for member in residents:
                member.leave()
        assert list_groups(client) == {GROUP: "Empty"}
    assert broker.stop() == 0
    assert "Traceback" not in broker.log


def _next_generation(generation: int, members: Sequence[RawMember]) -> int:
    """Rebalance; the members must then own each partition once, in the generation that follows."""
    assert rebalance(members) == generation + 1
    assert sorted(index for member in members for index in member.assignment) == list(range(PARTITIONS))
    return generation + 1


def _haunt(broker: BrokerProcess, resident: RawMember) -> None:
    """Have the connection of a newcomer end while its JoinGroup waits for the others, and remove it then."""
    with _member(broker) as ghost:
        ghost.send_join()
        wait_until(resident.is_called, "the newcomer calls the others to join")
    resident.remove(ghost.member_id)


def _member(broker: BrokerProcess) -> RawMember:
    return RawMember(broker.address, GROUP, TOPIC, PARTITIONS)
