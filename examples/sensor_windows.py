"""An IoT pipeline: three sensors report temperatures, which are averaged over windows of one minute.

    python examples/sensor_windows.py

Windows go by the time at which a reading was taken, not by the time at which it arrives. A sensor's window is closed by
its first reading of a later minute; what still comes for it is too late. The averages go to a topic of their own:

    minute 0: attic 20.0 °C
    minute 0: boiler 61.0 °C
    minute 0: cellar 11.0 °C
    minute 1: attic 26.0 °C
    minute 1: boiler 67.0 °C, too hot
    minute 1: cellar 17.0 °C
    readings that came too late: 1
"""

import argparse
import asyncio
import json
import time
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

READINGS_TOPIC = "temperatures"
AVERAGES_TOPIC = "temperature-averages"
DISPLAY_GROUP = "temperature-display"
WINDOW_MS = 60_000
TOO_HOT = 65.0


@dataclass
class Window:
    """The readings of one sensor in one minute."""

    start_ms: int
    total: float = 0.0
    count: int = 0


async def run_sensor(
    producer: AIOKafkaProducer, sensor: str, celsius: float, seconds: list[int], start_ms: int
) -> None:
    """Report a temperature that rises by a tenth of a degree a second, at these seconds after the start."""
    for second in seconds:
        value = json.dumps({"celsius": celsius + second / 10}).encode()
        # The key keeps a sensor's readings in order.
        await producer.send(READINGS_TOPIC, value, key=sensor.encode(), timestamp_ms=start_ms + 1000 * second)


async def run_pipeline(producer: AIOKafkaProducer, consumer: AIOKafkaConsumer, readings: int) -> tuple[int, int]:
    """Average that many readings; return how many windows were closed, and how many readings came too late."""
    windows: dict[str, Window] = {}
    closed = late = 0
    for _ in range(readings):
        message = await consumer.getone()
        sensor = message.key.decode()
        start_ms = message.timestamp - message.timestamp % WINDOW_MS
        window = windows.get(sensor)
        if window is not None and start_ms < window.start_ms:
            late += 1
            continue
        if window is None or start_ms > window.start_ms:
            if window is not None:
                closed += 1
                average = {"sensor": sensor, "start_ms": window.start_ms, "celsius": window.total / window.count}
                key = f"{sensor}/{window.start_ms}"
                await producer.send_and_wait(AVERAGES_TOPIC, json.dumps(average).encode(), key=key.encode())
            window = windows[sensor] = Window(start_ms)
        window.total += json.loads(message.value)["celsius"]
        window.count += 1
    return closed, late


async def read_averages(consumer: AIOKafkaConsumer, count: int, start_ms: int) -> list[str]:
    lines = []
    for _ in range(count):
        message = await consumer.getone()
        average = json.loads(message.value)
        minute = (average["start_ms"] - start_ms) // WINDOW_MS
        warning = ", too hot" if average["celsius"] > TOO_HOT else ""
        lines.append(f"minute {minute}: {average['sensor']} {average['celsius']:.1f} °C{warning}")
    return lines


async def main(bootstrap_server: str) -> None:
    start_ms = int(time.time()) // 60 * 60_000 - 2 * WINDOW_MS
    sensors = {
        "attic": (19.0, [5, 15, 65, 75, 125]),
        "boiler": (60.0, [5, 15, 65, 75, 125]),
        "cellar": (10.0, [5, 15, 65, 75, 125, 55]),  # the last one was held up on its way
    }
    reading = {"bootstrap_servers": bootstrap_server, "auto_offset_reset": "earliest"}
    async with AIOKafkaProducer(bootstrap_servers=bootstrap_server, linger_ms=5) as producer:
        await asyncio.gather(*(run_sensor(producer, name, *each, start_ms) for name, each in sensors.items()))
        await producer.flush()
        # Open windows are in memory only, so the pipeline commits no offsets: after a restart it reads the topic from
        # its beginning and writes the same averages once more, under the same keys, so that they replace the old ones.
        async with AIOKafkaConsumer(READINGS_TOPIC, **reading) as consumer:
            readings = sum(len(seconds) for _, seconds in sensors.values())
            closed, late = await run_pipeline(producer, consumer, readings)
    async with AIOKafkaConsumer(AVERAGES_TOPIC, group_id=DISPLAY_GROUP, **reading) as consumer:
        print(*sorted(await read_averages(consumer, closed, start_ms)), sep="\n")
    print(f"readings that came too late: {late}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--bootstrap-server", default="localhost:9092")
    asyncio.run(main(parser.parse_args().bootstrap_server))
