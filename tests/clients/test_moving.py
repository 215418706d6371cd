"""A client moves partitions between two log directories, of a broker of the test's own."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.support.admin_over_the_wire import directories_of
from tests.support.broker_process import BrokerProcess
from tests.support.records_over_the_wire import produce, read_all, values_of
from tests.support.wait import wait_until
from tests.support.wire import WireClient

from .client_process import ClientProcess
from .clients import CLIENTS
from .environments import INSTALL_TIMEOUT_S

VALUES = [b"%d" % index for index in range(10)]


@pytest.mark.timeout(2 * INSTALL_TIMEOUT_S)  # it may have to install the client
def test_a_partition_moves_there_and_back(make_broker: Callable[..., BrokerProcess], tmp_path: Path) -> None:
    paths = [str(tmp_path / name) for name in ("first", "second")]
    broker = make_broker("--set", f"log.dirs={','.join(paths)}").start()
    (latest,) = [client for client in CLIENTS if client.name.startswith("kafka-python 3")]
    client = ClientProcess(latest, broker.bootstrap, tmp_path / "client.log")
    try:
        client.ask("create_topics", topics=[["moving", 1, 1]])
        with WireClient(broker.address) as wire:
            produce(wire, "moving", *VALUES)
            start = directories_of(wire, "moving")[0][0]
            for path in sorted(paths, key=lambda path: path == start):
                client.ask("move_replica", topic="moving", partition=0, broker_id=0, path=path)
                wait_until(partial(_is_in, wire, path), f"it is in {path}")
                assert [each[1] for each in client.ask("log_directories", topic="moving")] == [path]
                assert values_of(read_all(wire, "moving")) == VALUES
    finally:
        client.close()


def _is_in(wire: WireClient, path: str) -> bool:
    return directories_of(wire, "moving")[0][0] == path
