"""Spark's example, run by the command of its docstring in an environment that has the Spark of its docstring."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable

import pytest

from tests.clients.environments import INSTALL_TIMEOUT_S, python_with
from tests.support.java import FETCH_TIMEOUT_S, require_java

from .program import Program, blocks, docstring, shows

NAME = "spark_count"
QUICK_START = (
    "--master",
    "local[1]",
    "--conf",
    "spark.ui.enabled=false",
    "--driver-java-options",
    "-XX:+UseSerialGC -XX:TieredStopAtLevel=1",
)


@pytest.mark.timeout(INSTALL_TIMEOUT_S + FETCH_TIMEOUT_S)
def test_counts_the_words_of_a_topic(start: Callable[..., Program]) -> None:
    require_java()
    found = re.search(r"pyspark==[\d.]+", docstring(NAME))
    assert found is not None
    directory = python_with(found[0].replace("==", "-"), (found[0],)).parent
    command, *arguments, _ = shlex.split(blocks(NAME)[0])
    program = start(
        NAME,
        launcher=[directory / command, *arguments, *QUICK_START],
        # Spark takes the first python3 of the PATH, and offers its ports on the machine's address.
        environment={"PATH": f"{directory}:{os.environ['PATH']}", "SPARK_LOCAL_IP": "127.0.0.1"},
    )
    assert program.wait(FETCH_TIMEOUT_S) == 0, program.errors[-4000:]
    assert shows(NAME, program.output), program.output
