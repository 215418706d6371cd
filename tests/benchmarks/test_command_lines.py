"""What a command says that cannot do its work: one sentence, or nothing."""

import os
import subprocess
import sys

import pytest

from tests.support.broker_process import CHECKOUT
from tests.support.wait import DEADLINE_S


def run(*command: str, stdout: int = subprocess.PIPE) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command],
        cwd=CHECKOUT,
        # With a buffer, which is what is written last.
        env={name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"},
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )


@pytest.mark.parametrize("module", ["benchmarks.bench", "tests.differential"])
def test_without_the_packages_it_says_how_to_install_them(module: str) -> None:
    done = run("-S", "-m", module)  # without site-packages
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert "is missing" in line
    assert "make test" in line


def test_a_reader_that_has_left_is_no_reason_for_noise() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = run("-m", "tests.differential", "--help", stdout=writing)
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (1, "")
