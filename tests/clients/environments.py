"""Virtual environments, made once in .venvs/ and kept until their requirements or the Python change."""

from __future__ import annotations

import fcntl
import platform
import shutil
import subprocess
import venv
from pathlib import Path

from tests.support.broker_process import CHECKOUT

from .clients import Client

ENVIRONMENTS = CHECKOUT / ".venvs"
INSTALL_TIMEOUT_S = 300.0
_STAMP = "requirements.txt"


def python_of(client: Client) -> Path:
    """Return the Python that has this client, which is installed first if need be."""
    return python_with(client.name.replace(" ", "-"), client.requirements)


def python_with(name: str, requirements: tuple[str, ...]) -> Path:
    """Return the Python of the environment of this name, where these are installed first if need be.

    Raises AssertionError with pip's words where that fails.
    """
    directory = ENVIRONMENTS / name
    python = directory / "bin" / "python"
    stamp = directory / _STAMP
    wanted = "\n".join([f"# Python {platform.python_version()}", *requirements, ""])
    ENVIRONMENTS.mkdir(exist_ok=True)
    with (ENVIRONMENTS / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two test runs may want it at the same time
        if not stamp.exists() or stamp.read_text() != wanted:
            shutil.rmtree(directory, ignore_errors=True)
            venv.create(directory, with_pip=True, symlinks=True)
            _install(python, requirements)
            stamp.write_text(wanted)
    return python


def _install(python: Path, requirements: tuple[str, ...]) -> None:
    done = subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", *requirements],
        capture_output=True,
        text=True,
        timeout=INSTALL_TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, f"pip could not install {' '.join(requirements)}:\n{done.stdout}{done.stderr}"
