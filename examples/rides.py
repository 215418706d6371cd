"""Rides: an app publishes what happens; billing and notifications each read all of it, as groups of their own.

    python examples/rides.py

The app knows nothing of its readers: a third service would be a third group. Each keeps its own place, and may be
stopped, started again and run twice without the other noticing. One sees these lines, mixed as the two get on:

    billing: ride 1 of Ada over 12 km costs 21.00
    billing: ride 2 of Grace over 3 km costs 7.50
    billing: ride 3 of Edsger over 8 km costs 15.00
    notifications: Ada, your driver is on the way
    notifications: Grace, your driver is on the way
    notifications: Ada, you have arrived
    notifications: Edsger, your driver is on the way
    notifications: Grace, you have arrived
    notifications: Edsger, you have arrived
"""

import argparse
import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

TOPIC = "rides"
BILLING_GROUP = "ride-billing"
NOTIFICATIONS_GROUP = "ride-notifications"
EVENTS = [
    {"ride": 1, "rider": "Ada", "event": "started"},
    {"ride": 2, "rider": "Grace", "event": "started"},
    {"ride": 1, "rider": "Ada", "event": "ended", "km": 12},
    {"ride": 3, "rider": "Edsger", "event": "started"},
    {"ride": 2, "rider": "Grace", "event": "ended", "km": 3},
    {"ride": 3, "rider": "Edsger", "event": "ended", "km": 8},
]


async def publish_rides(bootstrap_server: str) -> None:
    async with AIOKafkaProducer(bootstrap_servers=bootstrap_server, enable_idempotence=True) as producer:
        for event in EVENTS:
            # The key keeps the events of a ride in order, however many partitions there are.
            await producer.send_and_wait(TOPIC, key=str(event["ride"]).encode(), value=json.dumps(event).encode())


async def read_events(bootstrap_server: str, group: str) -> AsyncIterator[dict[str, Any]]:
    """Yield the events one after the other; each is committed when the next one is asked for."""
    consumer = AIOKafkaConsumer(
        TOPIC,
        bootstrap_servers=bootstrap_server,
        group_id=group,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    async with consumer:
        for _ in EVENTS:
            message = await consumer.getone()
            yield json.loads(message.value)
            await consumer.commit()


async def run_billing(bootstrap_server: str) -> None:
    async for event in read_events(bootstrap_server, BILLING_GROUP):
        if event["event"] == "ended":
            price = 3 + 1.5 * event["km"]
            print(f"billing: ride {event['ride']} of {event['rider']} over {event['km']} km costs {price:.2f}")


async def run_notifications(bootstrap_server: str) -> None:
    texts = {"started": "your driver is on the way", "ended": "you have arrived"}
    async for event in read_events(bootstrap_server, NOTIFICATIONS_GROUP):
        print(f"notifications: {event['rider']}, {texts[event['event']]}")


async def main(bootstrap_server: str) -> None:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(publish_rides(bootstrap_server))
        tasks.create_task(run_billing(bootstrap_server))
        tasks.create_task(run_notifications(bootstrap_server))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--bootstrap-server", default="localhost:9092")
    asyncio.run(main(parser.parse_args().bootstrap_server))
