"""Fixtures: the engine, the images, built once, and brokers, volumes and networks that go with the test."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Iterator
from typing import Any

import docker
import pytest
from docker.errors import NotFound
from docker.models.containers import Container
from docker.models.networks import Network
from docker.models.volumes import Volume

from .container import HOST, PORT, BrokerContainer
from .engine import CLIENT_IMAGE, IMAGE, ROOT, TAG, build, require_docker, unavailable
from .java_programs import testcontainers_jars

BUILD_TIMEOUT_S = 600
StartBroker = Callable[..., BrokerContainer]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give time to the tests here, each of which may be the one that builds the images."""
    for item in items:
        if item.path.is_relative_to(ROOT / "tests" / "container"):
            item.add_marker(pytest.mark.timeout(BUILD_TIMEOUT_S))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say in one line why the container tests did not run."""
    if reason := unavailable():
        terminalreporter.write_line(f"The tests of the container image did not run: {reason}")


@pytest.fixture(scope="session")
def engine() -> Iterator[Any]:
    """A client of the engine."""
    require_docker()
    with contextlib.closing(docker.from_env()) as client:
        yield client


@pytest.fixture(scope="session")
def image(engine: Any) -> str:
    """The image of this checkout."""
    build(engine, ROOT, "docker/Dockerfile", f"{IMAGE}:{TAG}")
    return f"{IMAGE}:{TAG}"


@pytest.fixture(scope="session")
def client_image(engine: Any) -> str:
    """The image of the program in docker/compose.yaml, which has confluent-kafka."""
    build(engine, ROOT / "docker" / "orders", "Dockerfile", CLIENT_IMAGE)
    return CLIENT_IMAGE


@pytest.fixture(scope="session")
def java_jars() -> str:
    """The class path of Testcontainers for Java and of Kafka's clients."""
    return testcontainers_jars()


@pytest.fixture
def leftovers(engine: Any) -> Iterator[list[Any]]:
    """What the test has had the engine make; removed in the order in which the engine lets go of it."""
    made: list[Any] = []
    yield made
    for container in (each for each in made if isinstance(each, Container)):
        with contextlib.suppress(NotFound):  # by the test itself
            container.remove(force=True, v=True)
    for kind in (Network, Volume):
        for each in (each for each in made if isinstance(each, kind)):
            each.remove()


@pytest.fixture
def start(engine: Any, image: str, leftovers: list[Any]) -> StartBroker:
    """Start containers of the image: `start(*command, published=False, **options of docker-py)`; killed at the end.

    A published one is reached from the host at its `address`.
    """

    def start(*command: str, published: bool = False, **options: Any) -> BrokerContainer:
        if published:
            options["ports"] = {f"{PORT}/tcp": (HOST, None)}
        container = engine.containers.create(image, list(command) or None, **options)
        leftovers.append(container)
        container.start()
        return BrokerContainer(container)

    return start


@pytest.fixture
def volume(engine: Any, leftovers: list[Any]) -> str:
    """The name of an empty volume."""
    made = engine.volumes.create(f"ottla-test-{secrets.token_hex(4)}")
    leftovers.append(made)
    return str(made.name)


@pytest.fixture
def network(engine: Any, leftovers: list[Any]) -> str:
    """The name of a network of the test's own, in which containers find each other by name."""
    made = engine.networks.create(f"ottla-test-{secrets.token_hex(4)}")
    leftovers.append(made)
    return str(made.name)
