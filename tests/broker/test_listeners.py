"""Listeners; what is accepted and refused was tried with Kafka 4.3's KafkaConfig."""

from __future__ import annotations

import socket

import pytest

from broker.config import Config, StartupError
from broker.listeners import (
    Listener,
    advertised_listeners_of,
    describe_access,
    describe_advertised,
    gateway_host_of,
    listeners_of,
    warn_of_unknown_hosts,
)

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
        (
            "FOO://:9092",
            "The listener FOO has no security protocol in listener.security.protocol.map; add FOO:PLAINTEXT to it.",
        ),
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
        ("PLAINTEXT://0.0.0.0:9092", "give an address or a name of this machine, or none, as in PLAINTEXT://:9092"),
        ("SSL://h:9092", "has SSL, which is none of the listeners: PLAINTEXT; set listeners=SSL://:9092 to have one"),
        ("PLAINTEXT://h:1,PLAINTEXT://h:2", "advertised.listeners has two listeners named PLAINTEXT"),
        ("h:1", "advertised.listeners has 'h:1', which is not NAME://HOST:PORT"),
        ("", "Configuration 'advertised.listeners' must not be empty"),
    ],
)
def test_refused_advertised_listeners(advertised: str, complaint: str) -> None:
    with pytest.raises(StartupError) as refused:
        Config({"listeners": "PLAINTEXT://:9092", "advertised.listeners": advertised})
    assert complaint in str(refused.value)


@pytest.mark.parametrize(
    ("advertised", "proposed"),
    [
        ("A://broker:29092,B://localhost:9092", "A://:29092,B://:9092"),
        ("A://broker:9092,B://localhost:9092", "A://:9092,B://:9093"),
        ("A://broker:0,B://localhost:0", "A://:0,B://:0"),
    ],
)
def test_the_listeners_that_are_proposed_are_valid_and_have_the_advertised_ports(
    advertised: str, proposed: str
) -> None:
    given = {"advertised.listeners": advertised, MAP: "PLAINTEXT:PLAINTEXT,A:PLAINTEXT,B:PLAINTEXT"}
    with pytest.raises(StartupError) as refused:
        Config(given)
    assert str(refused.value).endswith(f"; set listeners={proposed} to have one for each.")
    assert list(advertised_listeners_of(Config({**given, "listeners": proposed}))) == ["A", "B"]
    variables = {"KAFKA_ADVERTISED_LISTENERS": advertised, "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": given[MAP]}
    with pytest.raises(StartupError) as refused:
        Config.load(environment=variables)
    assert str(refused.value).endswith(f"; set KAFKA_LISTENERS={proposed} to have one for each.")


@pytest.mark.parametrize("text", ["PLAINTEXT://:9092", "PLAINTEXT://h:0", "PLAINTEXT://[::1]:9092"])
def test_text_of_a_listener_is_what_it_was_parsed_from(text: str) -> None:
    assert str(listeners(text)[0]) == text


def test_listeners_of_controllers_are_left_out() -> None:
    config = Config(
        {
            # As in the file that Kafka comes with; the protocol of a controller's listener does not matter.
            "listeners": "PLAINTEXT://:9092, controller://:9093,SECOND://:9092",
            "advertised.listeners": "PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093",
            "controller.listener.names": "CONTROLLER,second,THIRD",
        }
    )
    assert listeners_of(config) == [Listener("PLAINTEXT", "PLAINTEXT", "", 9092)]
    assert advertised_listeners_of(config) == {"PLAINTEXT": Listener("PLAINTEXT", "PLAINTEXT", "localhost", 9092)}


@pytest.mark.parametrize("name", ["listeners", "advertised.listeners"])
def test_nothing_but_listeners_of_controllers(name: str) -> None:
    with pytest.raises(StartupError, match=rf"^{name} has none but those of controller\.listener\.names; add one"):
        Config({name: "CONTROLLER://localhost:9093", "controller.listener.names": "CONTROLLER"})


@pytest.mark.parametrize(
    ("text", "host"), [("localhost", "localhost"), ("10.0.0.1", "10.0.0.1"), ("fd00::1", "fd00::1"), ("", None)]
)
def test_the_host_for_clients_that_come_from_the_gateway(text: str, host: str | None) -> None:
    assert gateway_host_of(Config({"ottla.gateway.advertised.host": text})) == host


@pytest.mark.parametrize("text", ["localhost:9092", "[fd00::1]", "0.0.0.0", "::", "h\u00f6st", "http://h", "a b"])
def test_a_gateway_host_that_is_none(text: str) -> None:
    with pytest.raises(
        StartupError, match=r"to which no client can connect; give a name or an address, without a port"
    ):
        Config({"ottla.gateway.advertised.host": text})


@pytest.mark.parametrize(
    ("listener", "endpoint", "gateway_host", "sentence"),
    [
        ("A://:9092", None, None, "Clients of A://:9092 are told of no broker, as advertised.listeners lacks it."),
        ("A://:9092", "h:29092", None, "Clients of A://:9092 are told to connect to h:29092."),
        ("A://:9092", "[::1]:29092", "localhost", "Clients of A://:9092 are told to connect to [::1]:29092."),
        (
            "A://h:9092",
            ":0",
            None,
            "Clients of A://h:9092 are told to connect to the address that they have reached, port 9092.",
        ),
        (
            "A://:9092",
            ":29092",
            "localhost",
            "Clients of A://:9092 are told to connect to the address that they have reached, port 29092; those that "
            "come from the default gateway, as of a container's host, to localhost:29092.",
        ),
    ],
)
def test_what_clients_are_told_in_words(
    listener: str, endpoint: str | None, gateway_host: str | None, sentence: str
) -> None:
    [parsed] = listeners(listener, listener_security_protocol_map="A:PLAINTEXT")
    told = None
    if endpoint is not None:
        [told] = listeners(f"A://{endpoint}", listener_security_protocol_map="A:PLAINTEXT")
    assert describe_advertised(parsed, told, gateway_host) == sentence


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.1.2.3", "[::1]"])
def test_nothing_is_to_be_said_of_access_from_this_machine_alone(host: str) -> None:
    assert describe_access(listeners(f"A://{host}:9092", listener_security_protocol_map="A:PLAINTEXT")) == []


@pytest.mark.parametrize("host", ["", "0.0.0.0", "[::]", "192.0.2.1", "kafka1"])
def test_it_is_said_that_anybody_may_do_anything(host: str) -> None:
    both = listeners(f"A://{host}:9092,B://localhost:9093", listener_security_protocol_map="A:PLAINTEXT,B:PLAINTEXT")
    [sentence] = describe_access(both)
    assert sentence.startswith(f"Anybody who can reach A://{host}:9092 may read, write and delete everything")


def test_an_advertised_host_that_does_not_resolve(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def look_up(host: str, port: None) -> list[object]:
        if host == "known":
            return []
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr("broker.listeners.socket.getaddrinfo", look_up)
    warn_of_unknown_hosts(["known", "kafka.example"])
    [record] = caplog.records
    assert record.levelname == "WARNING"
    assert record.getMessage().startswith(
        "[listeners] The advertised host kafka.example does not resolve on this machine (Name or service not known): "
    )
