"""What the compiled codecs accept, refuse and leave alone; each of these was a trap once."""

from __future__ import annotations

import traceback
from typing import Any

import pytest

from protocol.codec import decode_versioned, decoder, encode_versioned, encoder
from protocol.errors import MalformedFrame
from protocol.messages.api_versions import ApiVersionsRequest, ApiVersionsResponse, FinalizedFeatureKey
from protocol.messages.create_topics import CreatableTopic, CreateTopicsRequest
from protocol.messages.delete_topics import DeleteTopicsRequest
from protocol.messages.describe_client_quotas import DescribeClientQuotasResponse, EntryData, ValueData
from protocol.messages.describe_cluster import DescribeClusterRequest
from protocol.messages.describe_quorum import DescribeQuorumResponse, Listener, Node
from protocol.messages.describe_topic_partitions import Cursor, DescribeTopicPartitionsRequest
from protocol.messages.fetch import (
    FetchableTopicResponse,
    FetchPartition,
    FetchRequest,
    FetchResponse,
    FetchTopic,
    PartitionData,
    ReplicaState,
)
from protocol.messages.init_producer_id import InitProducerIdRequest
from protocol.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol
from protocol.messages.metadata import (
    MetadataRequest,
    MetadataRequestTopic,
    MetadataResponse,
    MetadataResponsePartition,
    MetadataResponseTopic,
)
from protocol.messages.produce import (
    LeaderIdAndEpoch,
    PartitionProduceData,
    PartitionProduceResponse,
    ProduceRequest,
    ProduceResponse,
    TopicProduceData,
    TopicProduceResponse,
)
from protocol.messages.sync_group import SyncGroupResponse
from protocol.schema import Versioned, binary, int8
from tests.protocol.messages import decode, encode

NO_TAGS = b"\x00"


def produce_request(records: bytes | None = b"records") -> ProduceRequest:
    data = PartitionProduceData(index=3, records=records)
    topic = TopicProduceData(name="orders", partition_data=[data])
    return ProduceRequest(acks=1, timeout_ms=30_000, topic_data=[topic])


def refused(cls: Any, version: int, body: bytes) -> str:
    with pytest.raises(MalformedFrame) as caught:
        decoder(cls, version)(memoryview(body), 0)
    return str(caught.value)


class TestElementsEncodedBefore:
    """An element whose class stands alone may be given as its bytes."""

    topics = (
        MetadataResponseTopic(error_code=3, name="nope"),
        MetadataResponseTopic(
            error_code=0,
            name="orders",
            partitions=[
                MetadataResponsePartition(
                    error_code=0, partition_index=0, leader_id=1, replica_nodes=[1], isr_nodes=[1]
                )
            ],
        ),
    )

    @pytest.mark.parametrize("version", range(14))
    def test_it_is_the_same(self, version: int) -> None:
        parts: list[Any] = []
        encoder(MetadataResponseTopic, version)(self.topics[1], parts)
        mixed = MetadataResponse(topics=[self.topics[0], b"".join(parts), self.topics[0]])
        plain = MetadataResponse(topics=[self.topics[0], self.topics[1], self.topics[0]])
        assert encode(mixed, version) == encode(plain, version)

    def test_it_is_not_blamed_for_what_another_field_holds(self) -> None:
        message = MetadataResponse(topics=[b"bytes"], controller_id="one")  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="controller_id is no int32: 'one'"):
            encode(message, 13)

    def test_no_other_element_may_be_bytes(self) -> None:
        message = ProduceResponse(responses=[b"bytes"])  # type: ignore[list-item]
        with pytest.raises(ValueError, match=r"responses\[0\] is no TopicProduceResponse"):
            encode(message, 9)


class TestAccess:
    def test_a_codec_is_compiled_once(self) -> None:
        assert decoder(ProduceRequest, 9) is decoder(ProduceRequest, 9)
        assert encoder(ProduceRequest, 9) is encoder(ProduceRequest, 9)
        assert decoder(ProduceRequest, 9) is not decoder(ProduceRequest, 8)

    @pytest.mark.parametrize("version", [-1, 2, 14])
    def test_a_version_that_does_not_exist_is_refused(self, version: int) -> None:
        for make in (decoder, encoder):
            with pytest.raises(ValueError, match=f"ProduceRequest has the versions 3-13, not {version}"):
                make(ProduceRequest, version)

    def test_a_traceback_shows_the_generated_source(self) -> None:
        with pytest.raises(MalformedFrame) as caught:
            decoder(ProduceRequest, 9)(memoryview(b"\x00\x00"), 0)
        text = "".join(traceback.format_exception(caught.value))
        assert 'File "<ottla ProduceRequest v9 decode>", line ' in text
        assert "message.acks, message.timeout_ms, size = unpack_from_hiB(buffer, position)" in text
        assert str(caught.value).startswith("ProduceRequest v9: ")


class TestRecords:
    @pytest.mark.parametrize("version", [8, 9])
    def test_they_are_a_view_of_the_frame(self, version: int) -> None:
        frame = bytearray(b"header" + encode(produce_request(b"x" * 200), version))
        request, position = decoder(ProduceRequest, version)(memoryview(frame), 6)
        assert position == len(frame)
        records = request.topic_data[0].partition_data[0].records
        assert isinstance(records, memoryview)
        assert records.obj is frame
        assert records == b"x" * 200
        records[0:1] = b"y"  # broker and storage stamp offsets in place
        assert b"yxxx" in frame

    @pytest.mark.parametrize("version", [11, 12])
    def test_each_becomes_a_part_of_its_own(self, version: int) -> None:
        class Span:
            def __len__(self) -> int:
                return 5

        blobs: list[Any] = [memoryview(b"first"), None, b"", Span()]
        partitions = [
            PartitionData(partition_index=index, error_code=0, high_watermark=0, records=blob)
            for index, blob in enumerate(blobs)
        ]
        response = FetchResponse(responses=[FetchableTopicResponse(topic="orders", partitions=partitions)])
        parts: list[Any] = [b"header"]
        encoder(FetchResponse, version)(response, parts)
        assert parts[0] == b"header"
        assert parts[2] is blobs[0]
        assert parts[4] is blobs[3]
        assert [type(part) for part in parts] == [bytes, bytes, memoryview, bytes, Span, bytes][: len(parts)]
        joined = b"".join(b"spans" if isinstance(part, Span) else part for part in parts[1:])
        partitions[3].records = b"spans"
        assert joined == encode(response, version)
        assert decode(FetchResponse, version, joined) == response


class Blob(Versioned, versions="0-1", flexible="1+"):
    """Bytes that may be null, which no message served has."""

    data: bytes | None = binary(nullable="0+", default=None)
    end: int = int8(default=7)


class TestBytes:
    @pytest.mark.parametrize("version", [5, 6])
    def test_they_are_copied_out_of_the_frame(self, version: int) -> None:
        request = JoinGroupRequest(
            group_id="g",
            session_timeout_ms=1,
            member_id="",
            protocol_type="consumer",
            protocols=[JoinGroupRequestProtocol(name="range", metadata=b"x" * 200)],
        )
        frame = bytearray(encode(request, version))
        decoded, _ = decoder(JoinGroupRequest, version)(memoryview(frame), 0)
        frame[:] = bytes(len(frame))
        assert type(decoded.protocols[0].metadata) is bytes
        assert decoded == request

    def test_a_view_is_encoded_as_well(self) -> None:
        for data in (b"abc", bytearray(b"abc"), memoryview(b"abc")):
            assert encode_versioned(Blob(data=data), 0) == b"\0\0" + b"\0\0\0\x03abc" + b"\x07"  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        ("data", "classic", "compact"),
        [
            (None, b"\xff\xff\xff\xff", b"\x00"),
            (b"", b"\x00\x00\x00\x00", b"\x01"),
            (b"ab", b"\x00\x00\x00\x02ab", b"\x03ab"),
            (b"x" * 127, b"\x00\x00\x00\x7f" + b"x" * 127, b"\x80\x01" + b"x" * 127),
        ],
    )
    def test_null_and_lengths(self, data: bytes | None, classic: bytes, compact: bytes) -> None:
        assert encode_versioned(Blob(data=data), 0) == b"\x00\x00" + classic + b"\x07"
        assert encode_versioned(Blob(data=data), 1) == b"\x00\x01" + compact + b"\x07" + NO_TAGS
        for version in (0, 1):
            assert decode_versioned(Blob, encode_versioned(Blob(data=data), version)) == Blob(data=data)

    @pytest.mark.parametrize("version", [0, 4])
    def test_null_is_malformed_where_it_has_no_meaning(self, version: int) -> None:
        body = encode(SyncGroupResponse(error_code=0, assignment=b""), version)
        length = (b"\x01", b"\x00") if version == 4 else (b"\x00" * 4, b"\xff" * 4)
        end = NO_TAGS if version == 4 else b""
        assert body.endswith(length[0] + end)
        assert refused(SyncGroupResponse, version, body.removesuffix(length[0] + end) + length[1] + end).endswith(
            "assignment is null"
        )

    def test_what_is_no_bytes_is_named(self) -> None:
        for value in ("text", 5, [1]):
            with pytest.raises(ValueError, match=r"SyncGroupResponse v4: assignment is no bytes: "):
                encode(SyncGroupResponse(error_code=0, assignment=value), 4)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match=r"SyncGroupResponse v4: assignment is None"):
            encode(SyncGroupResponse(error_code=0, assignment=None), 4)  # type: ignore[arg-type]


class TestTags:
    def test_unknown_ones_are_skipped_even_twice(self) -> None:
        request = ApiVersionsRequest(client_software_name="a", client_software_version="b")
        body = encode(request, 3)
        assert body.endswith(NO_TAGS)
        assert decode(ApiVersionsRequest, 3, body[:-1] + b"\x03\x63\x02xx\x63\x01y\x07\x00") == request

    def test_more_than_127_unknown_ones(self) -> None:
        tags = b"".join(bytes([tag % 100 + 10, 1, tag % 256]) for tag in range(130))
        assert decode(ApiVersionsRequest, 3, b"\x01\x01\x82\x01" + tags) == ApiVersionsRequest()
        body = encode(FetchRequest(max_wait_ms=1, min_bytes=1), 12)
        assert decode(FetchRequest, 12, body[:-1] + b"\x82\x01" + tags) == FetchRequest(max_wait_ms=1, min_bytes=1)

    def test_unknown_ones_stand_beside_known_ones(self) -> None:
        request = FetchRequest(max_wait_ms=1, min_bytes=1, replica_state=ReplicaState(replica_id=7))
        body = encode(request, 15)
        known = b"\x01\x0d\x00\x00\x00\x07" + b"\xff" * 8 + NO_TAGS
        assert body.endswith(b"\x01" + known)
        head = body.removesuffix(b"\x01" + known)
        assert decode(FetchRequest, 15, head + b"\x03\x63\x01x" + known + b"\x80\x01\x00") == request

    def test_a_known_one_must_end_where_its_size_says(self) -> None:
        head = encode(FetchRequest(max_wait_ms=1, min_bytes=1), 12).removesuffix(NO_TAGS)
        assert decode(FetchRequest, 12, head + b"\x01\x00\x03\x03me").cluster_id == "me"  # type: ignore[attr-defined]
        for size in (0, 2, 4):
            text = refused(FetchRequest, 12, head + bytes([1, 0, size]) + b"\x03me\x00\x00")
            assert text == "FetchRequest v12: cluster_id does not end where its tag says"

    def test_tags_inside_of_tags(self) -> None:
        request = FetchRequest(max_wait_ms=1, min_bytes=1, replica_state=ReplicaState(replica_id=7))
        body = encode(request, 15)
        inner = b"\x00\x00\x00\x07" + b"\xff" * 8
        assert body.endswith(b"\x01\x01\x0d" + inner + NO_TAGS)
        head = body.removesuffix(b"\x0d" + inner + NO_TAGS)
        assert decode(FetchRequest, 15, head + b"\x10" + inner + b"\x01\x05\x01x") == request

    def test_what_equals_its_default_is_not_sent(self) -> None:
        response = ProduceResponse(node_endpoints=[])
        assert encode(response, 10) == b"\x01\x00\x00\x00\x00\x00"
        partition = PartitionProduceResponse(index=0, error_code=0, base_offset=0, current_leader=LeaderIdAndEpoch())
        untouched = PartitionProduceResponse(index=0, error_code=0, base_offset=0)
        bodies = [
            encode(ProduceResponse(responses=[TopicProduceResponse(name="t", partition_responses=[p])]), 10)
            for p in (partition, untouched)
        ]
        assert bodies[0] == bodies[1]

    def test_they_are_sent_in_ascending_order_with_their_sizes(self) -> None:
        feature = FinalizedFeatureKey(name="f" * 200, max_version_level=1, min_version_level=1)
        response = ApiVersionsResponse(error_code=0, zk_migration_ready=True, finalized_features=[feature])
        body = encode(response, 3)
        inner = b"\x02\xc9\x01" + b"f" * 200 + b"\x00\x01\x00\x01" + NO_TAGS
        assert body.endswith(b"\x02" + b"\x02\xd0\x01" + inner + b"\x03\x01\x01")
        assert decode(ApiVersionsResponse, 3, body) == response


class TestVersions:
    def test_what_a_version_lacks_is_refused_unless_it_is_ignorable(self) -> None:
        with pytest.raises(
            ValueError, match=r"^InitProducerIdRequest v2 cannot carry InitProducerIdRequest.producer_id$"
        ):
            encode(InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=1, producer_id=5), 2)
        with pytest.raises(ValueError, match=r"FetchRequest v6 cannot carry FetchRequest.forgotten_topics_data"):
            encode(FetchRequest(max_wait_ms=1, min_bytes=1, forgotten_topics_data=[None]), 6)  # type: ignore[list-item]
        with pytest.raises(ValueError, match=r"FetchRequest v14 cannot carry FetchRequest.replica_state"):
            encode(FetchRequest(max_wait_ms=1, min_bytes=1, replica_state=ReplicaState(replica_id=1)), 14)
        with pytest.raises(ValueError, match=r"FetchRequest v4 cannot carry FetchPartition.last_fetched_epoch"):
            partition = FetchPartition(partition=0, fetch_offset=0, partition_max_bytes=1, last_fetched_epoch=1)
            encode(FetchRequest(max_wait_ms=1, min_bytes=1, topics=[FetchTopic(topic="t", partitions=[partition])]), 4)

    def test_the_default_of_what_a_version_lacks_is_not_refused(self) -> None:
        request = FetchRequest(max_wait_ms=1, min_bytes=1, replica_state=ReplicaState(), forgotten_topics_data=[])
        assert decode(FetchRequest, 6, encode(request, 6)) == request

    def test_what_is_ignorable_is_dropped(self) -> None:
        request = FetchRequest(max_wait_ms=1, min_bytes=1, session_id=5, session_epoch=6, rack_id="r", cluster_id="c")
        assert decode(FetchRequest, 6, encode(request, 6)) == FetchRequest(max_wait_ms=1, min_bytes=1)

    def test_names_and_topic_ids_are_both_there_in_all_versions(self) -> None:
        by_name = MetadataRequest(topics=[MetadataRequestTopic(name="t", topic_id=bytes(range(16)))])
        old = decode(MetadataRequest, 9, encode(by_name, 9))
        assert old == MetadataRequest(topics=[MetadataRequestTopic(name="t")])
        assert decode(MetadataRequest, 10, encode(by_name, 10)) == by_name


class TestMalformed:
    def test_a_prefix_is_malformed_at_every_length(self) -> None:
        for version in (8, 9, 13):
            body = encode(produce_request(b"x" * 200), version)
            for size in range(len(body)):
                refused(ProduceRequest, version, body[:size])

    def test_trailing_bytes_are_left_alone(self) -> None:
        body = encode(produce_request(), 9)
        request, position = decoder(ProduceRequest, 9)(memoryview(body + b"more"), 0)
        assert (request, position) == (produce_request(), len(body))

    def test_longer_varints_than_needed_are_accepted(self) -> None:
        assert decode(DescribeClusterRequest, 0, b"\x01\x80\x80\x00") == DescribeClusterRequest(
            include_cluster_authorized_operations=True
        )
        assert decode(DeleteTopicsRequest, 4, b"\x82\x00\x84\x80\x00abc\x00\x00\x00\x07\x00") == DeleteTopicsRequest(
            topic_names=["abc"], timeout_ms=7
        )

    @pytest.mark.parametrize("null", [b"\x00", b"\x80\x00", b"\x80\x80\x80\x80\x00"])
    def test_null_is_malformed_where_it_has_no_meaning(self, null: bytes) -> None:
        assert refused(DeleteTopicsRequest, 4, null + b"\x00\x00\x00\x07\x00").endswith("topic_names is null")
        assert refused(ApiVersionsRequest, 3, null + b"\x01\x00").endswith("client_software_name is null")
        assert decode(MetadataRequest, 9, null + b"\x01\x00\x00\x00").topics is None  # type: ignore[attr-defined]

    def test_classic_null_is_malformed_where_it_has_no_meaning(self) -> None:
        assert refused(MetadataRequest, 0, b"\xff\xff\xff\xff").endswith("topics is null")
        assert refused(MetadataRequest, 0, b"\x00\x00\x00\x01\xff\xff").endswith("name is null")
        assert decode(MetadataRequest, 1, b"\xff\xff\xff\xff").topics is None  # type: ignore[attr-defined]

    def test_negative_sizes(self) -> None:
        assert refused(MetadataRequest, 0, b"\x80\x00\x00\x00").endswith("topics is null")
        assert refused(MetadataRequest, 0, b"\x00\x00\x00\x01\x80\x00").endswith("name is null")
        # As in Kafka, any negative size is null where null has a meaning.
        assert decode(MetadataRequest, 1, b"\x80\x00\x00\x00").topics is None  # type: ignore[attr-defined]

    def test_a_structure_is_null_behind_any_negative_byte(self) -> None:
        for byte in range(256):
            body = b"\x01" + bytes(4) + bytes([byte])
            if byte >= 0x80:
                request: Any = decode(DescribeTopicPartitionsRequest, 0, body + NO_TAGS)
                assert request.cursor is None
            else:
                request = decode(DescribeTopicPartitionsRequest, 0, body + b"\x02t\x00\x00\x00\x07\x00" + NO_TAGS)
                assert request.cursor == Cursor(topic_name="t", partition_index=7)

    def test_counts_are_compared_with_what_is_left(self) -> None:
        assert refused(MetadataRequest, 0, b"\x7f\xff\xff\xff") == (
            "MetadataRequest v0: topics of 2147483647 elements does not fit"
        )
        # Each name takes two bytes at least.
        assert refused(MetadataRequest, 0, b"\x00\x00\x00\x03\x00\x00\x00\x00\x00").endswith(
            "topics of 3 elements does not fit"
        )
        body = b"\x00\x00\x00\x01\x00\x01t\xff\xff\xff\xff\xff\xff\x00\x00\x00\x01\x00\x00\x00\x00\x40\x00\x00\x00"
        assert refused(CreateTopicsRequest, 2, body).endswith("broker_ids of 1073741824 elements does not fit")

    def test_strings_end_inside_of_the_frame_and_are_utf8(self) -> None:
        assert "bytes are missing" in refused(MetadataRequest, 0, b"\x00\x00\x00\x01\x7f\xffab")
        assert "utf-8" in refused(MetadataRequest, 0, b"\x00\x00\x00\x01\x00\x02\xc3\x28")

    def test_compact_strings_are_no_longer_than_classic_ones(self) -> None:
        name = "x" * 0x7FFF
        body = encode(DeleteTopicsRequest(topic_names=[name], timeout_ms=1), 4)
        assert decode(DeleteTopicsRequest, 4, body) == DeleteTopicsRequest(topic_names=[name], timeout_ms=1)
        longer = body.replace(b"\x80\x80\x02" + b"x", b"\x81\x80\x02" + b"xx")
        assert refused(DeleteTopicsRequest, 4, longer) == "a string of 32768 bytes"

    def test_endless_varints(self) -> None:
        assert "more than 5 bytes" in refused(MetadataRequest, 9, b"\xff" * 20)


class TestOurOwnBugs:
    @pytest.mark.parametrize("version", [2, 7])
    @pytest.mark.parametrize(
        ("changes", "complaint"),
        [
            ({"num_partitions": 2**31}, "topics[0].num_partitions is no int32: 2147483648"),
            ({"num_partitions": "1"}, "topics[0].num_partitions is no int32: '1'"),
            ({"replication_factor": None}, "topics[0].replication_factor is None"),
            ({"name": None}, "topics[0].name is None"),
            ({"name": b"orders"}, "topics[0].name is no string: b'orders'"),
            ({"name": "\ud800"}, "topics[0].name is no string: '\\ud800'"),
            ({"name": "x" * 0x8000}, "topics[0].name is no string: 'xxx"),
            ({"assignments": None}, "topics[0].assignments is None"),
            ({"assignments": [7]}, "topics[0].assignments[0] is no CreatableReplicaAssignment but 7"),
        ],
    )
    def test_a_value_that_cannot_be_encoded_is_named(
        self, version: int, changes: dict[str, Any], complaint: str
    ) -> None:
        topic = CreatableTopic(name="orders", num_partitions=1, replication_factor=1)
        for name, value in changes.items():
            setattr(topic, name, value)
        with pytest.raises(ValueError) as caught:
            encode(CreateTopicsRequest(topics=[topic]), version)
        assert str(caught.value).startswith(f"CreateTopicsRequest v{version}: {complaint}")

    def test_uuids_that_struct_would_pad_or_cut(self) -> None:
        for uuid in (b"", b"x" * 15, b"x" * 17, None):
            topic = MetadataRequestTopic(name="t", topic_id=uuid)  # type: ignore[arg-type]
            with pytest.raises(ValueError, match=r"MetadataRequest v10: topics\[0\].topic_id is "):
                encode(MetadataRequest(topics=[topic]), 10)

    def test_elements_of_plain_arrays_and_structures_in_structures(self) -> None:
        with pytest.raises(ValueError, match=r"DeleteTopicsRequest v1: topic_names\[1\] is no string: 5"):
            encode(DeleteTopicsRequest(topic_names=["a", 5], timeout_ms=1), 1)  # type: ignore[list-item]
        state = ReplicaState(replica_id=2**40)
        with pytest.raises(ValueError, match=r"FetchRequest v15: replica_state.replica_id is no int32"):
            encode(FetchRequest(max_wait_ms=1, min_bytes=1, replica_state=state), 15)

    def test_ports_and_doubles(self) -> None:
        for port in (-1, 1 << 16, "9092"):
            node = Node(node_id=1, listeners=[Listener(name="PLAINTEXT", host="localhost", port=port)])  # type: ignore[arg-type]
            with pytest.raises(ValueError, match=r"nodes\[0\].listeners\[0\].port is no uint16"):
                encode(DescribeQuorumResponse(error_code=0, nodes=[node]), 2)
        entry = EntryData(values=[ValueData(key="producer_byte_rate", value="fast")])  # type: ignore[arg-type]
        with pytest.raises(ValueError, match=r"entries\[0\].values\[0\].value is no float64: 'fast'"):
            encode(DescribeClientQuotasResponse(error_code=0, error_message=None, entries=[entry]), 1)

    def test_structures_that_may_be_null(self) -> None:
        assert DescribeTopicPartitionsRequest().cursor is None
        cursor: Any = Cursor(topic_name="orders", partition_index=2**40)
        with pytest.raises(ValueError, match=r"DescribeTopicPartitionsRequest v0: cursor.partition_index is no int32"):
            encode(DescribeTopicPartitionsRequest(cursor=cursor), 0)
        cursor = 5
        with pytest.raises(ValueError, match=r"cursor is no Cursor but 5"):
            encode(DescribeTopicPartitionsRequest(cursor=cursor), 0)

    def test_another_message(self) -> None:
        with pytest.raises(ValueError, match="MetadataRequest v1: the message is no MetadataRequest but ApiVersions"):
            encoder(MetadataRequest, 1)(ApiVersionsRequest(), [])  # type: ignore[arg-type]

    def test_records_without_a_length(self) -> None:
        with pytest.raises(ValueError, match=r"ProduceRequest v9: "):
            encode(produce_request(5), 9)  # type: ignore[arg-type]
