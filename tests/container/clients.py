"""Stock clients beside a container: on the host, and in a container of their own in the same network."""

from __future__ import annotations

import secrets
import subprocess
import sys
from pathlib import Path
from typing import Any

import kafka

from tests.support.wait import DEADLINE_S

PROGRAM = Path(__file__).with_name("round_trip.py")
# kafka-python is pure Python, so that the one of these tests runs under any other Python too.
KAFKA_PYTHON = Path(kafka.__file__).parent


def round_trip_on_host(bootstrap: str) -> None:
    """Have each client write records to a new topic and read them back; fails with what they say."""
    done = subprocess.run(
        [sys.executable, str(PROGRAM), bootstrap, _topic()],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S * 4,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def round_trip_in_network(engine: Any, client_image: str, network: str, bootstrap: str) -> None:
    """The same in a container in a network."""
    mounts = {
        str(PROGRAM): {"bind": "/round_trip.py", "mode": "ro"},
        str(KAFKA_PYTHON): {"bind": "/libraries/kafka", "mode": "ro"},
    }
    container = engine.containers.run(
        client_image,
        ["python", "/round_trip.py", bootstrap, _topic()],
        environment={"PYTHONPATH": "/libraries"},
        volumes=mounts,
        network=network,
        detach=True,
    )
    try:
        exit_code = container.wait(timeout=DEADLINE_S * 4)["StatusCode"]
        assert exit_code == 0, container.logs().decode()
    finally:
        container.remove(force=True)


def _topic() -> str:
    return f"coffees-{secrets.token_hex(4)}"
