"""What a stretch of work costs: wall time, CPU time of the broker's processes and of this one, resident memory."""

import contextlib
import os
import sys
import threading
import time
from dataclasses import dataclass

import psutil

CLIENT_LIMIT = 0.95
"""Share of a core from which on a thread of the client counts as the limit of a measurement."""


def cpu_seconds(pid: int) -> float:
    """CPU time, user and system, of a process and its living children."""
    process = psutil.Process(pid)
    return sum(cpu_seconds_alone(each) for each in (process, *process.children(recursive=True)))


def cpu_seconds_alone(process: psutil.Process) -> float:
    """CPU time, user and system, of a process without its children."""
    if sys.platform == "linux":
        # The clock that clock_getcpuclockid(3) names. It counts nanoseconds, where /proc counts ticks of 10 ms: a tenth
        # of what a short run costs.
        return time.clock_gettime((~process.pid << 3) | 2)
    times = process.cpu_times()
    return float(times.user + times.system)


class ProcessorWaits:
    """How long the thread that made this has been ready to run on a processor that others used; 0 where nobody says."""

    def __init__(self) -> None:
        self._file: int | None = None
        with contextlib.suppress(OSError):
            self._file = os.open("/proc/thread-self/schedstat", os.O_RDONLY)

    def seconds(self) -> float:
        """The time until now."""
        return 0.0 if self._file is None else int(os.pread(self._file, 100, 0).split()[1]) / 1e9

    def close(self) -> None:
        """Close the system's file."""
        if self._file is not None:
            os.close(self._file)


def resident_bytes(pid: int) -> int:
    """Resident memory of a process and its living children (pages that they share count for each)."""
    process = psutil.Process(pid)
    return sum(int(each.memory_info().rss) for each in (process, *process.children(recursive=True)))


@dataclass(frozen=True, slots=True)
class Cost:
    """What the metered work took.

    Attributes:
        broker_cpu_s: None when no broker pid was given.
        client_busiest_thread: share of a core, 0 to 1, that the busiest thread of this process used.
    """

    seconds: float
    broker_cpu_s: float | None
    broker_rss_bytes: int | None
    client_cpu_s: float
    client_busiest_thread: float

    @property
    def client_limited(self) -> bool:
        """Whether a thread of the client had no time left: the throughput is then the client's, not the broker's."""
        return self.client_busiest_thread >= CLIENT_LIMIT


class Meter:
    """Meters from its construction to `stop`."""

    def __init__(self, broker_pid: int | None) -> None:
        self._pid = broker_pid
        self._broker = cpu_seconds(broker_pid) if broker_pid is not None else 0.0
        self._threads = _thread_seconds()
        self._client = time.process_time()
        self._start = time.perf_counter()

    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.perf_counter() - self._start

    def stop(self) -> Cost:
        """Read every clock once more; call it before threads of the client under measurement end."""
        seconds = self.elapsed()
        client = time.process_time() - self._client
        broker = cpu_seconds(self._pid) - self._broker if self._pid is not None else None
        busiest = max(used - self._threads.get(thread, 0.0) for thread, used in _thread_seconds().items())
        return Cost(
            seconds=seconds,
            broker_cpu_s=broker,
            broker_rss_bytes=resident_bytes(self._pid) if self._pid is not None else None,
            client_cpu_s=client,
            client_busiest_thread=min(busiest / seconds, 1.0),
        )


def _thread_seconds() -> dict[int, float]:
    """CPU seconds of each thread of this process, the native ones of the client library too."""
    try:
        return {each.id: each.user_time + each.system_time for each in psutil.Process().threads()}
    except psutil.AccessDenied:  # macOS shows threads to root only: this thread then stands for all.
        return {threading.get_native_id(): time.thread_time()}
