"""Default gateways, from route tables as Linux shows them."""

from __future__ import annotations

from pathlib import Path

import pytest

from broker import gateways
from broker.gateways import Gateways, gateways_in, gateways_in_6
from tests.support.manual_clock import ManualClock

HEADING = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT     \n"
# Of a container in Docker's own network, on a machine of little-endian numbers.
DEFAULT = "eth0\t00000000\t010011AC\t0003\t0\t0\t0\t00000000\t0\t0\t0     \n"
NETWORK = "eth0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0     \n"
TO_A_NETWORK = "eth1\t0000000A\t010012AC\t0003\t0\t0\t0\t000000FF\t0\t0\t0     \n"
DOWN = "eth0\t00000000\t020011AC\t0002\t0\t0\t0\t00000000\t0\t0\t0     \n"
WITHOUT_GATEWAY = "ppp0\t00000000\t00000000\t0001\t0\t0\t0\t00000000\t0\t0\t0     \n"

NOWHERE = "0" * 32
DEFAULT_6 = f"{NOWHERE} 00 {NOWHERE} 00 fd000000000000000000000000000001 00000400 00000003 00000000 00000003     eth0\n"
NETWORK_6 = f"fd{'0' * 30} 40 {NOWHERE} 00 {NOWHERE} 00000100 00000001 00000000 00000001     eth0\n"
UNREACHABLE_6 = f"{NOWHERE} 00 {NOWHERE} 00 {NOWHERE} ffffffff 00000001 00000000 00200200       lo\n"


@pytest.fixture(autouse=True)
def little_endian(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateways.sys, "byteorder", "little")


@pytest.mark.parametrize(
    ("routes", "found"),
    [
        (HEADING + DEFAULT + NETWORK, ["172.17.0.1"]),
        (HEADING + NETWORK + TO_A_NETWORK + DOWN + WITHOUT_GATEWAY, []),
        (HEADING + NETWORK + DEFAULT + DEFAULT.replace("010011AC", "01020A0A"), ["172.17.0.1", "10.10.2.1"]),
        (HEADING, []),
        ("", []),
    ],
)
def test_default_gateways(routes: str, found: list[str]) -> None:
    assert list(gateways_in(routes)) == found


@pytest.mark.parametrize(
    ("routes", "found"),
    [(NETWORK_6 + DEFAULT_6 + UNREACHABLE_6, ["fd00::1"]), (NETWORK_6 + UNREACHABLE_6, []), ("", [])],
)
def test_default_gateways_of_ipv6(routes: str, found: list[str]) -> None:
    assert list(gateways_in_6(routes)) == found


def test_who_comes_from_a_gateway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = tmp_path / "route"
    table.write_text(HEADING + NETWORK)
    monkeypatch.setattr(gateways, "_ROUTES", str(table))
    monkeypatch.setattr(gateways, "_ROUTES_6", str(tmp_path / "missing"))
    clock = ManualClock()
    found = Gateways(clock)
    assert "172.17.0.1" not in found
    table.write_text(HEADING + DEFAULT + NETWORK)
    clock.advance(2000)
    assert "172.17.0.1" in found
    assert "::ffff:172.17.0.1" in found
    assert "172.17.0.2" not in found
    assert "fd00::1" not in found


def test_where_there_is_no_table_nobody_comes_from_a_gateway(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateways, "_ROUTES", "/no/such/file")
    monkeypatch.setattr(gateways, "_ROUTES_6", "/no/such/file")
    assert "172.17.0.1" not in Gateways(ManualClock())
