"""Fixtures for tests of a whole broker process, or of a real Kafka.

Tests that know nothing of the broker but its address use `address` or `bootstrap`. With OTTLA_TEST_BOOTSTRAP=host:port
they run against whatever listens there; that is how they are proven: a test that fails on a real Kafka is wrong.
"""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.broker_process import BrokerProcess
from tests.support.records_over_the_wire import fetch
from tests.support.under_test import foreign_address, settled
from tests.support.wire import WireClient

Address = tuple[str, int]


@pytest.fixture(scope="session")
def shared_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerProcess | None]:
    """The broker that tests share which leave it as it was but for their topics; None where a foreign one is tested."""
    if foreign_address():
        yield None
        return
    directory = tmp_path_factory.mktemp("shared-broker")
    with BrokerProcess(directory / "log", "--host", "127.0.0.1", "--data-dir", str(directory / "data")) as broker:
        yield broker
        assert broker.stop() == 0, broker.log[-4000:]
        assert "Traceback" not in broker.log, broker.log[-4000:]


@pytest.fixture(scope="session")
def address(shared_broker: BrokerProcess | None) -> Address:
    """Host and port of the broker under test."""
    if shared_broker is not None:
        return shared_broker.address
    foreign = foreign_address()
    assert foreign is not None
    return foreign


@pytest.fixture(scope="session")
def bootstrap(address: Address) -> str:
    """`host:port` of the broker under test."""
    return "{}:{}".format(*address)


@pytest.fixture
def wire(address: Address) -> Iterator[WireClient]:
    """A connection to the broker under test."""
    with WireClient(address) as client:
        yield client


@pytest.fixture
def topic_name() -> Callable[[], str]:
    """Make names of topics that no other test uses, nor an earlier run against the same broker."""
    prefix = f"test-{secrets.token_hex(4)}"
    numbers = itertools.count()
    return lambda: f"{prefix}-{next(numbers)}"


@pytest.fixture
def make_topic(wire: WireClient, topic_name: Callable[[], str]) -> Callable[..., str]:
    """Create topics on the broker under test: partitions, and configs as keywords with `_` for each dot."""

    def make(partitions: int = 1, **configs: str) -> str:
        name = topic_name()
        (result,) = wire.ask(
            "CreateTopics",
            7,
            timeout_ms=30_000,
            topics=[
                {
                    "name": name,
                    "num_partitions": partitions,
                    "replication_factor": 1,
                    "configs": [{"name": key.replace("_", "."), "value": value} for key, value in configs.items()],
                }
            ],
        ).topics
        assert result.error_code == 0, result
        assert settled(
            lambda: all(fetch(wire, name, partition=index).error_code == 0 for index in range(partitions)),
            f"{name} can be fetched",
        )
        return name

    return make


@pytest.fixture
def topic(make_topic: Callable[..., str]) -> str:
    """A new topic of one partition."""
    return make_topic()


@pytest.fixture
def make_broker(tmp_path: Path) -> Iterator[Callable[..., BrokerProcess]]:
    """Make brokers of one's own, not yet started, on `data` in the test's directory; killed at the end.

    `make_broker(*arguments, host="127.0.0.1", port=0, data_dir=..., environment={})`; host, port and data directory are
    not named to the broker where they are None.
    """
    made: list[BrokerProcess] = []

    def make(
        *arguments: str, host: str | None = "127.0.0.1", data_dir: Path | None = tmp_path / "data", **options: Any
    ) -> BrokerProcess:
        place = [] if host is None else ["--host", host]
        place += [] if data_dir is None else ["--data-dir", str(data_dir)]
        log_path = tmp_path / f"broker-{len(made)}.log"
        broker = BrokerProcess(log_path, *place, *arguments, **options)
        made.append(broker)
        return broker

    yield make
    for broker in made:
        broker.__exit__()


@pytest.fixture
def broker(make_broker: Callable[..., BrokerProcess]) -> BrokerProcess:
    """A running broker of the test's own, which it may stop, kill and restart."""
    return make_broker().start()
