"""What a broker has not imported by the time it is ready: the start is short because of what it leaves out."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

LATER = (
    # Needed by the first request that asks for them, or by a subcommand, or by a bad command line.
    "cramjam",
    "difflib",
    "protocol.messages",
    "broker.handlers",
    "broker.core.groups",
    "broker.coordinators.runtime",
    "protocol.consumer_offsets",
    "broker.config_environment",
    "broker.config_file",
    "broker.config_remarks",
    "broker.inert_properties",
    "broker.wire",
    "tomllib",
    # Of subcommands and services to come.
    "aiohttp",
    "confluent_kafka",
    "google",
    "prometheus_client",
    "rich",
    "shtab",
    # Of the standard library, each a few ms, drawn in by one careless import.
    "email",
    "http",
    "multiprocessing",
    "unittest",
    "urllib.request",
    "xml",
)


@pytest.fixture(scope="module")
def imported() -> set[str]:
    """The modules that a broker imports which starts, is asked nothing, and ends."""
    command = [sys.executable, "-X", "importtime", "-m", "ottla", "serve", "--port", "0", "--ephemeral"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = threading.Timer(60, process.kill)
    deadline.start()
    with process:
        assert process.stdout is not None
        ready = process.stdout.readline()
        process.terminate()
        _, log = process.communicate()
        deadline.cancel()
    assert ready.startswith("Ottla is ready on "), log[-2000:]
    return set(re.findall(r"^import time:.*\| +(\S+)$", log, re.MULTILINE))


def test_the_broker_itself_is_there(imported: set[str]) -> None:
    assert {"broker.cli.main", "broker.server", "storage.log", "uvloop", "protocol.checksum", "sqlite3"} <= imported


@pytest.mark.parametrize("name", LATER)
def test_not_imported(imported: set[str], name: str) -> None:
    assert [module for module in imported if module == name or module.startswith(f"{name}.")] == []
