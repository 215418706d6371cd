"""What `make bench` runs: the workloads with their parameters, which figures are shown, and what those are to reach."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from benchmarks.comparison import Goal
from benchmarks.workloads import JAVA_BATCH_BYTES


@dataclass(frozen=True, slots=True)
class Shown:
    """A figure in the table, by its key.

    Attributes:
        judged: whether the row counts where Ottla is to be no worse than its peer. A throughput that the client limits
            says nothing of either broker, so where CPU is the measure it is shown beside it, unjudged.
    """

    key: str
    goal: Goal | None = None
    judged: bool = True


@dataclass(frozen=True, slots=True)
class Step:
    """A workload of the plan with its parameters; `messages` or, where that is None, `seconds` ends it."""

    title: str
    workload: str
    shown: Sequence[Shown]
    messages: int | None = None
    seconds: float = 60.0
    message_bytes: int = 1024
    partitions: int = 1
    batch_bytes: int = 1_000_000
    fetch_bytes: int = 1_048_576
    needs_java: bool = False


_PARTITIONS = 4
_FETCH_BYTES = 10_000_000
_BULK_MESSAGES = 125_000
"""Of 1 KB each: page cache that lay idle, or must be reclaimed first, can make writes several times slower and would be
measured instead of the broker. A run that writes little, to a topic that is deleted at once, gets the pages of the last
one."""

PLAN = (
    Step(
        "produce 1 KB, batch 1 MB",
        "produce",
        (
            Shown("broker_cpu_s_per_gb", Goal(of_peer=Fraction(1, 6))),
            Shown("mb_per_s", Goal(of_peer=Fraction(13, 10))),
        ),
        messages=_BULK_MESSAGES,
        partitions=_PARTITIONS,
    ),
    Step(
        "produce 1 KB, batch 16 KB",
        "produce",
        (Shown("broker_cpu_s_per_gb", Goal(of_peer=Fraction(1, 5))), Shown("mb_per_s", judged=False)),
        messages=_BULK_MESSAGES,
        partitions=_PARTITIONS,
        batch_bytes=JAVA_BATCH_BYTES,
    ),
    Step(
        "produce 1 KB, ProducerPerformance",
        "produce-java",
        (Shown("broker_cpu_s_per_gb", Goal(of_peer=Fraction(1, 5))), Shown("mb_per_s", judged=False)),
        messages=_BULK_MESSAGES,
        partitions=_PARTITIONS,
        batch_bytes=JAVA_BATCH_BYTES,
        needs_java=True,
    ),
    Step(
        "consume 1 KB, fetch 10 MB",
        "consume",
        (Shown("broker_cpu_s_per_gb", Goal(of_peer=Fraction(9, 10))), Shown("mb_per_s", judged=False)),
        messages=_BULK_MESSAGES,
        partitions=_PARTITIONS,
        fetch_bytes=_FETCH_BYTES,
    ),
    Step(
        "produce 100 B, batch 1 MB",
        "produce",
        (Shown("broker_cpu_ns_per_message", Goal(100)), Shown("messages_per_s", judged=False)),
        messages=500_000,
        message_bytes=100,
        partitions=_PARTITIONS,
    ),
    Step(
        "produce, one at a time",
        "latency",
        (Shown("latency_p50_us", Goal(100)), Shown("latency_p99_us", Goal(300))),
        messages=2_000,
        seconds=5,
    ),
    Step(
        "produced to consumed",
        "end-to-end",
        (Shown("latency_p50_us", Goal(180)), Shown("latency_p99_us", judged=False)),
        messages=1_000,
        seconds=5,
    ),
    Step(
        "50 connections",
        "connections",
        (Shown("messages_per_s", Goal(of_peer=Fraction(6, 5))), Shown("broker_cpu_ns_per_message", judged=False)),
        seconds=1,
        message_bytes=100,
    ),
)
