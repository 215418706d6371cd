"""A producer's metrics: what the client measures by itself, before and after two settings are changed.

    python examples/producer_metrics.py

Ten thousand messages of 100 bytes are sent by two producers. One sees, with figures in place of the dots:

    metric                       default   batched
    records-per-request-avg          ...       ...
    batch-size-avg                   ...       ...
    compression-rate-avg             ...       ...
    request-latency-avg              ...       ...
    record-send-rate                 ...       ...
    record-retry-rate               0.00      0.00
    record-error-rate               0.00      0.00

Sizes are in bytes as sent, latency in ms, rates a second over the last 30 seconds; compression is size after / before.
"""

import argparse

from kafka import KafkaProducer

TOPIC = "page-views"
METRICS = [
    "records-per-request-avg",  # few of them: a longer linger_ms helps
    "batch-size-avg",  # close to batch_size: a larger one would help
    "compression-rate-avg",
    "request-latency-avg",  # from sending a batch to its acknowledgement
    "record-send-rate",
    "record-retry-rate",  # not 0: brokers move, or are overloaded
    "record-error-rate",  # not 0: messages are lost unless the program looks at its futures
]


def measure(bootstrap_server: str, **settings: object) -> dict[str, float]:
    with KafkaProducer(bootstrap_servers=bootstrap_server, **settings) as producer:
        for n in range(10_000):
            producer.send(TOPIC, f"/shop/articles/{n}".encode().ljust(100))
        producer.flush()
        metrics: dict[str, float] = producer.metrics()["producer-metrics"]
    return metrics


def main(bootstrap_server: str) -> None:
    default = measure(bootstrap_server)
    batched = measure(bootstrap_server, linger_ms=20, batch_size=100_000, compression_type="gzip")
    print(f"{'metric':25}{'default':>11}{'batched':>10}")
    for name in METRICS:
        print(f"{name:25}{default[name]:11.2f}{batched[name]:10.2f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--bootstrap-server", default="localhost:9092")
    main(parser.parse_args().bootstrap_server)
