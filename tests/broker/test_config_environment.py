"""Properties as environment variables; the names were tried with the wrapper of Kafka's own image."""

from __future__ import annotations

import pytest

from broker.config_environment import environment_properties, variable_of


@pytest.mark.parametrize(
    ("variable", "name"),
    [
        ("KAFKA_LOG_RETENTION_MS", "log.retention.ms"),
        ("KAFKA_LISTENERS", "listeners"),
        ("KAFKA_LISTENER_SECURITY_PROTOCOL_MAP", "listener.security.protocol.map"),
        ("KAFKA_NODE_ID", "node.id"),
        ("KAFKA_FOO__BAR", "foo_bar"),
        ("KAFKA_LISTENER_NAME_A__B_SSL___X", "listener.name.a_b.ssl-x"),
        ("KAFKA_A____B", "a-.b"),
        ("KAFKA_KAFKA_METRICS_REPORTERS", "kafka.metrics.reporters"),
        ("KAFKA_PORTER", "porter"),
    ],
)
def test_names(variable: str, name: str) -> None:
    assert environment_properties({variable: " some text "}) == {variable: (name, " some text ")}


@pytest.mark.parametrize("name", ["listeners", "advertised.listeners", "log.retention.ms", "a-b.c"])
def test_the_variable_of_a_name(name: str) -> None:
    assert environment_properties({variable_of(name): "x"})[variable_of(name)] == (name, "x")


@pytest.mark.parametrize(
    "variable",
    [
        *("KAFKA_HEAP_OPTS", "KAFKA_OPTS", "KAFKA_JVM_PERFORMANCE_OPTS", "KAFKA_GC_LOG_OPTS", "KAFKA_JMX_OPTS"),
        *("KAFKA_JMX_PORT", "KAFKA_JMX_HOSTNAME", "KAFKA_LOG4J_OPTS", "KAFKA_LOG4J_ROOT_LOGLEVEL"),
        *("KAFKA_LOG4J_LOGGERS", "KAFKA_TOOLS_LOG4J_LOGLEVEL", "KAFKA_VERSION", "KAFKA_HOME", "KAFKA_DEBUG"),
        # What Kubernetes adds where there is a service of that name.
        *("KAFKA_PORT", "KAFKA_PORT_9092_TCP_ADDR", "KAFKA_SERVICE_HOST", "KAFKA_SERVICE_PORT_CLIENTS"),
        *("HOME", "KAFKA", "kafka_num_partitions", "NOT_KAFKA_NUM_PARTITIONS"),
    ],
)
def test_variables_that_are_no_properties(variable: str) -> None:
    assert environment_properties({variable: "x"}) == {}


def test_the_cluster_s_id_is_that_which_storage_is_formatted_with() -> None:
    assert environment_properties({"CLUSTER_ID": "abc"}) == {"CLUSTER_ID": ("ottla.cluster.id", "abc")}
    assert environment_properties({"CLUSTER_ID": ""}) == {}
