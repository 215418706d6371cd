"""docker/compose.yaml does what it says, up and down."""

from __future__ import annotations

import secrets
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.wire import free_ports

from .engine import CLIENT_IMAGE, IMAGE, ROOT, TAG, require

FILE = ROOT / "docker" / "compose.yaml"
TIMEOUT_S = 120
Compose = Callable[..., str]


@pytest.fixture(scope="session")
def compose_command(engine: Any) -> list[str]:
    """How compose is called here: a plugin of docker, or a program of its own."""
    plugin = ["docker", "compose"]
    if shutil.which("docker") and not subprocess.run([*plugin, "version"], capture_output=True, check=False).returncode:
        return plugin
    require("There is neither `docker compose` nor docker-compose." if not shutil.which("docker-compose") else None)
    return ["docker-compose"]


@pytest.fixture
def compose(
    engine: Any, compose_command: list[str], image: str, client_image: str, tmp_path: Path
) -> Iterator[Compose]:
    """Call compose on the file with the images of these tests, and another port of the host, as 9092 may be taken."""
    (port,) = free_ports(1)
    text = FILE.read_text().replace("image: ottla-orders\n", f"image: {CLIENT_IMAGE}\n")
    text = text.replace("image: ottla\n", f"image: {IMAGE}:{TAG}\n").replace('"9092:9092"', f'"{port}:9092"')
    assert text.count(CLIENT_IMAGE) == text.count(f"{IMAGE}:{TAG}") == text.count(str(port)) == 1
    file = tmp_path / "compose.yaml"
    file.write_text(text)
    project = f"ottla-test-{secrets.token_hex(4)}"
    options = ["--project-name", project, "--project-directory", str(FILE.parent), "--file", str(file)]

    def call(*arguments: str) -> str:
        command = [*compose_command, *options, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    yield call
    if engine.containers.list(all=True, filters={"label": f"com.docker.compose.project={project}"}):
        call("down", "--volumes")


def test_up_and_down(engine: Any, compose: Compose) -> None:
    output = compose("up", "--no-build", "--no-color", "--exit-code-from", "orders")
    for order in ("0: 3 for Ada", "1: 1 for Grace", "2: 2 for Ada"):
        assert order in output
    compose("down", "--volumes")
    assert engine.containers.list(all=True, filters={"ancestor": CLIENT_IMAGE}) == []
