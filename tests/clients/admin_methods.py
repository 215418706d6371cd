"""Every public method of the admin clients: the feature that shows it, or why none does."""

from __future__ import annotations

_GROUPS = {
    "alter_consumer_group_offsets": "alter a group's offsets",
    "alter_group_offsets": "alter a group's offsets",
    "delete_consumer_groups": "delete a group",
    "delete_group_offsets": "delete a group's offsets",
    "delete_groups": "delete a group",
    "describe_consumer_groups": "describe a group",
    "describe_groups": "describe a group",
    "list_consumer_group_offsets": "list a group's offsets",
    "list_consumer_groups": "list groups",
    "list_group_offsets": "list a group's offsets",
    "list_groups": "list groups",
    "remove_group_members": "remove a member from a group",
    "reset_group_offsets": "reset a group's offsets",
}

_TOPICS = {
    "create_partitions": "grow a topic",
    "create_topics": "create a topic",
    "delete_records": "delete records",
    "delete_topics": "delete a topic",
    "describe_producers": "producers of a partition",
    "describe_topic_partitions": "describe partitions page by page",
    "describe_topics": "describe a topic",
    "list_offsets": "offsets by time, asked by the admin client",
    "list_partition_offsets": "offsets by time, asked by the admin client",
    "list_topics": "list topics",
    "wait_for_topics": "create topics and wait for them",
}

_CONFIGS = {
    "alter_configs": "replace a topic's configs",
    "describe_configs": "describe a topic's configs",
    "incremental_alter_configs": "alter a topic's configs one by one",
    "list_config_resources": "list what has configs",
    "reset_configs": "reset a topic's configs",
}

_CLUSTER = {
    "alter_partition_reassignments": "reassign a partition",
    "alter_replica_log_dirs": "move a partition to another log directory",
    "api_versions": "versions of the protocol",
    "close": "describe the cluster",
    "cluster_id": "describe the cluster",
    "create_acls": "create and delete access control lists: security is off",
    "delete_acls": "create and delete access control lists: security is off",
    "describe_acls": "describe access control lists: security is off",
    "describe_cluster": "describe the cluster",
    "describe_features": "features, and their levels",
    "describe_log_dirs": "describe log directories",
    "describe_metadata_quorum": "describe the metadata quorum",
    "describe_user_scram_credentials": "SCRAM credentials: there are none",
    "elect_leaders": "elect leaders",
    "find_coordinator": "the broker that coordinates a group",
    "get_broker_version_data": "versions of the protocol",
    "list_partition_reassignments": "reassign a partition",
    "perform_leader_election": "elect leaders",
    "start": "describe the cluster",
    "update_features": "update a feature",
}

SHOWN_BY = _GROUPS | _TOPICS | _CONFIGS | _CLUSTER
"""By method, whichever client has it: the feature whose operations call it."""

_TRANSACTIONS = "transactions are not served yet"
_CREDENTIALS = "nobody is authenticated yet, so there are no credentials to alter"

NOT_SHOWN = {
    "abort_transaction": _TRANSACTIONS,
    "alter_user_scram_credentials": _CREDENTIALS,
    "describe_transactions": _TRANSACTIONS,
    "find_hanging_transactions": _TRANSACTIONS,
    "list_transactions": _TRANSACTIONS,
    "poll": "it asks no broker: it calls back for what has happened",
    "set_sasl_credentials": "it asks no broker: it notes what the next connection shall say",
}
"""By method, why no feature shows it."""
