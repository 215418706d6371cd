"""Examples, each on a broker of its own; or on a foreign one, which is rid of their topics and groups afterwards."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from benchmarks.wire import free_ports
from tests.support.broker_process import BrokerProcess
from tests.support.under_test import foreign_address

from .program import Program, constants


@pytest.fixture
def own_broker(make_broker: Callable[..., BrokerProcess]) -> Iterator[BrokerProcess | None]:
    """A fresh broker, which keeps its port when it is started again; None where a foreign one is tested."""
    if foreign_address():
        yield None
        return
    broker = make_broker(port=free_ports(1)[0]).start()
    yield broker
    assert broker.stop() == 0, broker.log[-4000:]
    assert "Traceback" not in broker.log, broker.log[-4000:]


@pytest.fixture
def example_bootstrap(own_broker: BrokerProcess | None, request: pytest.FixtureRequest) -> str:
    """`host:port` of the broker that the examples of this test use."""
    return own_broker.bootstrap if own_broker else request.getfixturevalue("bootstrap")


@pytest.fixture
def start(example_bootstrap: str, tmp_path: Path) -> Iterator[Callable[..., Program]]:
    """Start examples: `start(name, *arguments, **options)` of a Program. They are killed at the end."""
    started: list[Program] = []

    def start(name: str, *arguments: str, **options: Any) -> Program:
        directory = tmp_path / f"run-{len(started)}"
        directory.mkdir()
        started.append(Program(name, example_bootstrap, directory, *arguments, **options))
        return started[-1]

    yield start
    for program in started:
        program.__exit__()
    if foreign_address():
        forget(example_bootstrap, {program.name for program in started})


def forget(bootstrap: str, names: set[str]) -> None:
    """Delete the topics and groups of these examples."""
    with KafkaAdminClient(bootstrap_servers=bootstrap) as admin:
        for name in names:
            for topic in constants(name, "TOPIC"):
                with contextlib.suppress(KafkaError):  # it may have deleted it itself
                    admin.delete_topics([topic])
            admin.delete_groups(constants(name, "GROUP"))
