"""aiokafka's operations on configs."""

from __future__ import annotations

from aiokafka.admin.config_resource import ConfigResource
from aiokafka_client import admin_client, operation, raise_for


@operation
async def describe_configs(bootstrap, kind, name, keys=None):
    """By key: value, source, whether it is read-only and sensitive, and the names of its synonyms."""
    resource = ConfigResource(kind, name, keys and dict.fromkeys(keys))
    async with admin_client(bootstrap) as admin:
        (answer,) = await admin.describe_configs([resource], include_synonyms=True)
    ((code, message, _, _, entries),) = answer.resources
    raise_for([(name, code, message)])
    return {
        key: [value, source, read_only, sensitive, sorted({synonym for synonym, *_ in synonyms})]
        for key, value, read_only, source, sensitive, synonyms in entries
    }


@operation
async def replace_configs(bootstrap, resources):
    """Give resources, each a kind, a name and its configs, these configs and no others."""
    async with admin_client(bootstrap) as admin:
        answers = await admin.alter_configs([ConfigResource(*resource) for resource in resources])
    raise_for([(name, code, message) for answer in answers for code, message, _, name in answer.resources])


def alter_broker(bootstrap, name, configs):
    """Give a broker, or all if the name is empty, these dynamic configs and no others."""
    replace_configs(bootstrap, [["BROKER", name, configs]])
