"""The clients, each in its process."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.wire import WireClient

from .client_process import ClientProcess
from .clients import CLIENTS
from .setting import Setting


@pytest.fixture(scope="session")
def clients(bootstrap: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, ClientProcess]]:
    """All clients, by name."""
    with _processes(bootstrap, tmp_path_factory.mktemp("clients")) as processes:
        yield processes


@pytest.fixture(scope="session")
def spares(bootstrap: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, ClientProcess]]:
    """A second process of each client, by name."""
    with _processes(bootstrap, tmp_path_factory.mktemp("spares")) as processes:
        yield processes


@contextlib.contextmanager
def _processes(bootstrap: str, logs: Path) -> Iterator[dict[str, ClientProcess]]:
    processes = {client.name: ClientProcess(client, bootstrap, logs / f"{client.name}.log") for client in CLIENTS}
    yield processes
    for process in processes.values():
        process.close()


@pytest.fixture(scope="session")
def compressed() -> dict[str, str]:
    """By codec: a topic to which all clients have produced."""
    return {}


@pytest.fixture
def make_setting(
    clients: dict[str, ClientProcess],
    spares: dict[str, ClientProcess],
    compressed: dict[str, str],
    address: tuple[str, int],
    wire: WireClient,
    make_topic: Callable[..., str],
    topic_name: Callable[[], str],
) -> Callable[[str], Setting]:
    """Make the setting in which a client shows a feature."""
    return lambda name: Setting(clients[name], spares[name], clients, address, wire, make_topic, topic_name, compressed)
