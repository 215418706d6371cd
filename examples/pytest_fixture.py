"""A broker for tests without Docker: a pytest fixture that starts one, and a test that uses it.

    python -m pytest examples/pytest_fixture.py

Ottla has to be installed where pytest is, see docs/pytest.md. One sees:

    ... 1 passed...
"""

import re
import subprocess
import sys
from collections.abc import Iterator

import pytest
from kafka import KafkaConsumer, KafkaProducer


@pytest.fixture(scope="session")
def kafka() -> Iterator[str]:
    """`host:port` of a broker on a free port, which forgets everything at the end."""
    command = [sys.executable, "-m", "ottla", "serve", "--ephemeral", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as broker:
        assert broker.stdout
        try:
            ready = re.match(r"Ottla is ready on (\S+:\d+)", broker.stdout.readline())
            assert ready, "the broker did not start; it says why on stderr"
            yield ready[1]
        finally:
            broker.terminate()


def test_what_is_sent_is_read(kafka: str) -> None:
    with KafkaProducer(bootstrap_servers=kafka) as producer:
        producer.send("orders", b"3 for Ada").get(timeout=10)
    with KafkaConsumer("orders", bootstrap_servers=kafka, auto_offset_reset="earliest") as consumer:
        assert next(consumer).value == b"3 for Ada"
