"""kafka-python's operations on configs, for all of its versions."""

from __future__ import annotations

import functools
import importlib
import re

from kafka.admin import ConfigResource
from kafka.errors import for_code
from kafka_python_admin import admin
from kafka_python_client import AdminClient

_IS_VERSION_3 = hasattr(AdminClient, "reset_configs")


def describe_configs(bootstrap, kind, name, keys=None):
    """By key: value, source, whether it is read-only and sensitive, and the names of its synonyms."""
    resource = ConfigResource(kind, name, keys and dict.fromkeys(keys))
    if _IS_VERSION_3:
        found = admin(bootstrap).describe_configs([resource], include_synonyms=True, config_filter="all")
        return {
            key: [
                each["value"],
                importlib.import_module("kafka.admin").ConfigSourceType[each["config_source"]],
                each["read_only"],
                each["is_sensitive"],
                sorted({synonym["name"] for synonym in each["synonyms"]}),
            ]
            for key, each in found[kind.lower()][name].items()
        }
    (answer,) = admin(bootstrap).describe_configs([resource], include_synonyms=True)
    ((code, message, _, _, entries),) = answer.resources
    _raise_for(code, message)
    return {
        key: [value, source, read_only, sensitive, sorted({synonym for synonym, *_ in synonyms})]
        for key, value, read_only, source, sensitive, synonyms in entries
    }


def replace_configs(bootstrap, resources):
    """Give resources, each a kind, a name and its configs, these configs and no others."""
    wanted = [ConfigResource(*resource) for resource in resources]
    if not _IS_VERSION_3:
        for code, message, *_ in admin(bootstrap).alter_configs(wanted).resources:
            _raise_for(code, message)
    elif any(resource.configs for resource in wanted):  # version 3 keeps what is not named
        _raise_for_texts(admin(bootstrap).alter_configs(wanted, raise_on_unknown=False, incremental=False))
    else:
        _raise_for_texts(admin(bootstrap).reset_configs(wanted, incremental=False))


def alter_configs(bootstrap, resources, validate_only=False):
    """Alter configs of resources, each a kind, a name, and what is done: a key, "set" or the like, and a value."""
    wanted = [
        ConfigResource(kind, name, {key: (operation.upper(), value) for key, operation, value in changes})
        for kind, name, changes in resources
    ]
    alter = functools.partial(admin(bootstrap).alter_configs, incremental=True)
    _raise_for_texts(alter(wanted, validate_only=validate_only, raise_on_unknown=False))


def reset_configs(bootstrap, kind, name, keys=()):
    """Reset configs of a resource, all if none are named."""
    _raise_for_texts(admin(bootstrap).reset_configs([ConfigResource(kind, name, list(keys))]))


def alter_broker(bootstrap, name, configs):
    """Give a broker, or all if the name is empty, these dynamic configs and no others."""
    if _IS_VERSION_3:
        if not configs:
            reset_configs(bootstrap, "BROKER", name)
            return
        changes = [[key, "set", value] for key, value in configs.items()]
        alter_configs(bootstrap, [["BROKER", name, changes]])
        return
    replace_configs(bootstrap, [["BROKER", name, configs]])


def list_config_resources(bootstrap, kinds=None):
    """By kind, the names of the resources that have configs."""
    return admin(bootstrap).list_config_resources(kinds)


def _raise_for(code, message):
    if code:
        raise for_code(code)(message)


def _raise_for_texts(outcomes):
    # Version 3 returns the texts of errors, which begin with their codes.
    for text in (text for by_name in outcomes.values() for text in by_name.values()):
        if text != "OK":
            _raise_for(int(re.match(r"\[Error (\d+)\]", text)[1]), text)
