"""The small files of a log directory: Kafka's bytes, damage, and the ownership of a directory."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.uuid import uuid_from_text
from storage import checkpoints, meta_properties, partition_metadata
from storage.directory_names import parse_directory_name, renamed
from storage.filesystem import Filesystem
from storage.log_directory_error import LogDirectoryError
from storage.meta_properties import MetaProperties
from storage.text_checkpoint import CorruptCheckpoint

KAFKA_META = (
    b"#\n#Mon Nov 23 06:38:40 UTC 2026\n"
    b"node.id=1\ndirectory.id=KQjCvQoM7rzFSoCgkIiwPw\nversion=1\ncluster.id=AAAAAAAAAAAAAAAAAAAAAQ\n"
)
CLUSTER = "AAAAAAAAAAAAAAAAAAAAAQ"

offsets = st.dictionaries(
    st.tuples(st.from_regex(r"[a-zA-Z0-9._-]{1,20}", fullmatch=True), st.integers(0, 1 << 31)),
    st.integers(0, (1 << 63) - 1),
    max_size=5,
)


class TestOffsets:
    def test_the_format_is_kafkas(self) -> None:
        assert (
            checkpoints.encode_offsets({("orders", 0): 3005, ("a-b.c", 12): 7}) == b"0\n2\norders 0 3005\na-b.c 12 7\n"
        )

    @settings(max_examples=50, deadline=None)
    @given(offsets)
    def test_round_trip(self, written: dict[tuple[str, int], int]) -> None:
        assert checkpoints.decode_offsets(checkpoints.encode_offsets(written), "x") == written

    def test_files_that_kafka_makes_at_first_are_empty(self) -> None:
        assert checkpoints.decode_offsets(b"", "x") == {}

    @pytest.mark.parametrize(
        "content",
        [b"0\n", b"1\n0\n", b"0\n1\n", b"0\n1\norders 0\n", b"0\n1\norders 0 -5\n", b"0\n1\norders x 5\n", b"\0" * 9],
    )
    def test_a_damaged_file_counts_as_none(
        self, tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
    ) -> None:
        (tmp_path / checkpoints.RECOVERY_POINTS).write_bytes(content)
        with pytest.raises(CorruptCheckpoint, match="name-of-it"):
            checkpoints.decode_offsets(content, "name-of-it")
        assert checkpoints.read_offsets(str(tmp_path), checkpoints.RECOVERY_POINTS, Filesystem()) == {}
        assert checkpoints.RECOVERY_POINTS in caplog.text

    def test_written_and_read(self, tmp_path: Path) -> None:
        filesystem = Filesystem()
        assert checkpoints.read_offsets(str(tmp_path), checkpoints.HIGH_WATERMARKS, filesystem) == {}
        checkpoints.write_offsets(str(tmp_path), checkpoints.HIGH_WATERMARKS, {("orders", 1): 5}, filesystem)
        assert checkpoints.read_offsets(str(tmp_path), checkpoints.HIGH_WATERMARKS, filesystem) == {("orders", 1): 5}


def test_the_clean_mark(tmp_path: Path) -> None:
    filesystem = Filesystem()
    assert not checkpoints.is_marked_clean(str(tmp_path), filesystem)
    checkpoints.mark_clean(str(tmp_path), 11, filesystem)
    assert (tmp_path / ".kafka_cleanshutdown").read_bytes() == b'{"version":0,"brokerEpoch":11}'
    assert checkpoints.is_marked_clean(str(tmp_path), filesystem)
    checkpoints.unmark_clean(str(tmp_path), filesystem)
    assert not checkpoints.is_marked_clean(str(tmp_path), filesystem)


class TestMetaProperties:
    def test_reads_kafkas_file(self) -> None:
        assert meta_properties.decode(KAFKA_META, "x") == MetaProperties(CLUSTER, 1, "KQjCvQoM7rzFSoCgkIiwPw")

    @pytest.mark.parametrize("cluster_id", [CLUSTER, "my cluster", "a=b:c#d!e\\f", "x"])
    def test_round_trip(self, cluster_id: str) -> None:
        written = MetaProperties(cluster_id, 3, "KQjCvQoM7rzFSoCgkIiwPw")
        assert meta_properties.decode(meta_properties.encode(written), "x") == written

    def test_a_new_directory_is_claimed_once(self, tmp_path: Path) -> None:
        filesystem = Filesystem()
        directory_id = meta_properties.claim(str(tmp_path), CLUSTER, 1, filesystem)
        assert len(uuid_from_text(directory_id)) == 16
        assert meta_properties.claim(str(tmp_path), CLUSTER, 1, filesystem) == directory_id
        content = (tmp_path / "meta.properties").read_text()
        lines = {f"cluster.id={CLUSTER}", f"directory.id={directory_id}", "node.id=1", "version=1"}
        assert set(content.splitlines()) == lines

    def test_a_directory_without_an_id_is_given_one(self, tmp_path: Path) -> None:
        (tmp_path / "meta.properties").write_bytes(re.sub(rb"directory.id=.*\n", b"", KAFKA_META))
        directory_id = meta_properties.claim(str(tmp_path), CLUSTER, 1, Filesystem())
        assert f"directory.id={directory_id}\n" in (tmp_path / "meta.properties").read_text()

    @pytest.mark.parametrize(
        ("cluster_id", "node_id", "sentence"),
        [
            ("other", 1, f"belongs to cluster {CLUSTER}, this is cluster other"),
            (CLUSTER, 2, "belongs to node 1, this is node 2"),
        ],
    )
    def test_anothers_directory_is_refused(self, tmp_path: Path, cluster_id: str, node_id: int, sentence: str) -> None:
        (tmp_path / "meta.properties").write_bytes(KAFKA_META)
        with pytest.raises(LogDirectoryError, match=sentence) as caught:
            meta_properties.claim(str(tmp_path), cluster_id, node_id, Filesystem())
        assert str(tmp_path) in str(caught.value)
        assert (tmp_path / "meta.properties").read_bytes() == KAFKA_META

    @pytest.mark.parametrize(
        "content",
        [b"", b"version=0\nbroker.id=1\n", b"version=1\nnode.id=x\ncluster.id=y\n", b"version=1\n", b"\0" * 50],
    )
    def test_what_is_no_such_file_is_refused(self, content: bytes) -> None:
        with pytest.raises(LogDirectoryError, match=r"meta\.properties"):
            meta_properties.decode(content, "/d/meta.properties")


class TestPartitionMetadata:
    def test_kafkas_bytes(self) -> None:
        topic_id = uuid_from_text("kzrJqaK6QLSLcvnkcj4wCg")
        content = b"version: 0\ntopic_id: kzrJqaK6QLSLcvnkcj4wCg"
        assert partition_metadata.encode(topic_id) == content
        assert partition_metadata.decode(content, "x") == topic_id

    @pytest.mark.parametrize(
        "content",
        [b"", b"\0" * 43, b"version: 1\ntopic_id: kzrJqaK6QLSLcvnkcj4wCg", b"version: 0\ntopic_id: abc", b"\xff"],
    )
    def test_damage(self, content: bytes) -> None:
        with pytest.raises(CorruptCheckpoint, match="name-of-it"):
            partition_metadata.decode(content, "name-of-it")


class TestDirectoryNames:
    @pytest.mark.parametrize(
        ("name", "key"),
        [
            ("orders-0", ("orders", 0)),
            ("a-b-12", ("a-b", 12)),
            ("orders-1.0123-delete", None),
            ("orders-1.0123-stray", None),
            ("orders-01", None),
            ("orders", None),
            ("-1", None),
            ("lost+found", None),
        ],
    )
    def test_parse(self, name: str, key: tuple[str, int] | None) -> None:
        assert parse_directory_name(name) == key

    def test_a_long_topic_is_cut_and_the_partition_is_not(self) -> None:
        name = renamed("t" * 249, 12, "f" * 32, "-delete")
        assert len(name) == 255
        assert name.endswith(f"t-12.{'f' * 32}-delete")
        assert renamed("orders", 3, "f" * 32, "-stray") == f"orders-3.{'f' * 32}-stray"
