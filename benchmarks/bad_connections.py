"""Thousands of connections that do not speak Kafka: what each costs in memory, and whether anybody else notices.

python -m benchmarks.bad_connections
"""

import argparse
import json
import random
import socket
import struct
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

from benchmarks.client import Target
from benchmarks.measurement import MB, table
from benchmarks.meter import resident_bytes
from benchmarks.ottla_process import OttlaBroker, OttlaFailed
from benchmarks.wire import ask_api_versions, frame

GROWTH_LIMIT_MB = 4.0
"""What the broker's memory may grow by between the baseline and the last connection."""

BASELINE = 1_000
"""The connection after which memory has reached its working size: growth is counted from here."""

CLOSE_TIMEOUT_S = 5.0

_METADATA_HEADER = struct.pack(">hhih", 3, 1, 7, -1)
_TLS_CLIENT_HELLO = bytes.fromhex("16030100c8010000c40303") + bytes(194)


@dataclass(frozen=True, slots=True)
class BadKind:
    """A way to be wrong.

    Attributes:
        half_close: end our side after the bytes, where they are a beginning that the broker rightly waits on.
    """

    name: str
    make: Callable[[random.Random], bytes]
    half_close: bool = False


KINDS = (
    BadKind("random bytes", lambda source: source.randbytes(source.randint(1, 2_000)), half_close=True),
    BadKind("HTTP request", lambda _: b"GET / HTTP/1.1\r\nHost: localhost:9092\r\nAccept: */*\r\n\r\n"),
    BadKind("TLS hello", lambda _: _TLS_CLIENT_HELLO),
    BadKind("size of -1", lambda _: struct.pack(">i", -1)),
    BadKind("size of 2 GB", lambda _: struct.pack(">i", 2**31 - 1) + bytes(100)),
    BadKind("empty frame", lambda _: frame(b"")),
    BadKind("unknown API key", lambda _: frame(struct.pack(">hhih", 9_999, 0, 7, -1))),
    BadKind("unsupported version", lambda _: frame(struct.pack(">hhih", 3, 999, 7, -1))),
    BadKind("array longer than its frame", lambda _: frame(_METADATA_HEADER + struct.pack(">i", 2**31 - 1))),
    BadKind("string longer than its frame", lambda _: frame(_METADATA_HEADER + struct.pack(">ih", 1, 32_767) + b"t")),
    BadKind(
        "truncated frame",
        lambda source: struct.pack(">i", 10_000) + source.randbytes(source.randint(0, 9_999)),
        half_close=True,
    ),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the bad connections.

    Attributes:
        left_open: by kind, connections that the broker had not closed after 5 s.
        bystander_answers: questions that a good connection, open all the time, had answered in between.
    """

    connections: int
    baseline_rss_mb: float
    last_rss_mb: float
    left_open: dict[str, int]
    bystander_answers: int

    @property
    def growth_mb(self) -> float:
        """Memory grown since the baseline, in MB."""
        return self.last_rss_mb - self.baseline_rss_mb


def run(target: Target, count: int, baseline: int = BASELINE, seed: int = 0) -> Outcome:
    """Open `count` bad connections, the kinds in turn, one after the other.

    Raises:
        OSError: the good connection was closed or not answered.
    """
    assert target.pid is not None
    host, _, port = target.bootstrap.rpartition(":")
    address = (host.strip("[]"), int(port))
    source = random.Random(seed)
    left_open = {kind.name: 0 for kind in KINDS}
    baseline_rss, bystander_answers = 0, 0
    with socket.create_connection(address, CLOSE_TIMEOUT_S) as bystander:
        for number in range(1, count + 1):
            kind = KINDS[number % len(KINDS)]
            left_open[kind.name] += not _is_closed(address, kind, source)
            if number % 100 == 0:
                bystander_answers += ask_api_versions(bystander, number)
            if number == baseline:
                baseline_rss = resident_bytes(target.pid)
        last_rss = resident_bytes(target.pid)
    return Outcome(count, baseline_rss / MB, last_rss / MB, left_open, bystander_answers)


def _is_closed(address: tuple[str, int], kind: BadKind, source: random.Random) -> bool:
    """Open one connection, be bad, and say whether the broker closed it."""
    with socket.create_connection(address, CLOSE_TIMEOUT_S) as connection:
        try:
            connection.sendall(kind.make(source))
            if kind.half_close:
                connection.shutdown(socket.SHUT_WR)
            while connection.recv(65_536):
                pass  # An error response may come before the end.
        except TimeoutError:
            return False
        except OSError:
            pass  # A reset is an end too: bytes of ours were still unread.
    return True


def report(outcome: Outcome) -> str:
    """The table that the command prints."""
    rows = [
        ["", ""],
        ["bad connections", f"{outcome.connections:,}"],
        ["RSS at the baseline, MB", f"{outcome.baseline_rss_mb:.2f}"],
        ["RSS after the last, MB", f"{outcome.last_rss_mb:.2f}"],
        ["growth, MB", f"{outcome.growth_mb:.2f}"],
        ["answers on the good connection", f"{outcome.bystander_answers:,}"],
    ]
    rows += [[f"left open: {kind}", f"{count:,}"] for kind, count in outcome.left_open.items() if count]
    return table(rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line: exits with 1 when memory grew beyond the limit or a connection stayed open."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.bad_connections", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--connections", type=int, default=10_000, help="how many (default: 10000)")
    parser.add_argument("--bootstrap", metavar="HOST:PORT", help="a running broker (default: start Ottla)")
    parser.add_argument("--pid", type=int, help="its process id")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    if (options.bootstrap is None) != (options.pid is None):
        parser.error("--bootstrap and --pid go together")
    baseline = min(BASELINE, options.connections)
    try:
        if options.bootstrap is not None:
            outcome = run(Target(options.bootstrap, options.pid), options.connections, baseline)
        else:
            with OttlaBroker() as broker:
                outcome = run(Target(broker.bootstrap, broker.pid), options.connections, baseline)
    except (OttlaFailed, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    print(json.dumps(asdict(outcome)) if options.json else report(outcome))
    return int(outcome.growth_mb > GROWTH_LIMIT_MB or any(outcome.left_open.values()))


if __name__ == "__main__":
    sys.exit(main())
