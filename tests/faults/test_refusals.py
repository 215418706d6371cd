"""What keeps a broker from starting is said in one sentence, with exit code 2."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.broker_process import BrokerProcess, fail_to_start


def test_a_data_directory_in_use(broker: BrokerProcess) -> None:
    directory = broker.ready.directory
    sentence = fail_to_start("--data-dir", str(directory))
    assert str(directory) in sentence
    assert "in use" in sentence
    with broker.connect() as client:
        client.ask("ApiVersions", 0)


def test_a_log_directory_in_use(make_broker: Callable[..., BrokerProcess], tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    make_broker("--set", f"log.dirs={logs}").start()
    sentence = fail_to_start("--data-dir", str(tmp_path / "other"), "--set", f"log.dirs={logs}")
    assert str(logs) in sentence


def test_a_log_directory_of_a_broker_whose_metadata_is_not_there(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    topic = logs / "orders-0"
    topic.mkdir(parents=True)
    (logs / "meta.properties").write_text("version=1\ncluster.id=ours\nnode.id=0\ndirectory.id=abc\n")
    for place in ([], ["--data-dir", str(tmp_path / "new")]):
        sentence = fail_to_start(*place, "--set", f"log.dirs={logs}", "--set", "ottla.cluster.id=ours")
        assert f"{logs} holds the logs of another broker. If that is Kafka, choose an empty directory" in sentence
    assert f"{logs} holds the logs of another broker" in fail_to_start("--data-dir", str(logs))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["logs"]
    assert sorted(path.name for path in logs.iterdir()) == ["meta.properties", "orders-0"]


def test_a_data_directory_with_partitions_of_a_broker_that_wrote_no_properties(tmp_path: Path) -> None:
    segment = tmp_path / "orders-0" / f"{0:020}.log"
    segment.parent.mkdir()
    segment.touch()
    assert f"{tmp_path} holds the logs of another broker" in fail_to_start("--data-dir", str(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["orders-0"]


def test_a_data_directory_may_have_other_things_in_it(
    make_broker: Callable[..., BrokerProcess], tmp_path: Path
) -> None:
    (tmp_path / "lost+found").mkdir()
    (tmp_path / "notes-2026").mkdir()
    (tmp_path / "notes-2026" / "today.log").touch()
    (tmp_path / "file-1").touch()
    broker = make_broker("--data-dir", str(tmp_path)).start()
    assert broker.ready.directory == tmp_path
    assert broker.stop() == 0


def test_a_data_directory_is_free_again_after_a_kill(broker: BrokerProcess) -> None:
    broker.kill()
    broker.start()


def test_a_port_in_use(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        sentence = fail_to_start("--host", "127.0.0.1", "--data-dir", str(tmp_path / "data"), port=port)
    assert str(port) in sentence
    assert not (tmp_path / "data").exists()


def test_a_host_that_is_not_ours(tmp_path: Path) -> None:
    sentence = fail_to_start("--host", "192.0.2.1", "--data-dir", str(tmp_path / "data"))
    assert "192.0.2.1" in sentence
    assert "give one that it has, or 0.0.0.0 for all of them" in sentence


def test_a_file_in_the_place_of_a_directory(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    for path in (file, file / "below"):
        assert str(path) in fail_to_start("--data-dir", str(path))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_an_unwritable_directory(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    try:
        assert str(tmp_path / "data") in fail_to_start("--data-dir", str(tmp_path / "data"))
    finally:
        tmp_path.chmod(0o755)


def test_an_unwritable_file_system(tmp_path: Path) -> None:
    if not Path("/proc/self").exists():
        pytest.skip("there is no /proc, in which not even root makes a directory")
    assert "/proc/ottla" in fail_to_start("--data-dir", "/proc/ottla")
    assert "/proc/ottla" in fail_to_start("--data-dir", str(tmp_path), "--set", "log.dirs=/proc/ottla")


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("num.partitions=many", ["num.partitions", "many"]),
        ("num.partitions=0", ["num.partitions", "0"]),
        ("log.segment.bytes=12", ["log.segment.bytes", "12"]),
        ("auto.create.topics.enable=perhaps", ["auto.create.topics.enable", "perhaps"]),
        ("log.message.timestamp.type=Sometimes", ["log.message.timestamp.type", "Sometimes"]),
    ],
)
def test_bad_settings(setting: str, words: list[str], tmp_path: Path) -> None:
    in_file = tmp_path / "server.properties"
    in_file.write_text(f"# a comment\n{setting}\n")
    for arguments in (["--set", setting], ["--config", str(in_file)]):
        sentence = fail_to_start("--data-dir", str(tmp_path / "data"), *arguments)
        for word in words:
            assert word in sentence
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    "listeners", ["nonsense", "PLAINTEXT://127.0.0.1:many", "ODD://127.0.0.1:0", "PLAINTEXT://127.0.0.1:99999"]
)
def test_bad_listeners(listeners: str, tmp_path: Path) -> None:
    arguments = ["--data-dir", str(tmp_path / "data"), "--set", f"listeners={listeners}"]
    assert "listener" in fail_to_start(*arguments, port=None)


@pytest.mark.parametrize("content", ["[broken", "a = ", "num.partitions = []"])
def test_bad_toml(content: str, tmp_path: Path) -> None:
    file = tmp_path / "server.toml"
    file.write_text(content)
    fail_to_start("--data-dir", str(tmp_path / "data"), "--config", str(file))


def test_a_configuration_file_that_is_not_there(tmp_path: Path) -> None:
    file = tmp_path / "none.properties"
    assert str(file) in fail_to_start("--data-dir", str(tmp_path / "data"), "--config", str(file))


@pytest.mark.parametrize(
    "arguments",
    [["--port", "99999"], ["--port", "many"], ["--set", "nothing"], ["--nonsense"], ["--ephemeral", "--data-dir", "d"]],
)
def test_bad_arguments(arguments: list[str]) -> None:
    assert arguments[0] in fail_to_start(*arguments, port=None)


def test_metadata_of_something_else(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "metadata.db").write_text("this is no database, and it is long enough to be read as one\n" * 100)
    assert str(data) in fail_to_start("--data-dir", str(data))
