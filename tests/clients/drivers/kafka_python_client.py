"""kafka-python's operations, for all of its versions. Texts stand for the bytes of keys and values."""

from __future__ import annotations

import contextlib
import sys
import time

with contextlib.suppress(ImportError):
    # kafka-python 2.0.2 carries a copy of six whose importer Python 3.12 no longer knows.
    import six.moves

    sys.modules.setdefault("kafka.vendor.six.moves", six.moves)

import kafka
from calls import noted
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import NewTopic
from kafka.errors import KafkaError

DEADLINE_S = 30
# Version 2.2 leaves a request without an answer in its own queue until it sends one that has: no use to wait for long.
_ARRIVAL_DEADLINE_S = 3 if kafka.__version__.startswith("2.2.") else DEADLINE_S
# Version 3 takes a topic that was made again for the old one, cut off where the new one ends: the same.
_RESET_DEADLINE_S = 3 if kafka.__version__.startswith("3.") else DEADLINE_S

AdminClient = noted(KafkaAdminClient)
OPEN = {}
"""By topic, the producer or consumer that is kept."""


def error_code(error):
    """Kafka's code of an error; kafka-python's own have none."""
    return getattr(error, "errno", None) if isinstance(error, KafkaError) else None


def connect(bootstrap):
    consumer = KafkaConsumer(bootstrap_servers=bootstrap)
    try:
        return consumer.topics() is not None
    finally:
        consumer.close()


def create_topic(bootstrap, topic, partitions, configs):
    with admin_client(bootstrap) as admin:
        admin.create_topics([NewTopic(topic, partitions, 1, topic_configs=configs)], timeout_ms=DEADLINE_S * 1000)


def delete_topic(bootstrap, topic):
    with admin_client(bootstrap) as admin:
        admin.delete_topics([topic], timeout_ms=DEADLINE_S * 1000)


def list_topics(bootstrap):
    with admin_client(bootstrap) as admin:
        return list(admin.list_topics())


def describe_topic(bootstrap, topic):
    with admin_client(bootstrap) as admin:
        (described,) = admin.describe_topics([topic])
    partitions = described["partitions"]
    # kafka-python 3 has renamed the keys to those of the protocol.
    return {
        "partitions": sorted(each.get("partition", each.get("partition_index")) for each in partitions),
        "leaders": sorted({each.get("leader", each.get("leader_id")) for each in partitions}),
    }


def describe_cluster(bootstrap):
    with admin_client(bootstrap) as admin:
        described = admin.describe_cluster()
    return {
        "cluster_id": described["cluster_id"],
        "controller_id": described["controller_id"],
        "brokers": [
            [each.get("node_id", each.get("broker_id")), each["host"], each["port"]] for each in described["brokers"]
        ],
    }


def produce(bootstrap, topic, records, acks="all", codec=None, idempotent=False, max_request_size=1048576):
    options = {"enable_idempotence": idempotent}
    if not idempotent and "enable_idempotence" not in KafkaProducer.DEFAULT_CONFIG:
        options = {}
    producer = KafkaProducer(
        bootstrap_servers=bootstrap,
        acks=acks,
        compression_type=codec,
        linger_ms=50,
        max_request_size=max_request_size,
        **options,
    )
    try:
        futures = [
            producer.send(
                topic,
                value=_bytes(record["value"]),
                key=_bytes(record.get("key")),
                headers=[(key, _bytes(value)) for key, value in record.get("headers", [])],
                partition=record.get("partition", 0),
                timestamp_ms=record.get("timestamp"),
            )
            for record in records
        ]
        producer.flush(DEADLINE_S)
        if acks == 0:
            _await_records(bootstrap, topic, len(records))
        return [future.get(DEADLINE_S).offset for future in futures]
    finally:
        producer.close()


def _await_records(bootstrap, topic, count):
    """Wait for records that nobody acknowledges, before close() forgets those that are not on the socket yet."""
    end = time.monotonic() + _ARRIVAL_DEADLINE_S
    with _consumer(bootstrap, topic, (0,)) as consumer:
        while sum(consumer.end_offsets(consumer.assignment()).values()) < count:
            if time.monotonic() > end:
                raise TimeoutError("the records have not arrived")


def consume(bootstrap, topic, count, partitions=(0,), offset="beginning", read_committed=False, reset="earliest"):
    with _consumer(bootstrap, topic, partitions, read_committed, auto_offset_reset=reset) as consumer:
        _seek(consumer, offset)
        return poll(consumer, count)


def start_producing(bootstrap, topic, value):
    """Produce with a producer that is kept, and return the offset."""
    OPEN[topic] = KafkaProducer(bootstrap_servers=bootstrap)
    return OPEN[topic].send(topic, value.encode(), partition=0).get(DEADLINE_S).offset


def end_producing(bootstrap, topic, value):
    """Produce once more with the producer that was kept."""
    with contextlib.closing(OPEN.pop(topic)) as producer:
        return producer.send(topic, value.encode(), partition=0).get(DEADLINE_S).offset


def start_consuming(bootstrap, topic, count):
    """Read values from the beginning with a consumer that is kept."""
    OPEN[topic] = KafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest")
    OPEN[topic].assign([TopicPartition(topic, 0)])
    return [record["value"] for record in poll(OPEN[topic], count)]


def end_consuming(bootstrap, topic, count):
    """Read on with the consumer that was kept."""
    with contextlib.closing(OPEN.pop(topic)) as consumer:
        return [record["value"] for record in poll(consumer, count, _RESET_DEADLINE_S)]


def tail(bootstrap, topic, value):
    """Wait at the end of the log, and only then produce what shall be read."""
    with _consumer(bootstrap, topic, (0,)) as consumer:
        _seek(consumer, "end")
        early = poll(consumer, 1, deadline_s=0.2)
        produce(bootstrap, topic, [{"value": value}])
        return early + poll(consumer, 1)


def offsets(bootstrap, topic, timestamps):
    """The first and the end offset, and those of the first records at or after the timestamps."""
    partition = TopicPartition(topic, 0)
    with _consumer(bootstrap, topic, (0,)) as consumer:
        found = [consumer.offsets_for_times({partition: timestamp})[partition] for timestamp in timestamps]
        return {
            "beginning": consumer.beginning_offsets([partition])[partition],
            "end": consumer.end_offsets([partition])[partition],
            "times": [each and [each.offset, each.timestamp] for each in found],
        }


def touch(bootstrap, topic):
    """Ask for the metadata of a topic as a producer does that is about to write to it."""
    producer = KafkaProducer(bootstrap_servers=bootstrap)
    try:
        return len(producer.partitions_for(topic))
    finally:
        producer.close()


def admin_client(bootstrap):
    return contextlib.closing(AdminClient(bootstrap_servers=bootstrap))


@contextlib.contextmanager
def _consumer(bootstrap, topic, partitions, read_committed=False, **options):
    if read_committed:
        options["isolation_level"] = "read_committed"
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, **options)
    try:
        consumer.assign([TopicPartition(topic, partition) for partition in partitions])
        yield consumer
    finally:
        consumer.close()


def _seek(consumer, offset):
    if offset == "beginning":
        consumer.seek_to_beginning()
    elif offset == "end":
        consumer.seek_to_end()
        for partition in consumer.assignment():
            consumer.position(partition)
    else:
        for partition in consumer.assignment():
            consumer.seek(partition, offset)


def poll(consumer, count, deadline_s=DEADLINE_S):
    records = []
    end = time.monotonic() + deadline_s
    while len(records) < count and time.monotonic() < end:
        for batch in consumer.poll(timeout_ms=200).values():
            records.extend(as_dict(record) for record in batch)
    return records


def as_dict(record):
    return {
        "partition": record.partition,
        "offset": record.offset,
        "timestamp": record.timestamp,
        "is_log_append_time": record.timestamp_type == 1,
        "key": _text(record.key),
        "value": _text(record.value),
        "headers": [[key, _text(value)] for key, value in record.headers],
    }


def _bytes(text):
    return None if text is None else text.encode()


def _text(data):
    return None if data is None else data.decode()
