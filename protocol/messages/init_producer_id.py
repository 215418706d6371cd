"""InitProducerId (API key 22).

v2: flexible. v3: the producer's present id and epoch, so that it can get a new epoch after an error (KIP-360).
v4: PRODUCER_FENCED in place of INVALID_PRODUCER_EPOCH (KIP-588). v5: TRANSACTION_ABORTABLE (KIP-890). v6, two-phase
commit (KIP-939), is unstable in Kafka 4.3 and left out.
"""

from __future__ import annotations

from ..schema import Message, int16, int32, int64, string


class InitProducerIdRequest(Message, api_key=22, versions="0-5", flexible="2+"):
    transactional_id: str | None = string(nullable="0+")
    """Null for a producer that is only idempotent."""
    transaction_timeout_ms: int = int32()
    producer_id: int = int64("3+", default=-1)
    producer_epoch: int = int16("3+", default=-1)


class InitProducerIdResponse(Message, api_key=22, versions="0-5", flexible="2+"):
    throttle_time_ms: int = int32(default=0, ignorable=True)
    error_code: int = int16()
    producer_id: int = int64(default=-1)
    producer_epoch: int = int16()
