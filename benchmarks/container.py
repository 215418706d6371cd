"""How soon a container takes its first record, from `docker run` to the acknowledgement, and its memory then.

python -m benchmarks.container --image ottla
"""

import argparse
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from benchmarks.client import LoadError, Target
from benchmarks.measurement import MB
from benchmarks.targets import Finding, judge
from benchmarks.topics_wire import TopicsConnection
from benchmarks.wire import answers_api_versions, free_ports, produce_error_position, produce_request

FIRST_RECORD_LIMIT_MS = 1_000.0
RSS_LIMIT_MB = 60.0
_HOST = "127.0.0.1"
_TOPIC = "first"
_TIMEOUT_S = 60.0
_PAUSE_S = 0.002
_SIZE_BYTES = 4
# Of the fields of /proc/PID/stat, the program's name being one word: utime, which stime follows, and rss.
_USER_TICKS = 13
_RESIDENT_PAGES = 23
_LIMITS = ("--memory=128m", "--memory-swap=128m", "--cpus=0.5")


class _Run(NamedTuple):
    """What one container took; times in ms from the call of `docker run`."""

    first_record_ms: float
    started_ms: float
    """Until the engine had started the broker's process."""
    cpu_ms: float
    rss_mb: float


def measure(image: str, rounds: int) -> list[Finding]:
    """Run containers one after the other, without limits and with ours. Raises LoadError."""
    _run(image, ())  # the first one after a build reads the image's files from the disk
    findings = []
    for label, options in (("", ()), (", 128 MB and half a CPU", _LIMITS)):
        runs = [_run(image, options) for _ in range(rounds)]
        findings += [
            Finding(
                f"docker run to the first acknowledged record{label}, ms",
                [r.first_record_ms for r in runs],
                FIRST_RECORD_LIMIT_MS,
            ),
            Finding("  of these until the engine has started the process, ms", [r.started_ms for r in runs]),
            Finding("  CPU of the process by then, ms", [r.cpu_ms for r in runs]),
            Finding("  RSS then, MB", [r.rss_mb for r in runs], RSS_LIMIT_MB, digits=1),
        ]
    return findings


def _run(image: str, limits: Sequence[str]) -> _Run:
    """Run a container until a record is acknowledged, and remove it."""
    (port,) = free_ports(1)
    name = f"ottla-bench-{uuid.uuid4().hex[:12]}"
    advertised = f"--env=KAFKA_ADVERTISED_LISTENERS=PLAINTEXT://{_HOST}:{port}"
    options = (f"--name={name}", f"--publish={_HOST}:{port}:9092", advertised, *limits)
    started_at, started = datetime.now(UTC), time.perf_counter()
    try:
        # Nobody connects before it has returned: an address that is asked for too early cannot be had for a second.
        _docker("run", "--detach", *options, image)
        _write_first_record(f"{_HOST}:{port}")
        first_record_ms = (time.perf_counter() - started) * 1e3
        stat = _docker("exec", name, "cat", "/proc/1/stat").split()
        inspected = datetime.fromisoformat(_docker("inspect", "--format={{.State.StartedAt}}", name).strip())
        return _Run(
            first_record_ms,
            (inspected - started_at).total_seconds() * 1e3,
            sum(map(int, stat[_USER_TICKS : _USER_TICKS + 2])) * 1e3 / os.sysconf("SC_CLK_TCK"),
            int(stat[_RESIDENT_PAGES]) * os.sysconf("SC_PAGE_SIZE") / MB,
        )
    finally:
        subprocess.run(["docker", "rm", "--force", "--volumes", name], capture_output=True, check=False)


def _docker(*arguments: str) -> str:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise LoadError(f"docker {arguments[0]} failed: {done.stderr.strip()}")
    return done.stdout


def _write_first_record(bootstrap: str) -> None:
    """Try until it goes well, and raise LoadError where it does not."""
    host, _, port = bootstrap.rpartition(":")
    end = time.monotonic() + _TIMEOUT_S
    while not answers_api_versions(host, int(port)):  # the engine accepts connections before anybody listens
        if time.monotonic() > end:
            raise LoadError(f"the broker did not answer in {_TIMEOUT_S:g} s")
        time.sleep(_PAUSE_S)
    with TopicsConnection(Target(bootstrap)) as connection:
        connection.create([_TOPIC], 1)
        answer, _ = connection.ask(produce_request(_TOPIC, 0, b"first"))
    position = produce_error_position(_TOPIC) - _SIZE_BYTES
    if any(answer[position : position + 2]):
        raise LoadError("the first record was refused")


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line: a table or JSON; 1 where a target is missed or a run failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.container", description=__doc__.partition("\n")[0])
    parser.add_argument("--image", default="ottla", help="what to run, e.g. apache/kafka (default: ottla)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds (default: 5)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    return judge(lambda: measure(options.image, options.rounds), as_json=options.json)


if __name__ == "__main__":
    sys.exit(main())
