"""The few bytes of Kafka's protocol that the benchmarks speak themselves.

Written by hand, apart from the packages under test: a probe, and one request ready to be sent again and again.
"""

import contextlib
import resource
import secrets
import socket
import struct
import time

import crc32c

_API_VERSIONS = 18
_PRODUCE = 0
_PRODUCE_VERSION = 9
_FETCH = 1
_FETCH_VERSION = 4

# The answer to a Produce v9 of one partition: size, correlation id, the header's tag count, topics count, name length;
# the name; partitions count, partition index; the error code.
_PREFIX_BYTES = 4 + 4 + 1 + 1 + 1
_BEFORE_ERROR_BYTES = 1 + 4


def free_ports(count: int) -> list[int]:
    """Return `count` distinct TCP ports of 127.0.0.1 that were free a moment ago."""
    sockets: list[socket.socket] = []
    while len(sockets) < count:
        # Below the range from which systems take the ports of outgoing connections: none of those comes in between.
        with contextlib.suppress(OSError):
            sockets.append(socket.create_server(("127.0.0.1", 15_000 + secrets.randbelow(17_000))))
    ports = [int(each.getsockname()[1]) for each in sockets]
    for each in sockets:
        each.close()
    return ports


def allow_many_files() -> None:
    """Let this process open as many sockets as the system allows it to."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # macOS gives a hard limit that cannot be set
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def connect(bootstrap: str, timeout_s: float) -> socket.socket:
    """Open a connection to `host:port` that sends small requests at once; the timeout holds for every call."""
    host, _, port = bootstrap.rpartition(":")
    connection = socket.create_connection((host.strip("[]"), int(port)), timeout_s)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def frame(body: bytes) -> bytes:
    """Put the 4-byte size in front."""
    return struct.pack(">i", len(body)) + body


def read_frame(connection: socket.socket) -> bytes:
    """Read one whole frame without its size; raises ConnectionError if the peer closes first."""
    (size,) = struct.unpack(">i", _read_exactly(connection, 4))
    return _read_exactly(connection, size)


def _read_exactly(connection: socket.socket, count: int) -> bytes:
    data = bytearray()
    while len(data) < count:
        piece = connection.recv(count - len(data))
        if not piece:
            raise ConnectionError("the broker closed the connection")
        data += piece
    return bytes(data)


def api_versions_request(correlation_id: int = 0) -> bytes:
    """A framed ApiVersions v0 request without a client id."""
    return frame(struct.pack(">hhih", _API_VERSIONS, 0, correlation_id, -1))


def ask_api_versions(connection: socket.socket, correlation_id: int = 0) -> bool:
    """Send ApiVersions v0 and say whether the answer is one, without an error."""
    connection.sendall(api_versions_request(correlation_id))
    return read_frame(connection)[:6] == struct.pack(">ih", correlation_id, 0)


def answers_api_versions(host: str, port: int, timeout_s: float = 5.0) -> bool:
    """Say whether a Kafka broker answers at this address; no listener, silence and garbage are all False."""
    try:
        with socket.create_connection((host, port), timeout_s) as connection:
            return ask_api_versions(connection)
    except OSError:
        return False


def produce_request(topic: str, partition: int, value: bytes) -> bytes:
    """A framed Produce v9 request, acks=1, of one record without a key; it may be sent again and again."""
    name = topic.encode()
    batch = _record_batch(value)
    header = struct.pack(">hhih", _PRODUCE, _PRODUCE_VERSION, 0, len(b"load")) + b"load" + b"\0"
    body = b"".join(
        (
            header,
            b"\0",  # no transactional id
            struct.pack(">hi", 1, 30_000),  # acks, timeout
            b"\2",  # one topic (compact counts are one more than the count)
            _unsigned_varint(len(name) + 1),
            name,
            b"\2",  # one partition
            struct.pack(">i", partition),
            _unsigned_varint(len(batch) + 1),
            batch,
            b"\0\0\0",  # tags of the partition, the topic, the request
        )
    )
    return frame(body)


def fetch_request(topic: str, partition: int, offset: int, bytes_max: int) -> bytes:
    """A framed Fetch v4 request of one partition, for as many bytes as there are up to this, waiting for none."""
    name = topic.encode()
    header = struct.pack(">hhih", _FETCH, _FETCH_VERSION, 0, len(b"load")) + b"load"
    body = b"".join(
        (
            header,
            # No replica, maximal wait, minimal and maximal bytes, isolation level, one topic.
            struct.pack(">iiiibi", -1, 0, 0, bytes_max, 0, 1),
            struct.pack(">h", len(name)) + name,
            struct.pack(">iiqi", 1, partition, offset, bytes_max),  # one partition, its index, offset, maximal bytes
        )
    )
    return frame(body)


def produce_error_position(topic: str) -> int:
    """Where, in the framed answer to `produce_request`, the 2 bytes of the partition's error code are."""
    return _PREFIX_BYTES + len(topic.encode()) + _BEFORE_ERROR_BYTES


def _record_batch(value: bytes) -> bytes:
    # Attributes, timestamp delta, offset delta, a null key (length -1), the value, no headers.
    record = b"\0\0\0\1" + _zigzag_varint(len(value)) + value + b"\0"
    records = _zigzag_varint(len(record)) + record
    now_ms = time.time_ns() // 1_000_000
    # Attributes, last offset delta, first and highest timestamp, no producer id, epoch or sequence, one record.
    checked = struct.pack(">hiqqqhii", 0, 0, now_ms, now_ms, -1, -1, -1, 1) + records
    rest = struct.pack(">ibI", -1, 2, crc32c.crc32c(checked)) + checked  # leader epoch, magic, CRC
    return struct.pack(">qi", 0, len(rest)) + rest


def _zigzag_varint(number: int) -> bytes:
    return _unsigned_varint((number << 1) ^ (number >> 63))


def _unsigned_varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append((number & 0x7F) | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)
