"""confluent-kafka's operations on configs."""

from __future__ import annotations

import warnings

from confluent_admin import all_done
from confluent_client import admin_client, done
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource

# The old request is deprecated, and served.
warnings.filterwarnings("ignore", message="alter_configs has been deprecated", category=DeprecationWarning)


def describe_configs(bootstrap, kind, name, keys=None):
    """By key: value, source, whether it is read-only and sensitive, and the names of its synonyms."""
    admin = admin_client(bootstrap)
    found = done(admin.describe_configs([ConfigResource(kind, name)]))
    return {
        key: [
            each.value,
            each.source,
            each.is_read_only,
            each.is_sensitive,
            sorted(each.synonyms),
        ]
        for key, each in found.items()
        if keys is None or key in keys
    }


def replace_configs(bootstrap, resources):
    """Give resources, each a kind, a name and its configs, these configs and no others."""
    admin = admin_client(bootstrap)
    all_done(admin.alter_configs([ConfigResource(*resource) for resource in resources]))


def alter_configs(bootstrap, resources, validate_only=False):
    """Alter configs of resources, each a kind, a name, and what is done: a key, "set" or the like, and a value."""
    admin = admin_client(bootstrap)
    wanted = [
        ConfigResource(
            kind,
            name,
            incremental_configs=[
                ConfigEntry(key, value, incremental_operation=AlterConfigOpType[operation.upper()])
                for key, operation, value in changes
            ],
        )
        for kind, name, changes in resources
    ]
    all_done(admin.incremental_alter_configs(wanted, validate_only=validate_only))


def alter_broker(bootstrap, name, configs):
    """Give a broker, or all if the name is empty, these dynamic configs and no others."""
    replace_configs(bootstrap, [["BROKER", name, configs]])
