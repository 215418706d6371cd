"""Ottla and a real Kafka answer alike, but for what is meant to differ, and that does.

`python -m tests.differential` does the same for as long as one likes, and makes a script short that fails.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.java import FETCH_TIMEOUT_S, require_kafka

from .departures import DEPARTURES, SILENCE, Departure
from .generator.scripts import generate
from .judge import Judge
from .script import parse
from .side import SILENCE_S

pytestmark = pytest.mark.timeout(FETCH_TIMEOUT_S)

SEED = 1
SCRIPTS = 8
SHORT_SILENCE_S = 2.0
"""How long is waited for what is never answered."""

REPEATED = [
    *("batch(1)", "batch(3)", "batch(2, codec='zstd')", "batch(1)", "batch(1, age_ms=-4000000)"),
    *(f"batch(2, damage={damage!r})" for damage in ("crc", "magic 1", "magic 3", "longer", "cut", "cut header")),
    *(f"batch(2, damage={damage!r})" for damage in ("base offset", "count", "no records", "last offset", "control")),
    *(f"batch(1, producer_id=p1.producer_id, producer_epoch=0, base_sequence={number})" for number in (0, 1, 1, 7, 2)),
    *("batch(1, damage='append time')", "b''", "batch(2)"),
]
"""Records that come one after the other in requests that begin alike, which a broker may treat as one kind."""

WITNESSED = [departure for departure in DEPARTURES if departure.witness.exists()]


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judge]:
    require_kafka()
    with Judge(tmp_path_factory.mktemp("differential")) as judge:
        yield judge


@pytest.mark.parametrize("number", range(SCRIPTS))
def test_a_script_that_stays(judge: Judge, number: int) -> None:
    compare(judge, SEED, number)


@pytest.mark.parametrize("version", [5, 7, 9, 12, 13])
def test_requests_that_repeat(judge: Judge, version: int) -> None:
    topic = "topic_id: topic_id('orders')" if version > 12 else "name: 'orders'"

    def produce(records: str, acks: int = -1, index: int = 0) -> str:
        data = f"[{{{topic}, partition_data: [{{index: {index}, records: {records}}}]}}]"
        return f"c1.Produce({version}, acks={acks}, timeout_ms=1000, topic_data={data})"

    create = "c1.CreateTopics(5, topics=[{name: 'orders', num_partitions: 2, replication_factor: 1}], timeout_ms=60000)"
    lines = [
        create,
        "p1 = c1.InitProducerId(4, transactional_id=None, transaction_timeout_ms=60000)",
        *map(produce, REPEATED),
        *(produce(records, acks=1, index=1) for records in REPEATED),
        *(produce("batch(1)", acks=0, index=index) for index in (0, 1, 0, 9, 0)),
        *(produce("batch(1)", acks=2) for _ in range(3)),
        *(produce("batch(1)", index=index) for index in (0, 2, 0)),
        "c2.DeleteTopics(5, topic_names=['orders'], timeout_ms=60000)",
        *(produce("batch(1)") for _ in range(2)),
        create,
        *(produce("batch(1)") for _ in range(3)),
        "c2.ListOffsets(5, topics=[{name: 'orders', partitions: [{partition_index: 0, timestamp: -1}]}])",
    ]
    exchanges = list(judge.exchanges(parse("\n".join(lines))))
    assert [f"{exchange.step}\n{each}" for exchange in exchanges for each in exchange.unexplained] == []
    assert len(exchanges) == len(lines)


@pytest.mark.parametrize("departure", WITNESSED, ids=[departure.name for departure in WITNESSED])
def test_a_departure_still_shows(judge: Judge, departure: Departure) -> None:
    script = parse(departure.witness.read_text(encoding="utf-8"))
    silence_s = SHORT_SILENCE_S if departure.reason == SILENCE else SILENCE_S
    exchanges = list(judge.exchanges(script, silence_s=silence_s))
    unexplained = [f"{exchange.step}\n{difference}" for exchange in exchanges for difference in exchange.unexplained]
    assert unexplained == []
    assert any(departure in exchange.departures for exchange in exchanges), "Kafka and Ottla answer alike by now"


def compare(judge: Judge, seed: int, number: int) -> None:
    failure = judge.run(generate(seed, number))
    if failure is not None:
        command = f"python -m tests.differential --seed {seed} --first {number} --sequences 1"
        pytest.fail(f"{failure}\n{command}", pytrace=False)
