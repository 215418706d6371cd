"""A producer that goes on while the broker is away: stop the broker, start it again, and nothing is lost.

    python examples/steady_producer.py

Ten ticks a second are sent until Ctrl-C. While nobody is there to take them they wait in the client's queue, as long as
`delivery.timeout.ms` says; idempotence keeps their order, and each of them from being stored twice. One sees, with
figures in place of the dots:

    sending ticks
    the broker is away, ticks are waiting
    the broker is back
    ... ticks sent, ... stored, 0 lost

On stderr, librdkafka tells of each connection that failed.
"""

import argparse
import signal
import threading
import time

from confluent_kafka import KafkaError, Message, Producer

TOPIC = "ticks"


class Ticker:
    """Sends numbers and keeps account of them."""

    def __init__(self, bootstrap_server: str) -> None:
        self.sent = self.stored = self.lost = 0
        self._away = False
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap_server,
                "enable.idempotence": True,
                "delivery.timeout.ms": 600_000,
                "reconnect.backoff.max.ms": 1000,
                "error_cb": self._on_error,
            }
        )

    def send(self) -> None:
        try:
            self._producer.produce(TOPIC, str(self.sent), on_delivery=self._on_delivery)
            self.sent += 1
        except BufferError:
            pass  # away for very long: the queue is full, and this number is sent when the next one would have been

    def wait(self, seconds: float) -> None:
        """Let time pass; errors and delivery reports are handled in here."""
        end = time.monotonic() + seconds
        while (rest := end - time.monotonic()) > 0:
            self._producer.poll(rest)

    def close(self) -> None:
        self._producer.flush()

    def _on_error(self, error: KafkaError) -> None:
        # Told for information: the client goes on trying by itself.
        if error.code() == KafkaError._ALL_BROKERS_DOWN and not self._away:
            self._away = True
            print("the broker is away, ticks are waiting")

    def _on_delivery(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self.lost += 1
            return
        self.stored += 1
        if self._away:
            self._away = False
            print("the broker is back")


def main(bootstrap_server: str) -> None:
    ticker = Ticker(bootstrap_server)
    stopping = threading.Event()
    # Not as an exception: one that is raised within a callback of the client ends its poll with a SystemError.
    signal.signal(signal.SIGINT, lambda *_: stopping.set())
    print("sending ticks")
    while not stopping.is_set():
        ticker.send()
        ticker.wait(0.1)
    ticker.close()
    print(f"{ticker.sent} ticks sent, {ticker.stored} stored, {ticker.lost} lost")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--bootstrap-server", default="localhost:9092")
    main(parser.parse_args().bootstrap_server)
