"""Where a broker listens, and what it tells clients to connect to."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest

from tests.support.broker_process import BrokerProcess
from tests.support.records_over_the_wire import describe
from tests.support.wire import WireClient


def has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


def told(address: tuple[str, int]) -> tuple[str, int]:
    """The address that Metadata and DescribeCluster tell a client that came to this one."""
    with WireClient(address) as client:
        (broker,) = describe(client).brokers
        (same,) = client.ask("DescribeCluster", 2).brokers
    assert (broker.host, broker.port) == (same.host, same.port)
    return broker.host, broker.port


def settings(**properties: str) -> list[str]:
    return [word for name, value in properties.items() for word in ("--set", f"{name.replace('_', '.')}={value}")]


@pytest.mark.parametrize("hosts", [("127.0.0.1", "127.0.0.2"), ("127.0.0.1", "::1"), ("::1", "127.0.0.1")])
def test_each_listener_tells_its_own_address(hosts: tuple[str, str], make_broker: Callable[..., BrokerProcess]) -> None:
    if "::1" in hosts and not has_ipv6():
        pytest.skip("this machine has no IPv6")
    bracketed = [f"[{host}]" if ":" in host else host for host in hosts]
    broker = make_broker(
        *settings(
            listeners=f"OUTSIDE://{bracketed[0]}:0,INSIDE://{bracketed[1]}:0",
            listener_security_protocol_map="OUTSIDE:PLAINTEXT,INSIDE:PLAINTEXT",
        ),
        host=None,
        port=None,
    ).start()
    assert tuple(host for host, _ in broker.ready.endpoints) == hosts
    for endpoint in broker.ready.endpoints:
        assert told(endpoint) == endpoint


def test_a_listener_on_every_address_tells_the_one_that_was_reached(make_broker: Callable[..., BrokerProcess]) -> None:
    broker = make_broker(host="0.0.0.0").start()
    ((_, port),) = broker.ready.endpoints
    for host in ("127.0.0.1", "127.0.0.2"):
        assert told((host, port)) == (host, port)


def test_advertised_listeners_are_told_as_they_are(make_broker: Callable[..., BrokerProcess]) -> None:
    broker = make_broker(*settings(advertised_listeners="PLAINTEXT://broker.example.com:19092")).start()
    assert told(broker.address) == ("broker.example.com", 19092)


def test_the_readme_address_works_by_name(make_broker: Callable[..., BrokerProcess]) -> None:
    broker = make_broker(host="localhost").start()
    with WireClient(("localhost", broker.address[1])) as client:
        assert describe(client).brokers
