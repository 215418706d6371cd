"""Properties as environment variables, in the convention of the container images of Apache Kafka.

`KAFKA_LOG_RETENTION_MS` is log.retention.ms: an underscore is a dot, two are an underscore, three a dash. `CLUSTER_ID`
is the cluster's id, which those images format their storage with.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_PREFIX = "KAFKA_"
_CLUSTER_ID = "CLUSTER_ID"
# What Kafka's start scripts read, what images note about themselves, and what Kubernetes tells each container of a
# service that is named `kafka`.
_NO_PROPERTY = re.compile(
    r"KAFKA_("
    r"(HEAP|JVM_PERFORMANCE|GC_LOG|LOG4J)_OPTS|OPTS|JMX_.*|(TOOLS_)?LOG4J_.*|DEBUG|DEBUG_.*"
    r"|HOME|MODE|VERSION|SCALA_VERSION|SERVICE_(HOST|PORT).*|PORT|PORT_[0-9]+_.*"
    r")"
)
_UNDERSCORES = re.compile("_{1,3}")
_WRITTEN = {"_": ".", "__": "_", "___": "-"}


def environment_properties(environment: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Return name and text of each property by the variable that stands for it, in the order of the variables."""
    properties: dict[str, tuple[str, str]] = {}
    for variable, text in sorted(environment.items()):
        if variable == _CLUSTER_ID:
            if text:
                properties[variable] = ("ottla.cluster.id", text)
        elif variable.startswith(_PREFIX) and not _NO_PROPERTY.fullmatch(variable):
            properties[variable] = (_property_name(variable.removeprefix(_PREFIX)), text)
    return properties


def place_of(variable: str) -> str:
    """Return how people are told that a variable gives a property."""
    return f"the environment variable {variable}"


def variable_of(name: str) -> str:
    """Return the variable that stands for a property of lower-case letters, dots and dashes."""
    return _PREFIX + name.upper().replace("-", "___").replace(".", "_")


def _property_name(name: str) -> str:
    return _UNDERSCORES.sub(lambda match: _WRITTEN[match[0]], name.lower())
