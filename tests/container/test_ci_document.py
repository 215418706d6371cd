"""What docs/ci.md tells a reader to write does what it says, with the image of these tests in the place of its name."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from benchmarks.wire import free_ports
from tests.support.records_over_the_wire import describe
from tests.support.wait import DEADLINE_S
from tests.support.wire import WireClient

from .clients import round_trip_in_network, round_trip_on_host
from .compose_files import environment_of, published_ports
from .conftest import StartBroker
from .container import HOST, PORT
from .engine import NO_IMAGES_OF_THEIRS, ROOT, TAG
from .java_programs import run_java

TEXT = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
IMAGE_NAME = re.compile(r"(registry\.example\.com/)?ottla(:[\d.]+)?")
NAME = "kafka"


def snippets(language: str) -> list[str]:
    """The blocks of one language, in order."""
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


def the_yaml_with(key: str) -> Any:
    """The one YAML block that has a key on its top level."""
    (found,) = (block for block in map(yaml.safe_load, snippets("yaml")) if key in block)
    return found


def test_listeners_for_a_remapped_port_and_the_network(
    engine: Any, start: StartBroker, client_image: str, network: str
) -> None:
    service = the_yaml_with("services")["services"][NAME]
    ((container_port, host_port),) = published_ports(service["ports"]).items()
    assert IMAGE_NAME.fullmatch(service["image"])
    # The host's port may be taken, so it is another one here and in what the host is told.
    (port,) = free_ports(1)
    environment = environment_of(service)
    advertised = environment["KAFKA_ADVERTISED_LISTENERS"]
    assert f"localhost:{host_port}" in advertised
    environment["KAFKA_ADVERTISED_LISTENERS"] = advertised.replace(f"localhost:{host_port}", f"localhost:{port}")
    broker = start(environment=environment, ports={f"{container_port}/tcp": (HOST, port)})
    engine.networks.get(network).connect(broker.container, aliases=[NAME])
    broker.wait_until_ready()
    round_trip_on_host(f"{HOST}:{port}")
    round_trip_in_network(engine, client_image, network, f"{NAME}:{PORT}")


def test_github_actions(start: StartBroker) -> None:
    (job,) = the_yaml_with("jobs")["jobs"].values()
    service = job["services"][NAME]
    assert IMAGE_NAME.fullmatch(service["image"])
    assert published_ports(service["ports"]) == {PORT: PORT}
    assert job["steps"][-1]["env"]["BOOTSTRAP"] == f"localhost:{PORT}"
    broker = start(environment=environment_of(service), published=True, healthcheck={"interval": 250_000_000})
    broker.wait_until_healthy()
    with WireClient(broker.address) as wire:
        assert [(each.host, each.port) for each in describe(wire).brokers] == [("localhost", PORT)]


def test_gitlab(engine: Any, start: StartBroker, client_image: str, network: str) -> None:
    job = the_yaml_with("test")["test"]
    (service,) = job["services"]
    assert IMAGE_NAME.fullmatch(service["name"])
    variables = {name: str(value) for name, value in job["variables"].items()}
    broker = start(environment=variables)
    engine.networks.get(network).connect(broker.container, aliases=[service["alias"]])
    broker.wait_until_ready()
    round_trip_in_network(engine, client_image, network, variables["BOOTSTRAP"])
    assert "WARNING" not in broker.log


def test_testcontainers_for_python(image: str) -> None:
    (program,) = snippets("python")
    assert f'"ottla:{TAG}"' in program
    done = subprocess.run(
        [sys.executable, "-c", program.replace(f"ottla:{TAG}", image)],
        env={**os.environ, **NO_IMAGES_OF_THEIRS},
        capture_output=True,
        text=True,
        timeout=DEADLINE_S * 4,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "0\n"), done.stderr


def test_testcontainers_for_java(image: str, java_jars: str, tmp_path: Path) -> None:
    (snippet,) = snippets("java")
    assert 'parse("ottla")' in snippet
    program = tmp_path / "Snippet.java"
    program.write_text(
        "import org.testcontainers.kafka.KafkaContainer;\n"
        "import org.testcontainers.utility.DockerImageName;\n"
        "public class Snippet { public static void main(String[] arguments) {\n"
        + snippet.replace('"ottla"', f'"{image}"')
        + "} }\n"
    )
    assert re.fullmatch(r"\S+:\d+\n", run_java(java_jars, program))
