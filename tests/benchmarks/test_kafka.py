"""The recipe for a real Kafka: what it says when it cannot run, and that it starts, answers, dumps and stops."""

import shutil
import sys
from pathlib import Path

import psutil
import pytest

from benchmarks import kafka as recipe
from benchmarks.client import Target
from benchmarks.kafka import KafkaBroker, KafkaUnavailable, class_path, run_tool, unavailable
from benchmarks.kafka_jars import CACHE_VARIABLE, cache_directory
from benchmarks.load import run
from tests.support.java import FETCH_TIMEOUT_S, require_kafka


def fake_program(directory: Path, name: str) -> None:
    (directory / name).symlink_to(sys.executable)


def test_without_java_one_sentence_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert unavailable() == "Apache Kafka needs a Java runtime (17 or later), and there is no java on the PATH."
    with pytest.raises(KafkaUnavailable, match="no java on the PATH"):
        KafkaBroker().start()


def test_without_maven_one_sentence_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_program(tmp_path, "java")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "jars"))
    assert recipe.main(["fetch"]) == 2
    assert "fetched with Maven, and there is no mvn on the PATH" in capsys.readouterr().err


def test_with_the_jars_there_maven_is_not_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_program(tmp_path, "java")
    jars = tmp_path / "jars"
    jars.mkdir()
    (jars / "kafka_2.13-4.3.1.jar").touch()
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv(CACHE_VARIABLE, str(jars))
    assert class_path() == f"{jars}/*"


def test_the_cache_is_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(CACHE_VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cache_directory() == Path(f"/somewhere/ottla/kafka-{recipe.KAFKA_VERSION}")


@pytest.mark.timeout(FETCH_TIMEOUT_S)
def test_its_tools_run(kafka: KafkaBroker) -> None:
    run(Target(kafka.bootstrap), "produce", messages=10)
    done = run_tool("org.apache.kafka.tools.GetOffsetShell", "--bootstrap-server", kafka.bootstrap, "--topic", "none")
    assert "Could not match any topic-partitions" in done.stdout + done.stderr


@pytest.mark.timeout(FETCH_TIMEOUT_S)
def test_start_and_stop_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    require_kafka()
    class_path()
    monkeypatch.setenv(CACHE_VARIABLE, str(cache_directory()))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert recipe.main(["stop"]) == 0
    assert recipe.main(["start", "num.partitions=2"]) == 0
    try:
        printed = capsys.readouterr().out
        pid = int(printed.partition("pid ")[2].partition(",")[0])
        data = Path(printed.rstrip().partition("data in ")[2])
        assert "num.partitions=2" in (data.parent / "server.properties").read_text()
        assert recipe.main(["start"]) == 2
        assert f"pid {pid}" in capsys.readouterr().err
    finally:
        assert recipe.main(["stop"]) == 0
    assert not data.exists()
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


@pytest.mark.timeout(FETCH_TIMEOUT_S)
def test_a_broker_that_cannot_start_says_why_and_leaves_nothing(tmp_path: Path) -> None:
    require_kafka()
    with pytest.raises(KafkaUnavailable, match=r"num\.network\.threads"):
        KafkaBroker(tmp_path, properties={"num.network.threads": "many"}).start()
    assert list(tmp_path.iterdir()) == []


def test_fetching_asks_maven_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("sh") is None:
        pytest.skip("the stand-in for mvn is a shell script")
    programs = tmp_path / "bin"
    programs.mkdir()
    fake_program(programs, "java")
    (programs / "mvn").write_text(
        '#!/bin/sh\necho asked >> "$ASKED"\nfor option; do case $option in -DoutputDirectory=*) '
        'd="${option#*=}"; mkdir -p "$d"; : > "$d/kafka_2.13-4.3.1.jar";; esac; done\n'
    )
    (programs / "mvn").chmod(0o755)
    asked = tmp_path / "asked"
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    monkeypatch.setenv("ASKED", str(asked))
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache" / "jars"))
    assert class_path() == class_path() == f"{tmp_path}/cache/jars/*"
    assert asked.read_text().splitlines() == ["asked"]
    assert [each.name for each in (tmp_path / "cache").iterdir()] == ["jars"]
