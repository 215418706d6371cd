"""UpdateFeatures (key 57), versions 0-2: raise or lower the level of a feature of the cluster (KIP-584).

Behaviour
- No feature has levels here, see ApiVersions: any update is refused with INVALID_UPDATE_VERSION, which says why the
  first one cannot be. A request without updates succeeds.
- It takes ALTER on the cluster.

Versions: 1 kinds of downgrade, validate_only (KIP-778); 2 the one error of all updates is the whole answer. A Kafka 4.3
answers so in older versions, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from protocol.errors import ErrorCode
from protocol.messages.update_features import FeatureUpdateKey, UpdateFeaturesRequest, UpdateFeaturesResponse

from ..security.acl import CLUSTER_NAME, CLUSTER_REFUSAL, AclOperation, ResourceType

if TYPE_CHECKING:
    from ..context import RequestContext

_UPGRADE_TYPES = (1, 2, 3)


def handle(ctx: RequestContext, request: UpdateFeaturesRequest) -> UpdateFeaturesResponse:
    """Refuse what cannot be updated."""
    if not ctx.authorize(AclOperation.ALTER, ResourceType.CLUSTER, CLUSTER_NAME):
        return UpdateFeaturesResponse(error_code=ErrorCode.CLUSTER_AUTHORIZATION_FAILED, error_message=CLUSTER_REFUSAL)
    if not request.feature_updates:
        return UpdateFeaturesResponse(error_code=ErrorCode.NONE)
    update = request.feature_updates[0]
    return UpdateFeaturesResponse(
        error_code=ErrorCode.INVALID_UPDATE_VERSION,
        error_message="The update failed for all features since the following feature had an error: "
        f"Invalid update version {update.max_version_level} for feature {update.feature}. {_reason(ctx, update)}",
    )


def _reason(ctx: RequestContext, update: FeatureUpdateKey) -> str:
    if update.upgrade_type not in _UPGRADE_TYPES:
        return "The controller does not support the given upgrade type."
    if update.max_version_level < 0:
        return "A feature version cannot be less than 0."
    if update.max_version_level == 0:
        return f"Feature {update.feature} not found."
    return f"Local controller {ctx.broker.node_id} does not support this feature."
