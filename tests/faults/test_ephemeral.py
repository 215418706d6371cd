"""`--ephemeral`: a directory that is gone when the broker is, at the latest when the next one starts."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.broker_process import BrokerProcess
from tests.support.records_over_the_wire import describe


@pytest.fixture
def make_ephemeral(make_broker: Callable[..., BrokerProcess], tmp_path: Path) -> Callable[[], BrokerProcess]:
    """Make brokers whose temporary directories lie in the test's."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    return lambda: make_broker("--ephemeral", data_dir=None, environment={"TMPDIR": str(temporary)})


def test_it_is_removed_at_the_end(make_ephemeral: Callable[[], BrokerProcess], tmp_path: Path) -> None:
    broker = make_ephemeral().start()
    directory = broker.ready.directory
    assert directory.parent == tmp_path / "temporary"
    assert (directory / "metadata.db").exists()
    assert broker.stop() == 0
    assert list(directory.parent.iterdir()) == []


def test_it_is_removed_after_ctrl_c(make_ephemeral: Callable[[], BrokerProcess]) -> None:
    broker = make_ephemeral().start()
    broker.signal(signal.SIGINT)
    assert broker.wait() == 0
    assert not broker.ready.directory.exists()


def test_what_a_killed_one_left_is_swept(make_ephemeral: Callable[[], BrokerProcess]) -> None:
    killed, running = make_ephemeral().start(), make_ephemeral().start()
    killed.kill()
    assert killed.ready.directory.exists()
    make_ephemeral().start()
    assert not killed.ready.directory.exists()
    # That of a broker that runs stays.
    assert running.ready.directory.exists()
    with running.connect() as client:
        assert describe(client).cluster_id == running.ready.cluster_id


def test_each_has_its_own(make_ephemeral: Callable[[], BrokerProcess]) -> None:
    first, second = make_ephemeral().start(), make_ephemeral().start()
    assert first.ready.directory != second.ready.directory
    assert first.ready.cluster_id != second.ready.cluster_id


def test_nothing_is_left_where_the_start_fails(make_ephemeral: Callable[[], BrokerProcess], tmp_path: Path) -> None:
    with make_ephemeral() as running:
        port = running.address[1]
        broker = BrokerProcess(
            tmp_path / "log",
            "--host",
            "127.0.0.1",
            "--ephemeral",
            port=port,
            environment={"TMPDIR": str(tmp_path / "temporary")},
        )
        with pytest.raises(AssertionError, match=str(port)):
            broker.start()
        assert list((tmp_path / "temporary").iterdir()) == [running.ready.directory]
