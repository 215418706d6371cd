"""How the benchmarks start and stop Ottla, tried on stand-ins that behave well and badly."""

from pathlib import Path

import pytest

from benchmarks import ottla_process
from benchmarks.ottla_process import OttlaBroker, OttlaFailed

READY = 'print("Ottla is ready on [::1]:4711, data in /d, cluster abc, in 7 ms", flush=True)\n'


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The main module of a package `ottla` that is started instead of the real one."""
    package = tmp_path / "checkout" / "ottla"
    package.mkdir(parents=True)
    # Without it an installed `ottla`, which is a regular package, would stand before this folder.
    (package / "__init__.py").touch()
    monkeypatch.setattr(ottla_process, "_CHECKOUT", package.parent)
    return package / "__main__.py"


@pytest.fixture
def data_directory(tmp_path: Path) -> Path:
    directory = tmp_path / "data"
    directory.mkdir()
    return directory


def test_starts_and_stops(stand_in: Path, data_directory: Path) -> None:
    stand_in.write_text(
        "import signal, sys\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\n"
        "print(sys.argv, file=sys.stderr, flush=True)\n" + READY + "signal.pause()\n"
    )
    with OttlaBroker(data_directory, options=["--set", "a=b"]) as broker:
        assert (broker.host, broker.port, broker.bootstrap) == ("[::1]", 4711, "[::1]:4711")
        assert "'--port', '0'" in broker.log()
        assert "'--set', 'a=b'" in broker.log()
    assert broker.start_s > 0
    assert broker.stop_s > 0
    assert list(data_directory.iterdir()) == []
    broker.stop()


def test_restarts_on_its_data(stand_in: Path, data_directory: Path) -> None:
    stand_in.write_text(
        "import pathlib, signal, sys\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\n"
        "data = pathlib.Path(sys.argv[sys.argv.index('--data-dir') + 1])\n"
        "print('found', data.exists(), file=sys.stderr, flush=True)\n"
        "data.mkdir(exist_ok=True)\n" + READY + "signal.pause()\n"
    )
    with OttlaBroker(data_directory) as broker:
        assert broker.log() == "found False\n"
        first = broker.pid
        broker.restart()
        assert broker.log() == "found True\n"
        assert broker.pid != first
    assert list(data_directory.iterdir()) == []


def test_a_restart_that_fails_leaves_nothing(stand_in: Path, data_directory: Path) -> None:
    stand_in.write_text(READY + "import signal\nsignal.pause()\n")
    broker = OttlaBroker(data_directory)
    broker.start()
    with pytest.raises(OttlaFailed, match="exited with -15"):
        broker.restart()
    assert list(data_directory.iterdir()) == []


def test_ending_early_is_reported_with_its_words(stand_in: Path, data_directory: Path) -> None:
    stand_in.write_text('import sys\nsys.exit("the port is in use")\n')
    with pytest.raises(OttlaFailed, match="the port is in use"):
        OttlaBroker(data_directory).start()
    assert list(data_directory.iterdir()) == []


def test_silence_is_ended(stand_in: Path, data_directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ottla_process, "START_TIMEOUT_S", 0.1)
    stand_in.write_text("import signal\nsignal.pause()\n")
    with pytest.raises(OttlaFailed, match="did not start"):
        OttlaBroker(data_directory).start()


def test_a_bad_exit_code_is_an_error(stand_in: Path, data_directory: Path) -> None:
    stand_in.write_text(READY + "import signal\nsignal.pause()\n")
    broker = OttlaBroker(data_directory)
    broker.start()
    with pytest.raises(OttlaFailed, match="exited with -15"):
        broker.stop()
    assert list(data_directory.iterdir()) == []


def test_not_stopping_is_an_error(stand_in: Path, data_directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ottla_process, "STOP_TIMEOUT_S", 0.1)
    stand_in.write_text(
        "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + READY + "while True: signal.pause()\n"
    )
    broker = OttlaBroker(data_directory)
    broker.start()
    with pytest.raises(OttlaFailed, match="did not stop"):
        broker.stop()
