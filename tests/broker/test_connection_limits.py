"""Who may connect: limits in all, on a listener and from an address, as they stand and as they change at run time."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from broker.broker import Broker
from broker.config import Config, StartupError
from broker.connection_limits import OpenConnections, connection_limits_of, override_addresses
from protocol.errors import ErrorCode
from tests.support.admin_over_the_wire import BROKER, set_config
from tests.support.running_broker import running
from tests.support.wait import wait_until
from tests.support.wire import ConnectionClosed, WireClient

NODE = "0"
SILENCE_S = 0.2
"""How long a client listens that is told nothing: a broker that answers it all the same mostly does so by then."""

BAD = [
    ({"max.connections": "0"}, "max.connections must be at least 1, or nobody could connect."),
    (
        {"listener.name.plaintext.max.connections": "0"},
        "listener.name.plaintext.max.connections must be at least 1, or nobody could connect.",
    ),
    (
        {"max.connections.per.ip": "0"},
        "max.connections.per.ip can be 0 only if max.connections.per.ip.overrides names an address that may connect "
        "all the same.",
    ),
    (
        {"max.connections.per.ip.overrides": "host:x"},
        "Invalid value x for configuration max.connections.per.ip.overrides: Not a number of type INT.",
    ),
    (
        {"max.connections.per.ip.overrides": "host:99999999999"},
        "Invalid value 99999999999 for configuration max.connections.per.ip.overrides: Not a number of type INT.",
    ),
    ({"max.connections.per.ip.overrides": "host"}, "max.connections.per.ip.overrides has 'host', which is not HOST:N"),
    ({"max.connections.per.ip.overrides": ":3"}, "max.connections.per.ip.overrides has ':3', which is not HOST:N"),
    ({"max.connections.per.ip.overrides": "a b:3"}, "max.connections.per.ip.overrides has 'a b:3', which is not HOST"),
    ({"max.connections.per.ip.overrides": "[::1]:3"}, "max.connections.per.ip.overrides has '[::1]:3', which is not "),
    ({"max.connections.per.ip.overrides": "a:3,,b:5"}, "max.connections.per.ip.overrides has '', which is not HOST:N"),
]
BAD_AT_THE_START = [
    (
        {"listener.name.plaintext.max.connections": "x"},
        "Invalid value x for configuration listener.name.plaintext.max.connections: Not a number of type INT.",
    ),
    (
        {"queued.max.request.bytes": "1000"},
        "queued.max.request.bytes must be at least socket.request.max.bytes, or 0 for no limit.",
    ),
    ({"connections.max.idle.ms": "0"}, "connections.max.idle.ms must be more than 100, or below 0 for ever."),
    ({"connections.max.idle.ms": "100"}, "connections.max.idle.ms must be more than 100, or below 0 for ever."),
]


@pytest.mark.parametrize(("settings", "sentence"), BAD + BAD_AT_THE_START)
def test_what_makes_no_sense_ends_the_start_with_one_sentence(settings: dict[str, str], sentence: str) -> None:
    with pytest.raises(StartupError) as raised:
        Config(settings)
    assert str(raised.value).startswith(sentence)
    assert str(raised.value).endswith(".")


@pytest.mark.parametrize("resource", [NODE, ""])
async def test_what_makes_no_sense_is_refused_at_run_time(tmp_path: Path, resource: str) -> None:
    async with running(tmp_path) as broker:
        for settings, sentence in BAD:
            code, message = await asyncio.to_thread(refused, broker, resource, settings)
            assert code == ErrorCode.INVALID_REQUEST
            assert message.startswith(sentence.removesuffix("."))


def refused(broker: Broker, resource: str, settings: dict[str, str]) -> tuple[int, str]:
    configs = [{"name": name, "config_operation": 0, "value": text} for name, text in settings.items()]
    resources = [{"resource_type": BROKER, "resource_name": resource, "configs": configs}]
    with WireClient(broker.endpoints()[0]) as client:
        (result,) = client.ask("IncrementalAlterConfigs", 1, resources=resources).responses
    return int(result.error_code), result.error_message


def test_what_is_taken() -> None:
    limits = connection_limits_of(
        Config(
            {
                "max.connections": "10",
                "listener.name.more.max.connections": "3",
                "max.connections.per.ip": "0",
                "max.connections.per.ip.overrides": " 127.0.0.9 : 3 , ::1:+4,localhost:2",
            }
        )
    )
    assert limits == (10, {"more": 3}, 0, {"127.0.0.9": 3, "::1": 4, "localhost": 2})
    assert connection_limits_of(Config({"max.connections.per.ip.overrides": ""})).overrides == {}


def test_a_name_stands_for_its_addresses() -> None:
    by_address, unknown = override_addresses({"localhost": 2, "0::1": 4, "no.such.host.invalid": 1, "a..b": 1})
    assert by_address["127.0.0.1"] == 2
    assert by_address["::1"] == 4
    assert unknown == ["no.such.host.invalid", "a..b"]


def test_connections_are_counted() -> None:
    config = Config({"max.connections": "3", "listener.name.more.max.connections": "1", "max.connections.per.ip": "2"})
    connections = OpenConnections(connection_limits_of(config))
    connections.follow({"fe80::1": 1})
    connections.add("MORE", "::1")
    assert not connections.has_room("MORE")
    assert connections.has_room("PLAINTEXT")
    connections.add("PLAINTEXT", "::1")
    assert connections.limit_reached("::1") == 2
    assert connections.limit_reached("fe80::1%eth0") is None
    connections.add("PLAINTEXT", "fe80::1%eth0")
    assert connections.limit_reached("fe80::1%eth0") == 1
    assert not connections.has_room("PLAINTEXT")
    connections.discard("MORE", "::1")
    assert connections.has_room("MORE")
    assert connections.limit_reached("::1") is None


# --- a broker with limits ------------------------------------------------------------------------------------------


class Clients:
    """Connections to a broker in the test's process; its methods are for a thread."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self._opened = contextlib.ExitStack()

    def open(self, endpoint: int = 0, from_host: str | None = None) -> WireClient:
        return self._opened.enter_context(WireClient(self.broker.endpoints()[endpoint], from_host=from_host))

    def open_served(self, endpoint: int = 0, from_host: str | None = None) -> WireClient:
        client = self.open(endpoint, from_host)
        assert is_served(client)
        return client

    def close(self) -> None:
        self._opened.close()


def is_served(client: WireClient) -> bool:
    """Ask; a connection that is closed raises ConnectionClosed."""
    return bool(client.ask("ApiVersions", 0).error_code == ErrorCode.NONE)


def is_closed(client: WireClient) -> bool:
    try:
        is_served(client)
    except (ConnectionClosed, ConnectionError):
        return True
    return False


def is_left_waiting(client: WireClient, broker: Broker) -> bool:
    """Ask, and see that the broker has not even accepted the connection."""
    client.send("ApiVersions", 0)
    wait_until(lambda: broker.server._without_room, "the broker accepts nobody")
    client.socket.settimeout(SILENCE_S)
    with pytest.raises(TimeoutError):
        client.receive_frame()
    client.socket.settimeout(30)
    return True


@contextlib.asynccontextmanager
async def clients_of(path: Path, **settings: str) -> AsyncIterator[Clients]:
    named = {name.replace("__", "."): text for name, text in settings.items()}
    async with running(path, settings=named) as broker:
        clients = Clients(broker)
        try:
            yield clients
        finally:
            clients.close()


LISTENERS = {
    "listeners": "PLAINTEXT://127.0.0.1:0,MORE://127.0.0.1:0",
    "listener__security__protocol__map": "PLAINTEXT:PLAINTEXT,MORE:PLAINTEXT",
}


async def test_beyond_max_connections_one_waits_until_another_closes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def scenario(clients: Clients) -> None:
        first, _ = clients.open_served(), clients.open_served()
        third = clients.open()
        assert is_left_waiting(third, clients.broker)
        first.close()
        third.receive("ApiVersions", 0, 1)
        assert is_served(third)

    async with clients_of(tmp_path, max__connections="2") as clients:
        await asyncio.to_thread(scenario, clients)
    assert caplog.text.count("There are as many connections as max.connections allows; others wait.") == 1


async def test_a_broker_that_is_full_stops(tmp_path: Path) -> None:
    async with clients_of(tmp_path, max__connections="1") as clients:
        await asyncio.to_thread(clients.open_served)
        waiting = await asyncio.to_thread(clients.open)
        await asyncio.to_thread(is_left_waiting, waiting, clients.broker)


async def test_a_listener_has_a_limit_of_its_own(tmp_path: Path) -> None:
    def scenario(clients: Clients) -> None:
        first, elsewhere = clients.open_served(1), clients.open_served(0)
        second = clients.open(1)
        assert is_left_waiting(second, clients.broker)
        assert clients.open_served(0)
        set_config(elsewhere, BROKER, NODE, "listener.name.more.max.connections", "2")
        second.receive("ApiVersions", 0, 1)
        set_config(elsewhere, BROKER, "", "listener.name.more.max.connections", "5")
        set_config(elsewhere, BROKER, NODE, "listener.name.more.max.connections", "1")
        assert is_served(first)  # a listener's lower limit closes nobody
        assert is_served(second)
        third = clients.open(1)
        assert is_left_waiting(third, clients.broker)
        set_config(elsewhere, BROKER, NODE, "listener.name.more.max.connections", None)
        third.receive("ApiVersions", 0, 1)

    settings = {**LISTENERS, "listener__name__more__max__connections": "1"}
    async with clients_of(tmp_path, **settings) as clients:
        await asyncio.to_thread(scenario, clients)


async def test_a_lower_limit_closes_those_that_are_idle_longest(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    async with clients_of(tmp_path) as clients:
        sweep = clients.broker.server.idle_connections.sweep
        idle, busy, control = [await asyncio.to_thread(clients.open_served) for _ in range(3)]
        await sweep()
        await asyncio.to_thread(is_served, busy)
        await sweep()
        await asyncio.to_thread(set_config, control, BROKER, "", "max.connections", "2")
        assert await asyncio.to_thread(is_closed, idle)
        assert await asyncio.to_thread(is_served, busy)
        assert "The 1 that are idle longest are closed: max.connections is lower now" in caplog.text
        waiting = await asyncio.to_thread(clients.open)
        await asyncio.to_thread(is_left_waiting, waiting, clients.broker)
        await asyncio.to_thread(set_config, control, BROKER, "", "max.connections", None)
        await asyncio.to_thread(waiting.receive, "ApiVersions", 0, 1)


async def test_beyond_the_limit_of_an_address_connections_are_closed_at_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def scenario(clients: Clients) -> None:
        first, second = clients.open_served(), clients.open_served()
        assert is_closed(clients.open())
        assert clients.open_served(from_host="127.0.0.2")
        first.close()
        wait_until(lambda: not is_closed(clients.open()), "the place of the one that has closed is free")
        set_config(second, BROKER, "", "max.connections.per.ip", "1")
        assert is_closed(clients.open())
        assert is_served(second)  # a lower limit closes nobody
        set_config(second, BROKER, "", "max.connections.per.ip.overrides", "127.0.0.2:0,127.0.0.1:100")
        assert clients.open_served()
        assert is_closed(clients.open(from_host="127.0.0.2"))

    async with clients_of(tmp_path, max__connections__per__ip="2") as clients:
        await asyncio.to_thread(scenario, clients)
    assert "Refusing the connection of 127.0.0.1, which has the 2 that max.connections.per.ip allows." in caplog.text


async def test_some_addresses_alone_may_connect(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def scenario(clients: Clients) -> None:
        assert is_closed(clients.open(from_host="127.0.0.2"))
        assert clients.open_served()

    overrides = "localhost:10,no.such.host.invalid:5"
    settings = {"max__connections__per__ip": "0", "max__connections__per__ip__overrides": overrides}
    async with clients_of(tmp_path, **settings) as clients:
        await asyncio.to_thread(scenario, clients)
    assert "hosts that are not known, and whose limits hold for nobody: no.such.host.invalid" in caplog.text
