"""ApiVersions (key 18), versions 0-4: which versions of which APIs this broker serves.

Behaviour
- Lists the registry. Produce is advertised from 0, though only 3 and later are served (librdkafka 1.x looks for it).
- A version that is not served is answered as version 0, with error 35 and the row of this API, so that the client can
  come back with one that is. The response's header is version 0 whatever the body's.
- It asks no authorizer, as in Kafka.

Versions: 3 the name and version of the client's software (KIP-511), INVALID_REQUEST where they are malformed, and
features (KIP-584); 4 features may begin at 0 (KIP-1022).

Omitted: features. None is reported, and the epoch of the finalized ones is unknown, since a client takes a feature as a
promise: transaction.version 2 would have Java and franz-go use transactions v2, and metadata.version is about KRaft's
own log, which is not here. UpdateFeatures says so of each.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from protocol.errors import ErrorCode
from protocol.messages.api_versions import ApiVersion, ApiVersionsRequest, ApiVersionsResponse

from ..registry import API_VERSIONS_KEY, APIS

if TYPE_CHECKING:
    from ..context import RequestContext

_SOFTWARE = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9.\-]*[a-zA-Z0-9])?")
_ROWS = tuple(
    ApiVersion(api_key=api.key, min_version=api.advertised_min_version, max_version=api.max_version) for api in APIS
)


def handle(ctx: RequestContext, request: ApiVersionsRequest) -> ApiVersionsResponse:
    """List every API of the registry."""
    if ctx.api_version >= 3 and not (
        _SOFTWARE.fullmatch(request.client_software_name) and _SOFTWARE.fullmatch(request.client_software_version)
    ):
        return ApiVersionsResponse(error_code=ErrorCode.INVALID_REQUEST)
    return ApiVersionsResponse(error_code=ErrorCode.NONE, api_keys=list(_ROWS))


def unsupported_version_response() -> ApiVersionsResponse:
    """What a request of a version that is not served gets, to be encoded as version 0."""
    rows = [row for row in _ROWS if row.api_key == API_VERSIONS_KEY]
    return ApiVersionsResponse(error_code=ErrorCode.UNSUPPORTED_VERSION, api_keys=rows)
