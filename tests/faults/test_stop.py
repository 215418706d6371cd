"""SIGTERM and Ctrl-C end the broker cleanly, whatever it is waiting for."""

from __future__ import annotations

import contextlib
import signal
import subprocess
from pathlib import Path

import pytest

from tests.support.broker_process import CHECKOUT, BrokerProcess, serve_command
from tests.support.records_over_the_wire import produce
from tests.support.wait import DEADLINE_S, wait_until
from tests.support.wire import ConnectionClosed, WireClient

LONGER_THAN_THE_TEST_MS = round(DEADLINE_S * 20 * 1000)


def park_fetch(client: WireClient) -> int:
    """Send a fetch that nothing but the end of the broker answers, and return its correlation id."""
    return client.send(
        "Fetch",
        12,
        max_wait_ms=LONGER_THAN_THE_TEST_MS,
        min_bytes=1 << 20,
        topics=[
            {"topic": "quiet", "partitions": [{"partition": 0, "fetch_offset": 0, "partition_max_bytes": 1 << 20}]}
        ],
    )


def make_topic(client: WireClient) -> None:
    topics = [{"name": "quiet", "num_partitions": 1, "replication_factor": 1}]
    assert client.ask("CreateTopics", 7, timeout_ms=30_000, topics=topics).topics[0].error_code == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_parked_fetches_are_answered_empty(broker: BrokerProcess, number: signal.Signals) -> None:
    with broker.connect() as client, broker.connect() as other:
        make_topic(client)
        # The answer to what was sent first shows that the parked fetch behind it, in the same packet or not, is next.
        fetch_id = park_fetch(client)
        other.ask("ApiVersions", 0)
        broker.signal(number)
        answer = client.receive("Fetch", 12, fetch_id)
        (partition,) = answer.responses[0].partitions
        assert (partition.error_code, partition.high_watermark) == (0, 0)
        assert not partition.records
        assert client.await_close() == b""
        assert other.await_close() == b""
    assert broker.wait() == 0


def test_a_sigterm_that_was_blocked_until_it_could_be_handled(tmp_path: Path) -> None:
    # As in our container image, whose engine may stop it at any moment.
    process = subprocess.Popen(
        serve_command("--data-dir", str(tmp_path / "data")),
        cwd=CHECKOUT,
        preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM,)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0, errors.decode()


def test_it_accepts_no_more(broker: BrokerProcess) -> None:
    with broker.connect() as client:
        client.ask("ApiVersions", 0)
        broker.signal(signal.SIGTERM)
        client.await_close()
    assert broker.wait() == 0
    with pytest.raises(ConnectionRefusedError):
        broker.connect()


def test_a_client_that_sends_on_does_not_hold_it(broker: BrokerProcess) -> None:
    with broker.connect() as client:
        make_topic(client)
        broker.signal(signal.SIGTERM)
        with pytest.raises((ConnectionClosed, ConnectionError)):
            while True:
                produce(client, "quiet", b"more")
    assert broker.wait() == 0


def test_a_client_that_reads_nothing_does_not_hold_it(broker: BrokerProcess) -> None:
    with broker.connect() as client, broker.connect() as stalled:
        make_topic(client)
        for _ in range(50):
            produce(client, "quiet", bytes(900_000))
        stalled.send(
            "Fetch",
            12,
            max_wait_ms=0,
            max_bytes=1 << 30,
            topics=[
                {"topic": "quiet", "partitions": [{"partition": 0, "fetch_offset": 0, "partition_max_bytes": 1 << 30}]}
            ],
        )
        client.ask("ApiVersions", 0)
        assert broker.stop() == 0


def signal_while_it_stops(broker: BrokerProcess, number: signal.Signals) -> int:
    """Send SIGTERM, and the signal while a client that reads nothing keeps the broker from ending; the exit code."""
    with broker.connect() as client, broker.connect() as stalled:
        if not client.ask("Metadata", 12, topics=[{"name": "quiet"}]).topics[0].partitions:
            make_topic(client)
            for _ in range(50):
                produce(client, "quiet", bytes(900_000))
        wanted = {"partition": 0, "fetch_offset": 0, "partition_max_bytes": 1 << 30}
        topics = [{"topic": "quiet", "partitions": [wanted]}]
        stalled.send("Fetch", 12, max_wait_ms=0, max_bytes=1 << 30, topics=topics)
        client.ask("ApiVersions", 0)
        broker.signal(signal.SIGTERM)
        client.await_close()
        with contextlib.suppress(ProcessLookupError):
            broker.signal(number)
        return broker.wait()


def test_ctrl_c_while_it_stops_ends_it_at_once(broker: BrokerProcess) -> None:
    for _ in range(10):  # a busy machine may let the broker end before the second signal reaches it
        exit_code = signal_while_it_stops(broker, signal.SIGINT)
        if exit_code == 130:
            break
        broker.start()
    assert exit_code == 130
    assert "Interrupted again" in broker.log
    assert "Traceback" not in broker.log
    broker.start()


def test_a_second_sigterm_changes_nothing(broker: BrokerProcess) -> None:
    assert signal_while_it_stops(broker, signal.SIGTERM) == 0
    assert "Interrupted again" not in broker.log


def test_stopping_at_once_after_the_start(broker: BrokerProcess) -> None:
    for _ in range(3):
        assert broker.stop() == 0
        broker.start()


def test_stopped_brokers_leave_no_complaint(broker: BrokerProcess) -> None:
    with broker.connect() as client:
        make_topic(client)
        produce(client, "quiet", b"x")
    assert broker.stop() == 0
    assert "Traceback" not in broker.log
    assert wait_until(lambda: not (broker.ready.directory / "metadata.db-wal").exists(), "the metadata are closed")
