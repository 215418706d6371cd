"""Listeners; what is accepted and refused was tried with Kafka 4.3's KafkaConfig."""

from __future__ import annotations

import pytest

from broker.config import Config, StartupError
from broker.listeners import Listener, advertised_listeners_of, listeners_of

MAP = "listener.security.protocol.map"


def listeners(text: str, **more: str) -> list[Listener]:
    settings = {"listeners": text, **{name.replace("_", "."): value for name, value in more.items()}}
    return listeners_of(Config(settings))


def test_default() -> None:
    assert listeners_of(Config()) == [Listener("PLAINTEXT", "PLAINTEXT", "localhost", 9092)]


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("PLAINTEXT://:9092", "", 9092),
        ("PLAINTEXT://0.0.0.0:0", "0.0.0.0", 0),
        ("PLAINTEXT://broker-1.example.org:65535", "broker-1.example.org", 65535),
        ("PLAINTEXT://a_b:9092", "a_b", 9092),
        ("PLAINTEXT://[::1]:9092", "::1", 9092),
        ("PLAINTEXT://::1:9092", "::1", 9092),
        ("PLAINTEXT://[fe80::1%eth0]:9092", "fe80::1%eth0", 9092),
        ("plaintext://h:9092", "h", 9092),
    ],
)
def test_one_listener(text: str, host: str, port: int) -> None:
    assert listeners(text) == [Listener("PLAINTEXT", "PLAINTEXT", host, port)]


def test_several_listeners_with_names_of_their_own() -> None:
    protocols = "internal:plaintext, EXTERNAL : PLAINTEXT"
    assert listeners("INTERNAL://:9092, external://h:9093", listener_security_protocol_map=protocols) == [
        Listener("INTERNAL", "PLAINTEXT", "", 9092),
        Listener("EXTERNAL", "PLAINTEXT", "h", 9093),
    ]


@pytest.mark.parametrize("text", ["A://:0,B://:0", "A://127.0.0.1:9092,B://[::1]:9092"])
def test_ports_that_can_be_shared(text: str) -> None:
    assert len(listeners(text, listener_security_protocol_map="A:PLAINTEXT,B:PLAINTEXT")) == 2


@pytest.mark.parametrize(
    "text",
    [
        "A://:9092,B://:9092",
        "A://127.0.0.1:9092,B://127.0.0.2:9092",
        "A://localhost:9092,B://[::1]:9092",
        "A://127.0.0.1:9092,B://[::1]:9092,C://127.0.0.2:9092",
    ],
)
def test_ports_that_cannot_be_shared(text: str) -> None:
    with pytest.raises(StartupError, match="have the same port 9092; only one IPv4 and one IPv6 address can share it"):
        listeners(text, listener_security_protocol_map="A:PLAINTEXT,B:PLAINTEXT,C:PLAINTEXT")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("localhost:9092", "listeners has 'localhost:9092', which is not NAME://HOST:PORT"),
        ("PLAINTEXT://localhost", "which is not NAME://HOST:PORT"),
        ("PLAINTEXT://a b:9092", "which is not NAME://HOST:PORT"),
        ("PLAINTEXT://h:9092/x", "which is not NAME://HOST:PORT"),
        ("://h:9092", "which is not NAME://HOST:PORT"),
        ("PLAINTEXT://h:65536", "listeners has the port 65536, which is not between 0 and 65535"),
        ("PLAINTEXT://h:-1", "listeners has the port -1, which is not between 0 and 65535"),
        ("PLAINTEXT://h:12345678901", "which is not NAME://HOST:PORT"),
        ("PLAINTEXT://a:b:9092", "whose host a:b is no IPv6 address"),
        ("PLAINTEXT://:9092,PLAINTEXT://:9093", "listeners has two listeners named PLAINTEXT"),
        ("FOO://:9092", "The listener FOO has no security protocol in listener.security.protocol.map"),
        ("SSL://:9092", "The listener SSL://:9092 uses SSL, which is not served yet; use PLAINTEXT"),
        ("SASL_PLAINTEXT://:9092", "uses SASL_PLAINTEXT, which is not served yet"),
        ("PLAINTEXT://:9092,", "Configuration 'listeners' values must not be empty"),
        ("", "Configuration 'listeners' must not be empty"),
    ],
)
def test_refused_listeners(text: str, complaint: str) -> None:
    with pytest.raises(StartupError) as refused:
        listeners(text)
    assert complaint in str(refused.value)


@pytest.mark.parametrize(
    ("protocols", "complaint"),
    [
        ("FOO", "listener.security.protocol.map has 'FOO', which is not NAME:PROTOCOL"),
        (":SSL", "has ':SSL', which is not NAME:PROTOCOL"),
        ("FOO:BAR", "gives FOO the protocol BAR, which is none of PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL"),
        ("FOO:SSL,foo:PLAINTEXT", "names the listener FOO twice"),
        ("", "The listener FOO has no security protocol"),
    ],
)
def test_refused_protocol_map(protocols: str, complaint: str) -> None:
    with pytest.raises(StartupError) as refused:
        listeners("FOO://:9092", listener_security_protocol_map=protocols)
    assert complaint in str(refused.value)


def test_without_advertised_listeners_clients_come_back_to_where_they_arrived() -> None:
    config = Config({"listeners": "A://:9092,B://h:9093", MAP: "A:PLAINTEXT,B:PLAINTEXT"})
    assert advertised_listeners_of(config) == {
        "A": Listener("A", "PLAINTEXT", "", 0),
        "B": Listener("B", "PLAINTEXT", "", 0),
    }


def test_advertised_listeners() -> None:
    config = Config(
        {
            "listeners": "A://:9092,B://:9093,C://:9094",
            "advertised.listeners": "A://h:29092,c://:9094",
            MAP: "A:PLAINTEXT,B:PLAINTEXT,C:PLAINTEXT",
        }
    )
    assert advertised_listeners_of(config) == {
        "A": Listener("A", "PLAINTEXT", "h", 29092),
        "C": Listener("C", "PLAINTEXT", "", 9094),
    }


def test_advertised_ports_may_be_equal() -> None:
    config = Config(
        {"listeners": "A://:1,B://:2", "advertised.listeners": "A://h:9,B://h:9", MAP: "A:PLAINTEXT,B:PLAINTEXT"}
    )
    assert len(advertised_listeners_of(config)) == 2


@pytest.mark.parametrize(
    ("advertised", "complaint"),
    [
        ("PLAINTEXT://0.0.0.0:9092", "advertised.listeners cannot use 0.0.0.0, to which no client can connect"),
        ("PLAINTEXT://[::]:9092", "advertised.listeners cannot use ::, to which no client can connect"),
        ("SSL://h:9092", "advertised.listeners has SSL, which is none of the listeners: PLAINTEXT."),
        ("PLAINTEXT://h:1,PLAINTEXT://h:2", "advertised.listeners has two listeners named PLAINTEXT"),
        ("h:1", "advertised.listeners has 'h:1', which is not NAME://HOST:PORT"),
        ("", "Configuration 'advertised.listeners' must not be empty"),
    ],
)
def test_refused_advertised_listeners(advertised: str, complaint: str) -> None:
    with pytest.raises(StartupError) as refused:
        Config({"listeners": "PLAINTEXT://:9092", "advertised.listeners": advertised})
    assert complaint in str(refused.value)


@pytest.mark.parametrize("text", ["PLAINTEXT://:9092", "PLAINTEXT://h:0", "PLAINTEXT://[::1]:9092"])
def test_text_of_a_listener_is_what_it_was_parsed_from(text: str) -> None:
    assert str(listeners(text)[0]) == text
