"""The clients, each in its process."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.support.wire import WireClient

from .client_process import ClientProcess
from .clients import CLIENTS
from .setting import Setting


@pytest.fixture(scope="session")
def clients(bootstrap: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, ClientProcess]]:
    """All clients, by name."""
    logs = tmp_path_factory.mktemp("clients")
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
    compressed: dict[str, str],
    wire: WireClient,
    make_topic: Callable[..., str],
    topic_name: Callable[[], str],
) -> Callable[[str], Setting]:
    """Make the setting in which a client shows a feature."""
    return lambda name: Setting(clients[name], clients, wire, make_topic, topic_name, compressed)
