"""A broker process, or a real Kafka, seen from the wire."""

import pytest

pytest.register_assert_rewrite("tests.wire.data_cases", "tests.wire.topic_cases")
