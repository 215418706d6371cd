"""Each codec: what a client compresses, and what it reads of all the others."""

from __future__ import annotations

from tests.clients.setting import Setting, feature
from tests.support.records_over_the_wire import read_all, values_of


def _compression(codec: str) -> None:
    @feature(f"produce {codec}")
    def compress(setting: Setting) -> None:
        topic = setting.make_topic()
        values = [f"compressible {index} " * 20 for index in range(50)]
        setting.ask("produce", topic=topic, records=[{"value": value} for value in values], codec=codec)
        batches = read_all(setting.wire, topic)
        assert values_of(batches) == [value.encode() for value in values]
        codecs = {batch.codec for batch in batches}
        assert codecs == {codec}, f"stored as {', '.join(codecs)}"

    @feature(f"consume {codec} of every client")
    def decompress(setting: Setting) -> None:
        if codec not in setting.compressed:
            topic = setting.make_topic(partitions=len(setting.clients))
            for partition, client in enumerate(setting.clients.values()):
                records = [
                    {"value": f"{client.name} {index} " * 20, "key": str(index), "partition": partition}
                    for index in range(50)
                ]
                client.ask("produce", topic=topic, records=records, codec=codec)
            setting.compressed[codec] = topic
        partitions = list(range(len(setting.clients)))
        read = setting.ask(
            "consume", topic=setting.compressed[codec], partitions=partitions, count=50 * len(partitions)
        )
        for partition, name in enumerate(setting.clients):
            got = [(each["key"], each["value"]) for each in read if each["partition"] == partition]
            assert got == [(str(index), f"{name} {index} " * 20) for index in range(50)]


for _codec in ("gzip", "snappy", "lz4", "zstd"):
    _compression(_codec)
