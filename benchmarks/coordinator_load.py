"""How soon after a start the committed offsets of many groups can be had, and what others notice of their loading.

python -m benchmarks.coordinator_load
"""

import argparse
import contextlib
import socket
import struct
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from confluent_kafka.admin import AdminClient, NewTopic

from benchmarks.client import TIMEOUT_S, LoadError
from benchmarks.groups_wire import find_coordinator_request
from benchmarks.measurement import MB, percentile
from benchmarks.meter import cpu_seconds, resident_bytes
from benchmarks.ottla_process import OttlaBroker
from benchmarks.targets import Finding, judge
from benchmarks.wire import ask_api_versions, frame, read_frame

LOAD_LIMIT_MS = 3_000.0
RSS_LIMIT_MB = 250.0
PING_LIMIT_MS = 5.0

_TOPIC = "load"
_OFFSET_COMMIT, _OFFSET_FETCH = 8, 9
_LOADED = "[__consumer_offsets] "
_PING_INTERVAL_S = 0.001
_QUIET_S = 1.0
_LOADING_TIMEOUT_S = 120.0
_REQUESTS_ON_THE_WAY = 20


class Plan(NamedTuple):
    """What is committed before the restarts; `offsets` of each group, in batches of `batch_offsets`."""

    groups: int = 10_000
    offsets: int = 100
    batch_offsets: int = 10


class Loading(NamedTuple):
    """One restart: from the ready line until all was loaded, of that the broker's CPU time, and how long pings took."""

    loaded_ms: float
    cpu_ms: float
    pings_ms: list[float]
    rss_mb: float


def load(plan: Plan, rounds: int, data_directory: Path | None = None) -> list[Finding]:
    """Commit all offsets, then restart the broker `rounds` times; every offset is read back after the last one."""
    with OttlaBroker(data_directory) as broker:
        _commit_all(broker, plan)
        loadings, quiet_ms = [], []
        for _ in range(rounds):
            broker.restart()
            loadings.append(_watch(broker))
            quiet_ms.append(max(_ping_for(broker, _QUIET_S)))
        _check_all(broker, plan)
    p99s = [percentile(loading.pings_ms, 0.99) for loading in loadings]
    return [
        Finding("all loaded after the ready line, ms", [each.loaded_ms for each in loadings], LOAD_LIMIT_MS),
        Finding("  of that the broker's CPU time, ms", [each.cpu_ms for each in loadings]),
        Finding("RSS then, MB", [each.rss_mb for each in loadings], RSS_LIMIT_MB),
        Finding("p99 of another client's pings meanwhile, ms", p99s, PING_LIMIT_MS, 1),
        Finding("the longest one, ms", [max(each.pings_ms) for each in loadings], digits=1),
        Finding("the longest one in a quiet second, ms", quiet_ms, digits=1),
    ]


# --- before and behind -------------------------------------------------------------------------------------------


def _commit_all(broker: OttlaBroker, plan: Plan) -> None:
    admin = AdminClient({"bootstrap.servers": broker.bootstrap, "log_level": 3})
    admin.create_topics([NewTopic(_TOPIC, plan.offsets, 1)])[_TOPIC].result(TIMEOUT_S)
    requests = (
        _commit_request(group, range(first, min(first + plan.batch_offsets, plan.offsets)))
        for first in range(0, plan.offsets, plan.batch_offsets)
        for group in range(plan.groups)
    )
    with _connection(broker) as connection:
        connection.sendall(find_coordinator_request(_group_id(0)))
        read_frame(connection)
        for answer in _exchange(connection, requests):
            if any(_error_codes_of_commit(answer)):
                raise LoadError(f"OffsetCommit was answered with error codes {_error_codes_of_commit(answer)}")


def _check_all(broker: OttlaBroker, plan: Plan) -> None:
    partitions = range(plan.offsets)
    with _connection(broker) as connection:
        requests = (_fetch_request(group, partitions) for group in range(plan.groups))
        for group, answer in enumerate(_exchange(connection, requests)):
            if _fetched_offsets(answer) != [_offset(group, partition) for partition in partitions]:
                raise LoadError(f"{_group_id(group)} has other offsets than it has committed")


def _group_id(group: int) -> str:
    return f"group-{group:05}"


def _offset(group: int, partition: int) -> int:
    return group * 1_000 + partition


# --- meanwhile ---------------------------------------------------------------------------------------------------


def _watch(broker: OttlaBroker) -> Loading:
    """Ping until the broker's log says that all is loaded."""
    started, cpu_before_s = time.perf_counter(), cpu_seconds(broker.pid)
    pings_ms = []
    assert broker.directory is not None
    with (broker.directory / "stderr").open() as log, _connection(broker) as connection:
        ask_api_versions(connection)  # the first request of a kind has its handler imported
        written = ""
        while _LOADED not in written:
            pings_ms.append(_ping_ms(connection))
            written += log.read()
            if time.perf_counter() - started > _LOADING_TIMEOUT_S:
                raise LoadError(f"not loaded within {_LOADING_TIMEOUT_S:g} s:\n{written[-2000:]}")
            time.sleep(_PING_INTERVAL_S)
    loaded_ms = (time.perf_counter() - started) * 1e3
    cpu_ms = (cpu_seconds(broker.pid) - cpu_before_s) * 1e3
    return Loading(loaded_ms, cpu_ms, pings_ms, resident_bytes(broker.pid) / MB)


def _ping_for(broker: OttlaBroker, seconds: float) -> list[float]:
    pings_ms = []
    with _connection(broker) as connection:
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            pings_ms.append(_ping_ms(connection))
            time.sleep(_PING_INTERVAL_S)
    return pings_ms


def _ping_ms(connection: socket.socket) -> float:
    started = time.perf_counter()
    if not ask_api_versions(connection):
        raise LoadError("ApiVersions was answered with an error")
    return (time.perf_counter() - started) * 1e3


# --- the wire ----------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _connection(broker: OttlaBroker) -> Iterator[socket.socket]:
    with socket.create_connection((broker.host, broker.port), TIMEOUT_S) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield connection


def _exchange(connection: socket.socket, requests: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the answers in order, some requests being on their way at any time."""
    on_the_way = 0
    for request in requests:
        connection.sendall(request)
        on_the_way += 1
        if on_the_way == _REQUESTS_ON_THE_WAY:
            yield read_frame(connection)
            on_the_way -= 1
    for _ in range(on_the_way):
        yield read_frame(connection)


def _commit_request(group: int, partitions: Sequence[int]) -> bytes:
    """OffsetCommit v7 of somebody who is no member of the group; no leader epoch, no metadata."""
    body = [_string(_group_id(group)), struct.pack(">i", -1), _string(""), struct.pack(">h", -1)]
    body += [struct.pack(">i", 1), _string(_TOPIC), struct.pack(">i", len(partitions))]
    body += [struct.pack(">iqi", each, _offset(group, each), -1) + _string("") for each in partitions]
    return _request(_OFFSET_COMMIT, 7, body)


def _error_codes_of_commit(answer: bytes) -> list[int]:
    """Behind the correlation id: throttle time, one topic, its name, its partitions."""
    position = 4 + 4 + 4 + 2 + len(_TOPIC)
    (count,) = struct.unpack_from(">i", answer, position)
    return [code for _, code in struct.iter_unpack(">ih", answer[position + 4 : position + 4 + 6 * count])]


def _fetch_request(group: int, partitions: Sequence[int]) -> bytes:
    """OffsetFetch v1."""
    body = [_string(_group_id(group)), struct.pack(">i", 1), _string(_TOPIC)]
    body.append(struct.pack(f">i{len(partitions)}i", len(partitions), *partitions))
    return _request(_OFFSET_FETCH, 1, body)


def _fetched_offsets(answer: bytes) -> list[int]:
    """Behind the correlation id: one topic, its name, its partitions with an offset, empty metadata and no error."""
    position = 4 + 4 + 2 + len(_TOPIC)
    (count,) = struct.unpack_from(">i", answer, position)
    rows = struct.iter_unpack(">iqhh", answer[position + 4 : position + 4 + 16 * count])
    return [offset for _, offset, metadata_bytes, code in rows if metadata_bytes == code == 0]


def _request(api_key: int, version: int, body: Sequence[bytes]) -> bytes:
    return frame(b"".join((struct.pack(">hhi", api_key, version, 0), _string("load"), *body)))


def _string(text: str) -> bytes:
    data = text.encode()
    return struct.pack(">h", len(data)) + data


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line: one table, or JSON; exits with 1 when a target is missed."""
    plan = Plan()
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.coordinator_load", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--groups", type=int, default=plan.groups, help=f"groups (default: {plan.groups})")
    parser.add_argument("--offsets", type=int, default=plan.offsets, help=f"of each (default: {plan.offsets})")
    parser.add_argument("--rounds", type=int, default=3, help="restarts (default: 3)")
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="where the broker's data goes for the time")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    plan = plan._replace(groups=options.groups, offsets=options.offsets)
    return judge(lambda: load(plan, options.rounds, options.data_dir), as_json=options.json)


if __name__ == "__main__":
    sys.exit(main())
