"""Every feature with every client; one that a client lacks must end with that client's own error."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .client_process import ClientError
from .clients import CLIENTS, LIMITATIONS
from .environments import INSTALL_TIMEOUT_S
from .setting import FEATURES, Setting
from .table import DOCUMENT, render


@pytest.mark.timeout(5 * INSTALL_TIMEOUT_S)  # the first one may have to install the clients
@pytest.mark.parametrize("feature", FEATURES)
@pytest.mark.parametrize("client", [client.name for client in CLIENTS])
def test_feature(client: str, feature: str, make_setting: Callable[[str], Setting]) -> None:
    check = FEATURES[feature]
    limitation = LIMITATIONS.get((client, feature))
    if limitation is None:
        check(make_setting(client))
        return
    with pytest.raises((ClientError, AssertionError), match=limitation.error):
        check(make_setting(client))


def test_limitations_are_of_cells_of_the_table() -> None:
    cells = {(client.name, feature) for client in CLIENTS for feature in FEATURES}
    assert set(LIMITATIONS) <= cells


def test_documented_table_is_current() -> None:
    assert DOCUMENT.read_text() == render(), "run: python -m tests.clients.table"
