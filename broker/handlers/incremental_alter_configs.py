"""IncrementalAlterConfigs (key 44), versions 0-1: change some settings of topics and brokers, or levels of loggers.

Behaviour
- Each resource has its own error and is changed as a whole or not at all; broker.core.controller.configs holds the
  rules, and with validate_only says what would come of it.
- It takes ALTER_CONFIGS on the topic or group, or on the cluster for anything else.
- An operation that there is not is an INVALID_REQUEST; Kafka answers UNKNOWN_SERVER_ERROR.
- The answer comes when the new values hold. What nothing obeys yet is kept all the same, and the log says so.
- A broker changes what is set for itself, and by the empty name what is set for all brokers (KIP-226). As in Kafka, a
  name that no property has is taken too, since plugins may have properties; the log says that nothing obeys it.
- Listeners can be added, removed and moved while the broker serves. Departure: Kafka takes an address that cannot be
  bound, and one that moves a listener only takes effect at the next start.
- Levels of loggers are changed at once and last until the process ends (KIP-412).
- Departure: settings of groups and client metrics are refused with INVALID_REQUEST, since nothing stands behind them.

Versions: 1 flexible.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from protocol.errors import ErrorCode
from protocol.messages.incremental_alter_configs import (
    AlterConfigsResourceResponse,
    IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
)

from ..core.controller.configs import Alteration, ConfigChange
from ..security.acl import AclOperation
from .config_resources import refusal

if TYPE_CHECKING:
    from ..context import RequestContext


def handle(
    ctx: RequestContext, request: IncrementalAlterConfigsRequest
) -> asyncio.Future[IncrementalAlterConfigsResponse]:
    """Change the settings and answer once they hold."""
    return ctx.broker.run(_alter(ctx, request))


async def _alter(ctx: RequestContext, request: IncrementalAlterConfigsRequest) -> IncrementalAlterConfigsResponse:
    errors = await ctx.broker.configs.alter(
        [
            Alteration(
                resource.resource_type,
                resource.resource_name,
                [ConfigChange(each.name, each.config_operation, each.value) for each in resource.configs],
            )
            for resource in request.resources
        ],
        refuse=lambda resource_type, name: refusal(ctx, AclOperation.ALTER_CONFIGS, resource_type, name),
        validate_only=request.validate_only,
    )
    return IncrementalAlterConfigsResponse(
        throttle_time_ms=0,
        responses=[
            AlterConfigsResourceResponse(
                error_code=ErrorCode.NONE if error is None else error.code,
                error_message=None if error is None else error.message,
                resource_type=resource.resource_type,
                resource_name=resource.resource_name,
            )
            for resource, error in zip(request.resources, errors, strict=True)
        ],
    )
