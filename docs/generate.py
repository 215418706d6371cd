"""Writes the documents that are made from the code's own tables, or checks that they are up to date.

python -m docs.generate            write them
python -m docs.generate --check    exit with 1, naming them, if any is out of date
"""

from __future__ import annotations

import ast
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from broker.config import Config
from broker.config_entries import explain, topic_entries
from broker.config_table import SECTIONS, Property
from broker.config_types import Valid, to_text
from broker.inert_properties import INERT_PROPERTIES, MISSED
from broker.registry import APIS, Api
from broker.topic_config_table import TOPIC_SETTINGS, TopicSetting

DIRECTORY = Path(__file__).parent

_CONFIGURATION_HEAD = """\
# Configuration

Ottla takes Kafka's property names, from files, from the environment and from the command line:

    ottla serve --config server.properties --from-env --set num.partitions=3

A file is a Java `.properties` file, as Kafka reads it, or TOML (`log.retention.ms = 1000` in any of TOML's ways to
write a dotted name); of several the last one holds. The environment, read with `--from-env` alone, holds over files,
and what `--set` gives over both. `--host` and `--port` stand for one `PLAINTEXT` listener and cannot be combined with
`listeners`.

A bad value ends the start with one sentence and exit code 2. A name that Kafka does not have either is no reason not to
start, as in Kafka: one warning names it, and the property that it is most like. What Kafka has and has no meaning here
is passed over, and listed in one line of the log; the end of this page has these names. So the `server.properties` that
Kafka comes with starts Ottla as it is: listeners of controllers are left out.

In the environment names are written as for Kafka's container images: `KAFKA_LOG_RETENTION_MS` is `log.retention.ms`, an
underscore is a dot, two are an underscore, three a dash. `CLUSTER_ID` stands for `ottla.cluster.id`. What Kafka's start
scripts read and is no property, such as `KAFKA_HEAP_OPTS`, is passed over.

Names, types, valid values and defaults are those of Apache Kafka 4.3 unless the text gives Kafka's own; names that
begin with `ottla.` are Ottla's. *Update* is how far a property can be changed while a broker runs, as in Kafka: not at
all (read-only), per broker, or for the whole cluster. Any admin client does that, such as Kafka's own:

    kafka-configs.sh --bootstrap-server localhost:9092 --entity-type brokers --entity-default \\
        --alter --add-config message.max.bytes=2000000

What is set so holds at once and after every start, over the file and the command line, until it is deleted again; the
log of a starting broker names it. A value that is no longer valid then is left out with a warning.

This page is made from `broker/config_table.py`, `broker/topic_config_table.py` and `broker/inert_properties.py` by
`make docs`.
"""

_TOPIC_HEAD = """\
## Topic settings

Every topic setting of Kafka 4.3 can be given when a topic is created or changed later, is checked as there, kept, and
returned. *In force* tells which ones something obeys already; of the others the log says each time that they wait.

| Setting | Type | Default | Valid | In force | Default from |
|---|---|---|---|---|---|
"""


_INERT_HEAD = """\
## Properties of Kafka that nothing obeys

They can be given, and set at run time where Kafka allows that, and change nothing. What is set at run time must be of
the right type, and no more is asked of it. Some of them keep clients from doing things in Kafka, so the log warns of
each: {missed}.
DescribeConfigs lists those that were given, passwords without their values.

{names}

Names that Kafka has given up are passed over, too, such as `zookeeper.connect` and `inter.broker.protocol.version`.
"""


def configuration() -> str:
    """Return docs/CONFIGURATION.md."""
    parts = [_CONFIGURATION_HEAD]
    for title, properties in SECTIONS.items():
        rows = "\n".join(_property_row(row) for row in properties)
        parts.append(
            f"## {title}\n\n| Property | Type | Default | Valid | Update | |\n|---|---|---|---|---|---|\n{rows}\n"
        )
    defaults = {entry.name: entry.value for entry in topic_entries({}, Config())}
    rows = "\n".join(_setting_row(setting, defaults.get(setting.name)) for setting in TOPIC_SETTINGS.values())
    parts.append(f"{_TOPIC_HEAD}{rows}\n")
    names = textwrap.fill(_quoted(INERT_PROPERTIES), 120, break_on_hyphens=False)
    parts.append(_INERT_HEAD.format(missed=_quoted(MISSED), names=names))
    return "\n".join(parts)


_PROTOCOL_HEAD = """\
# Protocol support

What a broker answers, with the versions of Apache Kafka 4.3 for each API. A request with any other API key or version
closes its connection, as in Kafka; ApiVersions alone answers a version that it does not know.

Error codes are Kafka's wherever nothing else is said. An error may come with a message where Kafka sends none, or in
other words, and where a request has several errors the answer may tell of another of them.

This page is made from `broker/registry.py` and the opening of each handler in `broker/handlers/` by `make docs`.

| Key | API | Versions | Advertised |
|---|---|---|---|
"""


def protocol_support() -> str:
    """Return docs/PROTOCOL_SUPPORT.md."""
    rows = "\n".join(
        _row(
            str(api.key),
            f"[{api.name}](#{api.name.lower()})",
            _versions(api.min_version, api.max_version),
            _versions(api.advertised_min_version, api.max_version),
        )
        for api in APIS
    )
    return "\n".join([f"{_PROTOCOL_HEAD}{rows}\n", *(_api_section(api) for api in APIS)])


def _versions(low: int, high: int) -> str:
    return str(low) if low == high else f"{low}-{high}"


def _api_section(api: Api) -> str:
    source = Path("broker", "handlers", f"{api.module}.py")
    card = ast.get_docstring(ast.parse((DIRECTORY.parent / source).read_text(encoding="utf-8")))
    assert card is not None, f"{source} opens with what it serves"
    return f"## {api.name}\n\n{card}\n"


DOCUMENTS: Mapping[str, Callable[[], str]] = {
    "CONFIGURATION.md": configuration,
    "PROTOCOL_SUPPORT.md": protocol_support,
}
"""File names in this directory, and what makes their text."""


def out_of_date() -> Iterator[str]:
    """Yield the names of the documents that differ from what the code says."""
    for name, render in DOCUMENTS.items():
        path = DIRECTORY / name
        if not path.exists() or path.read_text(encoding="utf-8") != render():
            yield name


def main(arguments: Sequence[str]) -> int:
    """Write or check the documents and return the exit code."""
    if arguments == ["--check"]:
        names = list(out_of_date())
        for name in names:
            sys.stderr.write(f"docs/{name} is out of date; run make docs.\n")
        return 1 if names else 0
    for name, render in DOCUMENTS.items():
        (DIRECTORY / name).write_text(render(), encoding="utf-8")
    return 0


def _property_row(row: Property) -> str:
    return _row(
        f"`{row.name}`",
        row.type.name.lower(),
        _value(to_text(row.default)),
        _valid(row.valid),
        row.dynamic.value,
        explain(row),
    )


def _setting_row(setting: TopicSetting, default: str | None) -> str:
    in_force = "yes" if setting.harmless is None else "not yet"
    origin = ", ".join(f"`{synonym.name}`" for synonym in setting.synonyms) or setting.doc
    return _row(
        f"`{setting.name}`", setting.type.name.lower(), _value(default), _valid(setting.valid), in_force, origin
    )


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names))


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("<", "&lt;") for cell in cells) + " |"


def _value(text: str | None) -> str:
    if text is None:
        return "none"
    return f"`{text}`" if text else "empty"


def _valid(valid: Valid | None) -> str:
    return "" if valid is None else f"`{valid}`"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
