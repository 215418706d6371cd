"""Every example prints, on a fresh broker, what its docstring says; those that serve for ever end with Ctrl-C."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from kafka import KafkaConsumer, TopicPartition

from tests.support.broker_process import CHECKOUT, BrokerProcess
from tests.support.under_test import foreign_address

from .program import EXAMPLES, Program, blocks, constants, shows, source

NAMES = sorted(path.stem for path in EXAMPLES.glob("*.py"))
WITH_TESTS_OF_THEIR_OWN = {"file_source", "hello_consumer", "pytest_fixture", "spark_count", "steady_producer"}
IN_ANY_ORDER = {"rides"}
"""Those that say themselves that the order of their lines differs."""

Start = Callable[..., Program]


@pytest.mark.parametrize("name", [name for name in NAMES if name not in WITH_TESTS_OF_THEIR_OWN])
def test_prints_what_its_docstring_says(name: str, start: Start) -> None:
    program = start(name)
    assert program.wait() == 0, program.errors
    if name in IN_ANY_ORDER:
        assert sorted(program.output.splitlines()) == sorted(blocks(name)[-1].splitlines())
    else:
        assert shows(name, program.output), program.output
    check_errors(program)


def test_hello_consumer_goes_on_where_it_was_interrupted(start: Start) -> None:
    assert start("hello_producer").wait() == 0
    consumer = start("hello_consumer")
    consumer.wait_for("offset 4: hello 4\n")
    assert consumer.interrupt() == 0, consumer.errors
    assert shows("hello_consumer", consumer.output), consumer.output
    check_errors(consumer)

    assert start("hello_producer").wait() == 0
    consumer = start("hello_consumer")
    consumer.wait_for("offset 9: hello 4\n")
    assert consumer.interrupt() == 0, consumer.errors
    assert consumer.output.startswith("partition 0, offset 5: hello 0\n"), consumer.output


def test_file_source_loses_no_line_when_it_is_killed(start: Start, example_bootstrap: str, tmp_path: Path) -> None:
    lines = [f"line {number}" for number in range(5_250)]
    path = tmp_path / "lines.txt"
    path.write_text("".join(f"{line}\n" for line in lines[:250]))
    connector = start("file_source", str(path))
    connector.wait_for("250 lines")
    assert connector.interrupt() == 0, connector.errors
    assert shows("file_source", connector.output), connector.output
    check_errors(connector)

    bookmark = path.stat().st_size
    with path.open("a") as file:
        file.writelines(f"{line}\n" for line in lines[250:])
        end = file.tell()
        file.write("a line that is still being written")
    connector = start("file_source", str(path))
    connector.wait_for(" lines are stored")
    connector.kill()
    assert connector.output.startswith(f"starting at byte {bookmark}\n"), connector.output

    connector = start("file_source", str(path))
    connector.wait_for(f"up to byte {end}\n")
    assert connector.interrupt() == 0, connector.errors

    stored = read_topic(example_bootstrap, "file_source", "LINES_TOPIC")
    assert list(dict.fromkeys(stored)) == lines
    assert len(stored) <= len(lines) + 100


def test_steady_producer_loses_nothing_while_the_broker_is_away(
    start: Start, example_bootstrap: str, own_broker: BrokerProcess | None
) -> None:
    producer = start("steady_producer")
    producer.wait_for("sending")
    if own_broker:  # a foreign one cannot be stopped
        assert own_broker.stop() == 0
        producer.wait_for("the broker is away")
        own_broker.start()
        producer.wait_for("the broker is back")
    assert producer.interrupt() == 0, producer.errors
    assert own_broker is None or shows("steady_producer", producer.output), producer.output

    stored = read_topic(example_bootstrap, "steady_producer", "TOPIC")
    assert stored == [str(number) for number in range(len(stored))]
    assert producer.output.endswith(f"{len(stored)} ticks sent, {len(stored)} stored, 0 lost\n"), producer.output


@pytest.mark.parametrize("name", NAMES)
def test_is_a_program_of_stock_clients(name: str) -> None:
    imported = set(re.findall(r"^\s*(?:from|import) (\w+)", source(name), re.MULTILINE))
    assert not imported & {"benchmarks", "broker", "ottla", "protocol", "storage", "tests"}


@pytest.mark.parametrize("name", NAMES)
def test_says_how_it_is_run(name: str) -> None:
    assert f"examples/{name}.py" in blocks(name)[0]


def test_readme_has_a_row_for_each() -> None:
    rows = re.findall(r"^\| \[(\w+)\.py\]\(\1\.py\) \|", (EXAMPLES / "README.md").read_text(), re.MULTILINE)
    assert sorted(rows) == NAMES


def test_requirements_are_those_of_the_tests() -> None:
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    requirements = (EXAMPLES / "requirements.txt").read_text().splitlines()
    assert set(requirements) <= set(project["optional-dependencies"]["test"])


def check_errors(program: Program) -> None:
    """Assert that the program wrote nothing to stderr but librdkafka's information."""
    if foreign_address() is None:  # a topic made a moment ago is known at once on Ottla only; clients say so and retry
        assert [line for line in program.errors.splitlines() if not line.startswith("%6|")] == []


def read_topic(bootstrap: str, name: str, constant: str) -> list[str]:
    """All values in the one partition of an example's topic."""
    (topic,) = constants(name, constant)
    partition = TopicPartition(topic, 0)
    values: list[str] = []
    with KafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest") as consumer:
        consumer.assign([partition])
        end = consumer.end_offsets([partition])[partition]
        while consumer.position(partition) < end:
            for batch in consumer.poll(timeout_ms=1000).values():
                values += [message.value.decode() for message in batch]
    return values
