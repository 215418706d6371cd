"""Every feature with every client; one that a client lacks must end with that client's own error."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .admin_methods import NOT_SHOWN, SHOWN_BY
from .client_process import ClientError, ClientProcess
from .clients import CLIENTS, LIMITATIONS
from .environments import INSTALL_TIMEOUT_S
from .setting import FEATURES, Setting
from .table import DOCUMENT, render

FIRST_TIMEOUT_S = 5 * INSTALL_TIMEOUT_S
"""The first test may have to install the clients."""


@pytest.mark.timeout(FIRST_TIMEOUT_S)
@pytest.mark.parametrize("feature", FEATURES)
@pytest.mark.parametrize("client", [client.name for client in CLIENTS])
def test_feature(client: str, feature: str, make_setting: Callable[[str], Setting]) -> None:
    check = FEATURES[feature]
    limitation = LIMITATIONS.get((client, feature))
    setting = make_setting(client)
    if limitation is not None:
        with pytest.raises((ClientError, AssertionError), match=limitation.error):
            check(setting)
        return
    setting.client.called.clear()
    check(setting)
    shown = {method for method, shown_by in SHOWN_BY.items() if shown_by == feature}
    if shown:
        assert shown & set(setting.ask("admin_methods")) <= setting.client.called


@pytest.mark.timeout(FIRST_TIMEOUT_S)
def test_every_method_of_the_admin_clients_is_shown_or_has_a_reason(clients: dict[str, ClientProcess]) -> None:
    methods = {name: set(client.ask("admin_methods")) for name, client in clients.items()}
    known = SHOWN_BY.keys() | NOT_SHOWN.keys()
    assert {name: unknown for name, each in methods.items() if (unknown := each - known)} == {}
    assert known - set().union(*methods.values()) == set(), "no client has these any more"


def test_features_that_show_methods_are_in_the_table() -> None:
    assert set(SHOWN_BY.values()) <= FEATURES.keys()


def test_limitations_are_of_cells_of_the_table() -> None:
    cells = {(client.name, feature) for client in CLIENTS for feature in FEATURES}
    assert set(LIMITATIONS) <= cells


def test_documented_table_is_current() -> None:
    assert DOCUMENT.read_text() == render(), "run: python -m tests.clients.table"
