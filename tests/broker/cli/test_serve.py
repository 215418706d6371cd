"""`ottla serve` up to the point where the broker takes over."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import broker.main
from broker.cli.main import main
from broker.config import Config, StartupError
from broker.config_table import BROKER_PROPERTIES
from broker.wire.filters import Filters
from broker.wire.wire_log import Format, WireLogOptions

Started = tuple[Config, str, bool, float, WireLogOptions | None]


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Started]]:
    """What the broker was started with, in place of a broker."""
    calls: list[Started] = []

    def run(config: Config, data_dir: str, ephemeral: bool, started_ms: float, wire_log: WireLogOptions | None) -> int:
        calls.append((config, data_dir, ephemeral, started_ms, wire_log))
        return 0

    monkeypatch.setattr(broker.main, "run", run)
    yield calls


def ottla(*arguments: str) -> int:
    return main(arguments, version="1.2.3", started_ms=5.0)


def test_defaults(started: list[Started]) -> None:
    assert ottla("serve") == 0
    ((config, data_dir, ephemeral, started_ms, wire_log),) = started
    assert config.list("listeners") == ["PLAINTEXT://localhost:9092"]
    assert (data_dir, ephemeral, started_ms, wire_log) == ("./ottla-data", False, 5.0, None)


@pytest.mark.parametrize(
    ("arguments", "listener"),
    [
        (["--port", "0"], "PLAINTEXT://localhost:0"),
        (["--host", "0.0.0.0"], "PLAINTEXT://0.0.0.0:9092"),
        (["--host", "::1", "--port", "9"], "PLAINTEXT://[::1]:9"),
        (["--host", "[::1]"], "PLAINTEXT://[::1]:9092"),
        (["--set", "listeners=PLAINTEXT://h:7"], "PLAINTEXT://h:7"),
    ],
)
def test_where_to_listen(started: list[Started], arguments: list[str], listener: str) -> None:
    assert ottla("serve", *arguments) == 0
    assert started[0][0].list("listeners") == [listener]


def test_data_directory(started: list[Started]) -> None:
    assert ottla("serve", "--data-dir", "/somewhere") == 0
    assert ottla("serve", "--ephemeral") == 0
    assert [(data_dir, ephemeral) for _, data_dir, ephemeral, _, _ in started] == [
        ("/somewhere", False),
        ("./ottla-data", True),
    ]


@pytest.mark.parametrize(
    ("settings", "directory"),
    [
        ([], "./ottla-data"),
        (["--set", "log.dirs=/a,/b"], "/a/ottla-metadata"),
        (["--set", "log.dir=/a"], "/a/ottla-metadata"),
        (["--set", "log.dirs=/a", "--set", "metadata.log.dir=/m"], "/m/ottla-metadata"),
        (["--set", "metadata.log.dir=/m"], "/m/ottla-metadata"),
        (["--set", "log.dirs=/a", "--set", "metadata.log.dir=/m", "--data-dir", "/d"], "/d"),
    ],
)
def test_metadata_lies_beside_the_logs_unless_an_option_says_where(
    started: list[Started], settings: list[str], directory: str
) -> None:
    assert ottla("serve", *settings) == 0
    assert started[0][1] == directory


def test_the_environment_holds_over_files_and_is_read_only_where_that_is_asked_for(
    started: list[Started], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [tmp_path / "a.properties", tmp_path / "b.properties"]
    files[0].write_text("num.partitions=1\nbroker.rack=a\nlog.roll.hours=1")
    files[1].write_text("num.partitions=2\nbroker.rack=b")
    monkeypatch.setenv("KAFKA_NUM_PARTITIONS", "3")
    monkeypatch.setenv("CLUSTER_ID", "ours")
    configs = ["--config", str(files[0]), "--config", str(files[1])]
    assert ottla("serve", *configs) == ottla("serve", *configs, "--from-env") == 0
    assert ottla("serve", *configs, "--from-env", "--set", "num.partitions=4") == 0
    names = ("num.partitions", "broker.rack", "log.roll.hours", "ottla.cluster.id")
    assert [[config.value(name) for name in names] for config, *_ in started] == [
        [2, "b", 1, None],
        [3, "b", 1, "ours"],
        [4, "b", 1, "ours"],
    ]


def test_set_holds_over_the_file_and_the_last_one_over_the_others(started: list[Started], tmp_path: Path) -> None:
    file = tmp_path / "ottla.toml"
    file.write_text('num.partitions = 2\n"default.replication.factor" = 2\nbroker.rack = "a=b"')
    assert ottla("serve", "--config", str(file), "--set", "num.partitions=3", "--set", "num.partitions = 4") == 0
    config = started[0][0]
    assert config.int("num.partitions") == 4
    assert config.int("default.replication.factor") == 2
    assert config.optional_str("broker.rack") == "a=b"


def test_a_wire_log_and_what_it_shows(started: list[Started]) -> None:
    assert ottla("serve", "--wire-log", "wire.log") == 0
    filters = ["--wire-api", "fetch", "--wire-api", "0", "--wire-client", "app-*", "--wire-topic", "orders"]
    assert ottla("serve", "--wire-log", "-", "--wire-format", "json", "--wire-records", *filters) == 0
    assert [options for *_, options in started] == [
        WireLogOptions("wire.log"),
        WireLogOptions("-", Format.JSON, True, Filters(frozenset({0, 1}), ("app-*",), frozenset({"orders"}))),
    ]


def test_the_broker_s_exit_code_is_the_command_s(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker.main, "run", lambda *_: 1)
    assert ottla("serve") == 1


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run a command line that must fail with exit code 2, and return the one line it says on stderr."""
    try:
        exit_code: object = ottla(*arguments)
    except SystemExit as end:
        exit_code = end.code
    assert exit_code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    return err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ["--port", "1", "--set", "listeners=PLAINTEXT://:1"],
            "--port says where to listen, and so does the property listeners (--set); leave out one of them.",
        ),
        (["--host", "h", "--set", "listeners=PLAINTEXT://:1"], "--host says where to listen, and so does"),
        (["--host", "localhost:9394"], "--host takes no port; use --port 9394."),
        (["--host", "[::1]:9394"], "--host takes no port; use --port 9394."),
        (["--host", " "], "--host is empty; give localhost, an address of this machine, or 0.0.0.0 for all."),
        (["--set", "=5"], "'=5' is not NAME=VALUE"),
        (["--set", "listeners="], "--set: the value of listeners is empty"),
        (["--prot", "9192"], "unrecognized arguments: --prot 9192 (did you mean --port?); see ottla serve --help."),
        (["--prot=9192", "--wire-apis", "x"], "(did you mean --port and --wire-api?)"),
        (["--nonsense"], "unrecognized arguments: --nonsense; see"),
        (["--port", "65536"], "'65536' is not a port between 0 and 65535"),
        (["--port", "-1"], "argument --port"),
        (["--port", "1" * 5000], "is not a port"),
        (["--set", "num.partitions"], "'num.partitions' is not NAME=VALUE"),
        (["--set", "num.partitions=0"], "Value must be at least 1."),
        (["--config", "/no/such.properties"], "Cannot read the configuration file /no/such.properties"),
        (["--ephemeral", "--data-dir", "x"], "not allowed with"),
        (["--data-dir", ""], "--data-dir names no directory"),
        (["--ephemeral", "--set", "log.dirs=/a"], "--ephemeral removes its data at the end"),
        (
            ["--epheme"],
            "ottla serve: unrecognized arguments: --epheme (did you mean --ephemeral?); see",
        ),
        (["--wire-records"], "--wire-records says what --wire-log shows, which is not given."),
        (["--wire-topic", "orders"], "--wire-topic says what --wire-log shows, which is not given."),
        (["--wire-log", "x", "--wire-api", "Fetsch"], "The log cannot be filtered so: there is no API 'Fetsch'"),
    ],
)
def test_a_bad_command_line_is_one_sentence(
    capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
) -> None:
    line = refused(capsys, "serve", *arguments)
    assert line.startswith("ottla")
    assert sentence in line


def test_two_places_that_say_where_to_listen_are_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "server.properties"
    file.write_text("\nlisteners=PLAINTEXT://:1\n")
    assert f"the property listeners ({file}, line 2);" in refused(capsys, "serve", "--port", "1", "--config", str(file))
    monkeypatch.setenv("KAFKA_LISTENERS", "PLAINTEXT://:1")
    line = refused(capsys, "serve", "--port", "1", "--config", str(file), "--from-env")
    assert "the property listeners (the environment variable KAFKA_LISTENERS);" in line


def test_what_keeps_the_broker_from_starting_is_one_sentence(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(*_: object) -> int:
        raise StartupError("Port 9092 is in use.")

    monkeypatch.setattr(broker.main, "run", run)
    assert refused(capsys, "serve") == "ottla serve: Port 9092 is in use.\n"


def test_without_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert "required: COMMAND" in refused(capsys)


def test_ctrl_c_before_the_broker_handles_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(*_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(broker.main, "run", run)
    assert ottla("serve") == 130


def test_list_config(capsys: pytest.CaptureFixture[str]) -> None:
    assert ottla("serve", "--list-config") == 0
    out = capsys.readouterr().out
    for row in BROKER_PROPERTIES.values():
        assert f"\n{row.name} = " in out
    assert max(map(len, out.splitlines())) <= 120
    assert "Default of the topic setting compression.type, which is kept but not yet in force." in " ".join(out.split())


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        ottla("--version")
    assert end.value.code == 0
    assert capsys.readouterr().out == "ottla 1.2.3\n"


def test_help_says_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        ottla("serve", "--help")
    out = capsys.readouterr().out
    for option in ("--host", "--port", "--data-dir", "--ephemeral", "--config", "--set", "--list-config"):
        assert f"  {option}" in out
