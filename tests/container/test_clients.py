"""Stock clients reach a broker in a container, with no configuration at all or one written for apache/kafka."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks.wire import free_ports
from tests.support.records_over_the_wire import describe

from .clients import round_trip_in_network, round_trip_on_host
from .compose_files import environment_of, published_ports
from .conftest import StartBroker
from .container import HOST, PORT

LAYOUTS = sorted((Path(__file__).parent / "layouts").glob("*.yaml"))
INTERNAL_PORT = 19092


def test_without_configuration_the_host_is_told_localhost(start: StartBroker) -> None:
    broker = start(published=True)
    broker.wait_until_ready()
    with broker.connect() as wire:
        assert [(each.host, each.port) for each in describe(wire).brokers] == [("localhost", PORT)]


def test_clients_on_the_host(start: StartBroker) -> None:
    # As without configuration, but for the port, which may be taken on this host.
    (port,) = free_ports(1)
    broker = start(environment={"KAFKA_LISTENERS": f"PLAINTEXT://:{port}"}, ports={f"{port}/tcp": port})
    broker.wait_until_ready()
    round_trip_on_host(f"localhost:{port}")


def test_clients_in_the_network_without_configuration(
    engine: Any, start: StartBroker, client_image: str, network: str
) -> None:
    broker = start(network=network, name=f"ottla-{network}")
    broker.wait_until_ready()
    round_trip_in_network(engine, client_image, network, f"ottla-{network}:{PORT}")


def test_a_remapped_port_is_advertised(start: StartBroker) -> None:
    (port,) = free_ports(1)
    broker = start(
        environment={"KAFKA_ADVERTISED_LISTENERS": f"PLAINTEXT://localhost:{port}"}, ports={f"{PORT}/tcp": (HOST, port)}
    )
    broker.wait_until_ready()
    round_trip_on_host(f"{HOST}:{port}")


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda path: path.stem)
def test_a_compose_file_for_apache_kafka_needs_only_another_image(
    engine: Any, start: StartBroker, client_image: str, network: str, volume: str, layout: Path
) -> None:
    (port,) = free_ports(1)
    # The host's port may be taken, so it is another one here and in what the host is told.
    text = layout.read_text().replace("localhost:9092", f"localhost:{port}").replace('"9092:', f'"{port}:')
    (service,) = yaml.safe_load(text)["services"].values()
    broker = start(
        environment=environment_of(service),
        healthcheck={"interval": 250_000_000},
        hostname=service.get("hostname"),
        ports={f"{container}/tcp": host for container, host in published_ports(service["ports"]).items()},
        volumes=[each.replace("data:", f"{volume}:", 1) for each in service.get("volumes", [])],
    )
    alias = service.get("hostname", "broker")
    engine.networks.get(network).connect(broker.container, aliases=[alias])
    broker.wait_until_ready()
    broker.wait_until_healthy()
    round_trip_on_host(f"localhost:{port}")
    if "hostname" in service:
        round_trip_in_network(engine, client_image, network, f"{alias}:{INTERNAL_PORT}")
    assert "WARNING" not in broker.log
