"""The workload of Kafka's own ProducerPerformance: a Java producer, whose default is batches of 16 KB.

It is a process of its own that runs to its end, so only a count of messages ends it. The throughput is the one that it
prints, without the start of its JVM; CPU of client and broker is all between its start and its end.
"""

import re
import subprocess
import tempfile
import time

import psutil

from benchmarks.client import Load, LoadError, Target, end_offsets, fresh_topic
from benchmarks.kafka_jars import KafkaUnavailable, java_command
from benchmarks.measurement import Measurement
from benchmarks.meter import Cost, Meter

# It prints a line every so often, and one for the whole at the end, which alone has percentiles.
_SUMMARY = re.compile(r"^(?P<sent>\d+) records sent, (?P<per_s>[\d.]+) records/sec .* 99\.9th", re.MULTILINE)
_LOOK_INTERVAL_S = 0.02


def produce_java(target: Target, load: Load) -> Measurement:
    """Produce with a Java client; the run fails if that takes longer than the load's seconds.

    Raises:
        LoadError: it failed, or the log holds another number of messages than it says to have sent.
    """
    with fresh_topic(target, load.partitions) as topic, tempfile.TemporaryFile("w+") as output:
        try:
            command = java_command(["-Xmx512m"], "org.apache.kafka.tools.ProducerPerformance", _arguments(load, topic))
        except KafkaUnavailable as error:
            raise LoadError(str(error)) from error
        command += ["--bootstrap-server", target.bootstrap]
        meter = Meter(target.pid)
        with subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL) as process:
            client_cpu_s, busiest_s = _watch(process, load.seconds)
        cost = meter.stop()
        output.seek(0)
        text = output.read()
        summary = _SUMMARY.search(text)
        if process.returncode != 0 or summary is None:
            raise LoadError(f"ProducerPerformance failed, or took longer than {load.seconds:g} s:\n{text[-2000:]}")
        sent = int(summary["sent"])
        if (stored := sum(end_offsets(target, topic, load.partitions))) != sent:
            raise LoadError(f"{sent} messages were sent, {stored} are in the log")
    cost = Cost(
        seconds=sent / float(summary["per_s"]),
        broker_cpu_s=cost.broker_cpu_s,
        broker_rss_bytes=cost.broker_rss_bytes,
        client_cpu_s=client_cpu_s,
        client_busiest_thread=min(busiest_s / cost.seconds, 1.0),
    )
    return Measurement("produce-java", sent, sent * load.message_bytes, cost)


def _arguments(load: Load, topic: str) -> list[str]:
    properties: dict[str, object] = {
        "acks": load.acks,
        "batch.size": load.batch_bytes,
        "linger.ms": round(load.linger_ms),
        "compression.type": load.compression,
        "enable.idempotence": str(load.idempotent).lower(),
    }
    words = ["--topic", topic, "--num-records", str(load.count), "--record-size", str(load.message_bytes)]
    words += ["--throughput", "-1", "--command-property", *(f"{name}={value}" for name, value in properties.items())]
    return words


def _watch(process: subprocess.Popen[bytes], seconds: float) -> tuple[float, float]:
    """Wait for its end, killing it after so long; returns CPU seconds of it and of its busiest thread.

    They are looked up while it runs, so those of its last moment are missing.
    """
    deadline = time.monotonic() + seconds
    watched = psutil.Process(process.pid)
    total_s = busiest_s = 0.0
    while process.poll() is None:
        if time.monotonic() > deadline:
            process.kill()
        try:
            times = [each.user_time + each.system_time for each in watched.threads()]
            total_s, busiest_s = max(total_s, sum(times)), max([busiest_s, *times])
        except psutil.Error:
            pass  # it has just ended, or is not to be looked at (macOS)
        time.sleep(_LOOK_INTERVAL_S)
    return total_s, busiest_s
