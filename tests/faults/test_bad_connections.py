"""Bad connections, thousands of them, cost a broker no memory (the benchmark's own measure, held as a test)."""

from __future__ import annotations

from benchmarks import bad_connections
from benchmarks.client import Target
from tests.support.broker_process import BrokerProcess

CONNECTIONS = 10_000


def test_memory_stays(broker: BrokerProcess) -> None:
    outcome = bad_connections.run(Target(broker.bootstrap, broker.pid), CONNECTIONS)
    assert outcome.growth_mb <= bad_connections.GROWTH_LIMIT_MB
    assert not any(outcome.left_open.values()), outcome.left_open
    assert outcome.bystander_answers == CONNECTIONS // 100
    assert "Traceback" not in broker.log
