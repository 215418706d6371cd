"""Kafka's LeaderElectionCommand finds that the only broker leads already, and what does not exist is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.java import FETCH_TIMEOUT_S
from tests.support.records_over_the_wire import describe
from tests.support.wire import WireClient

from .tool import Tool, at_once

_UNKNOWN = "org.apache.kafka.common.errors.UnknownTopicOrPartitionException"

pytestmark = pytest.mark.timeout(FETCH_TIMEOUT_S)


def test_elect_leaders(bootstrap: str, wire: WireClient, make_topic: Callable[..., str], tmp_path: Path) -> None:
    command = Tool("org.apache.kafka.tools.LeaderElectionCommand", bootstrap)
    topic = make_topic(partitions=2)
    before = describe(wire, topic).topics
    file = tmp_path / "partitions.json"
    wanted = ((topic, 0), (topic, 1), (topic, 9), (f"no-{topic}", 0))
    file.write_text(json.dumps({"partitions": [{"topic": name, "partition": index} for name, index in wanted]}))

    preferred, unclean, all_preferred, all_unclean = at_once(
        command,
        ("--election-type", "preferred", "--topic", topic, "--partition", "0"),
        ("--election-type", "unclean", "--topic", topic, "--partition", "1"),
        ("--election-type", "preferred", "--all-topic-partitions"),
        ("--election-type", "unclean", "--all-topic-partitions"),
    )
    assert preferred == f"Valid replica already elected for partitions {topic}-0\n"
    assert unclean == f"Valid replica already elected for partitions {topic}-1\n"
    assert all_preferred == all_unclean == ""

    for kind in ("preferred", "unclean"):
        done = command.run("--election-type", kind, "--path-to-json-file", str(file))
        assert done.exit_code == 1
        assert "2 replica(s) could not be elected\n" in done.errors
        (valid,) = (line for line in done.output.splitlines() if not line.startswith("Error "))
        prefix, _, names = valid.partition(" partitions ")
        assert (prefix, set(names.split(", "))) == ("Valid replica already elected for", {f"{topic}-0", f"{topic}-1"})
        for name, complaint in ((f"{topic}-9", "No such partition as"), (f"no-{topic}-0", "No such topic as")):
            error = f"Error completing leader election ({kind.upper()}) for partition: {name}: {_UNKNOWN}: {complaint} "
            assert error in done.output
    assert describe(wire, topic).topics == before
