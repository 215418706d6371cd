"""The benchmark of scale, with few of everything: that it runs and reports, never how fast."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks import scale
from benchmarks.client import LoadError
from benchmarks.kafka import KafkaBroker
from benchmarks.ottla_process import OttlaBroker
from benchmarks.request_cycle import RequestCycle
from benchmarks.wire import frame
from tests.benchmarks.test_smoke import broker, target_of
from tests.support.java import FETCH_TIMEOUT_S

__all__ = ["broker"]


@pytest.mark.timeout(FETCH_TIMEOUT_S)
@pytest.mark.parametrize("dimension", list(scale.DIMENSIONS))
def test_each_dimension(broker: OttlaBroker | KafkaBroker, dimension: str) -> None:
    point = scale.measure(target_of(broker), dimension, count=3, requests=500, rounds=2)
    assert (point.dimension, point.count) == (dimension, 3)
    assert point.cpu_us is not None
    assert min(point.cpu_us, point.requests_per_s, point.bystander_p50_ms) > 0
    assert point.rss_mb is not None
    assert point.rss_mb > 1


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "scale.json"
    words = f"connections groups --counts 2 --requests 500 --rounds 1 --data-dir {tmp_path} --json {file}"
    assert scale.main(words.split()) == 0
    assert "broker CPU" in capsys.readouterr().out
    points = json.loads(file.read_text())["points"]
    assert [(each["dimension"], each["count"]) for each in points] == [("connections", 2), ("groups", 2)]


def test_without_a_pid_there_is_no_cpu_time(ottla: OttlaBroker, capsys: pytest.CaptureFixture[str]) -> None:
    words = f"topics --counts 2 --requests 500 --rounds 1 --bootstrap {ottla.bootstrap}"
    assert scale.main(words.split()) == 0
    assert capsys.readouterr().out.splitlines()[2].split()[:4] == ["topics", "2", "-", "-"]


def test_an_unknown_dimension_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        scale.main(["brokers"])
    assert "unknown: brokers; there are partitions, topics" in capsys.readouterr().err


def answer(correlation_id: int, code: int) -> bytes:
    return frame(correlation_id.to_bytes(4, "big") + code.to_bytes(2, "big"))


ERROR_POSITION = 8


@contextmanager
def answering(script: list[bytes]) -> Iterator[socket.socket]:
    """A connection to somebody who answers requests of 4 bytes with what the script has, in its order."""
    ours, theirs = socket.socketpair()

    def serve() -> None:
        for each in script:
            if not theirs.recv(4, socket.MSG_WAITALL):
                return
            theirs.sendall(each)

    thread = threading.Thread(target=serve)
    thread.start()
    with ours, theirs:
        ours.settimeout(10)
        yield ours
        ours.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_a_request_that_is_too_early_is_sent_again() -> None:
    script = [answer(1, 3), answer(1, 6), answer(1, 0), answer(1, 0)]
    with answering(script) as connection, RequestCycle([connection], [b"ping"], ERROR_POSITION, 1) as cycle:
        cycle.warm_up()


def test_an_error_ends_the_warm_up() -> None:
    with (
        answering([answer(1, 29)]) as connection,
        RequestCycle([connection], [b"ping"], ERROR_POSITION, 1) as cycle,
        pytest.raises(LoadError, match="error code 29"),
    ):
        cycle.warm_up()


def test_an_error_among_good_answers_ends_the_run() -> None:
    good, bad = answer(1, 0), answer(2, 29)
    # The second answer to the run comes in two halves.
    script = [good, good, good, bad[:5], bad[5:] + good]
    with answering(script) as connection, RequestCycle([connection], [b"ping"], ERROR_POSITION, 3) as cycle:
        cycle.warm_up()
        with pytest.raises(LoadError, match="error code 29"):
            cycle.run(3)
