"""The table of APIs against the messages and handlers that it names."""

from __future__ import annotations

import importlib
import inspect

import pytest

from broker.context import RequestContext
from broker.registry import APIS, Api, Router


@pytest.mark.parametrize("api", APIS, ids=lambda api: api.name)
def test_messages_and_handler_are_what_the_table_says(api: Api) -> None:
    messages = importlib.import_module(f"protocol.messages.{api.module}")
    handler = importlib.import_module(f"broker.handlers.{api.module}")
    request = getattr(messages, f"{api.name}Request")
    response = getattr(messages, f"{api.name}Response")
    assert request.API_KEY == response.API_KEY == api.key
    assert tuple(request.VERSIONS) == tuple(response.VERSIONS) == (api.min_version, api.max_version)
    signature = inspect.signature(handler.handle)
    assert [parameter.annotation for parameter in signature.parameters.values()] == [
        RequestContext.__name__,
        request.__name__,
    ]
    assert response.__name__ in signature.return_annotation


@pytest.mark.parametrize("api", APIS, ids=lambda api: api.name)
def test_every_version_has_a_route_and_no_other(api: Api) -> None:
    router = Router()
    for version in range(api.min_version, api.max_version + 1):
        route = router.find(api.key, version)
        assert route is not None
        assert (route.api, route.version) == (api, version)
        assert router.find(api.key, version) is route
    assert router.find(api.key, api.min_version - 1) is None
    assert router.find(api.key, api.max_version + 1) is None


def test_unknown_keys_have_no_route() -> None:
    assert Router().find(-1, 0) is None
    assert Router().find(32767, 0) is None
    assert Router().find(4, 0) is None


def test_keys_are_unique_and_in_order() -> None:
    keys = [api.key for api in APIS]
    assert keys == sorted(set(keys))
