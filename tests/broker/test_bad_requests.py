"""What the log says of requests that close their connection."""

from __future__ import annotations

import struct

import pytest

from broker.bad_requests import cause_of, client_in_words, no_frame, unserved
from protocol.errors import MalformedFrame


def request(key: int, version: int, client_id: bytes | None) -> memoryview:
    header = struct.pack(">hhih", key, version, 7, -1 if client_id is None else len(client_id))
    return memoryview(header + (client_id or b""))


@pytest.mark.parametrize(
    ("key", "version", "client_id", "sentence"),
    [
        (24, 3, b"app-1", "client 'app-1' asks for API key 24 (AddPartitionsToTxn) in version 3, which is not served"),
        (
            17,
            1,
            None,
            "a client without client.id asks for API key 17 (SaslHandshake) in version 1, which is not served",
        ),
        (999, 0, b"a\nb", "client 'a\\nb' asks for API key 999 in version 0, which is not served"),
        (0, 2, b"\xff", "a client without client.id asks for API key 0 (Produce) in version 2, of which the versions "),
    ],
)
def test_an_api_that_is_not_served(key: int, version: int, client_id: bytes | None, sentence: str) -> None:
    assert str(unserved(request(key, version, client_id), key, version)).startswith(sentence)


def test_a_client_id_is_not_shown_for_longer_than_one_would_read() -> None:
    assert len(client_in_words("x" * 30_000)) < 300


@pytest.mark.parametrize("minor", [0, 1, 2, 3])
def test_tls_is_known_by_its_first_bytes(minor: int) -> None:
    size = int.from_bytes(bytes([0x16, 3, minor, 1]), "big")
    assert str(no_frame(size, 100, "PLAINTEXT")) == (
        "what it sends looks like TLS, and this listener is PLAINTEXT; set security.protocol=PLAINTEXT at the client"
    )


@pytest.mark.parametrize("beginning", [b"GET ", b"POST", b"HEAD", b"PUT ", b"OPTI", b"PRI "])
def test_http_is_known_by_its_first_bytes(beginning: bytes) -> None:
    assert "looks like HTTP" in str(no_frame(int.from_bytes(beginning, "big"), 100, "PLAINTEXT"))


@pytest.mark.parametrize("size", [101, -1, -(2**31), 2**31 - 1])
def test_another_size_that_cannot_be(size: int) -> None:
    assert str(no_frame(size, 100, "PLAINTEXT")) == f"a frame of {size} bytes, where socket.request.max.bytes is 100"


def test_causes_are_kinds_of_errors_and_apis() -> None:
    frame = request(24, 0, None)
    errors = [
        no_frame(0x16030101, 100, "PLAINTEXT"),
        no_frame(int.from_bytes(b"GET ", "big"), 100, "PLAINTEXT"),
        no_frame(-1, 100, "PLAINTEXT"),
        unserved(frame, 24, 0),
        unserved(frame, 68, 0),
        MalformedFrame("FetchRequest v4: it ends too early"),
    ]
    assert len({cause_of(error) for error in errors}) == len(errors)
    assert cause_of(no_frame(-1, 100, "PLAINTEXT")) == cause_of(no_frame(-2, 100, "PLAINTEXT"))
    assert cause_of(unserved(frame, 24, 0)) == cause_of(unserved(request(24, 1, b"other"), 24, 1))
    assert cause_of(MalformedFrame("FetchRequest v4: 7 bytes are missing")) == cause_of(errors[-1])
