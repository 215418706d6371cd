"""What is tried with each client: one function per feature, the rows of the table in docs/CLIENTS.md.

A function asks the client for operations, and looks from outside, with the raw client, at what they did; or it lays
out with the raw client what the client shall find. So no client is checked with itself.
"""

from __future__ import annotations

import pytest

_MODULES = (
    "topics",
    "topic_lives",
    "admin_topics",
    "admin_records",
    "admin_configs",
    "admin_cluster",
    "producing",
    "consuming",
    "groups",
    "group_offsets",
    "group_admin",
    "compression",
)

pytest.register_assert_rewrite(*(f"{__name__}.{module}" for module in _MODULES))

# The order of the table.
from . import topics, topic_lives, admin_topics, admin_records, admin_configs, admin_cluster  # noqa: E402, F401, I001
from . import producing, consuming  # noqa: E402, F401
from . import groups, group_offsets, group_admin, compression  # noqa: E402, F401
