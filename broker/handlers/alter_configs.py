"""AlterConfigs (key 33), versions 0-2: replace all settings of topics and brokers.

Behaviour
- What is not named goes back to its default; all else is as in IncrementalAlterConfigs, which has taken its place
  (KIP-339).
- Levels of loggers cannot be changed so.
- Departure: a resource that is named twice is refused; Kafka 4.3 never answers such a request.

Versions: 2 flexible.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from protocol.errors import ErrorCode
from protocol.messages.alter_configs import AlterConfigsRequest, AlterConfigsResourceResponse, AlterConfigsResponse

from ..core.controller.configs import Alteration, ConfigChange, ConfigOperation
from ..security.acl import AclOperation
from .config_resources import refusal

if TYPE_CHECKING:
    from ..context import RequestContext


def handle(ctx: RequestContext, request: AlterConfigsRequest) -> asyncio.Future[AlterConfigsResponse]:
    """Replace the settings and answer once they hold."""
    return ctx.broker.run(_alter(ctx, request))


async def _alter(ctx: RequestContext, request: AlterConfigsRequest) -> AlterConfigsResponse:
    errors = await ctx.broker.configs.alter(
        [
            Alteration(
                resource.resource_type,
                resource.resource_name,
                [ConfigChange(each.name, ConfigOperation.SET, each.value) for each in resource.configs],
                replaces=True,
            )
            for resource in request.resources
        ],
        refuse=lambda resource_type, name: refusal(ctx, AclOperation.ALTER_CONFIGS, resource_type, name),
        validate_only=request.validate_only,
    )
    return AlterConfigsResponse(
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
