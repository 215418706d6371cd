"""Follows what is set at run time for brokers: it holds from the moment that whoever set it is answered (KIP-226)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from .config import BROKER_PROPERTIES, Config, StartupError
from .config_table import Dynamic
from .metadata.image import ImageDelta, MetadataImage
from .topic_config import defaults_not_yet_in_force

logger = logging.getLogger(__name__)

LOGGED_LENGTH = 200


class ConfigFollower:
    """Keeps a broker's configuration at what the image says; the first subscriber of the ImagePublisher.

    `on_change` is called once the configuration has changed, before the other subscribers prepare.
    """

    def __init__(self, config: Config, on_change: Callable[[], None]) -> None:
        self._config = config
        self._on_change = on_change
        self._withdrawn: dict[str, str] = {}
        self._complaints: list[str] = []

    async def prepare(self, old: MetadataImage, new: MetadataImage, delta: ImageDelta) -> None:
        """Take over what is set in the new image."""
        if new.broker_configs == old.broker_configs:
            return
        before = _set_at_run_time(self._config)
        self.apply(new)
        changed = _changed(before, _set_at_run_time(self._config))
        if waiting := sorted(set(changed) & set(defaults_not_yet_in_force(self._config))):
            logger.warning("[configs] Kept, but not yet in force: %s", ", ".join(waiting))

    def apply(self, image: MetadataImage) -> None:
        """Have the configuration hold what the image says, as far as that is valid; what is new of it is logged.

        What was stored by an older version, or beside another file, may no longer be: it keeps no broker from starting.
        """
        for_all, for_this = (
            image.broker_configs[key].configs if key in image.broker_configs else {}
            for key in (None, self._config.node_id)
        )
        for_this = {name: text for name, text in for_this.items() if self._withdrawn.get(name) != text}
        before = _set_at_run_time(self._config)
        overridden, complaints = _overridden(self._config, for_all, for_this)
        self._config.adopt(overridden)
        if new_complaints := [complaint for complaint in complaints if complaint not in self._complaints]:
            logger.warning("[configs] Set at run time, but not in force: %s", " ".join(new_complaints))
        self._complaints = complaints
        _log_changes(before, _set_at_run_time(self._config))
        self._on_change()

    def withdraw(self, *names: str) -> None:
        """Have the configuration without what was set for this broker under these names, until it is set to another."""
        (_, for_this), (_, for_all), _ = self._config.layers
        self._withdrawn = {name: text for name, text in for_this.items() if name in names}
        remaining = {name: text for name, text in for_this.items() if name not in names}
        self._config.adopt(self._config.overridden(for_all, remaining))
        self._on_change()


def _overridden(config: Config, for_all: Mapping[str, str], for_this: Mapping[str, str]) -> tuple[Config, list[str]]:
    """Return the configuration with as much set at run time as is valid, and what is wrong with the rest."""
    complaints: list[str] = []
    layers: list[dict[str, str]] = []
    for given, refused in ((for_all, (Dynamic.READ_ONLY, Dynamic.PER_BROKER)), (for_this, (Dynamic.READ_ONLY,))):
        layers.append({})
        for name, text in sorted(given.items()):
            row = BROKER_PROPERTIES.get(name)
            if row is not None and row.dynamic in refused:
                complaints.append(f"{name} is {row.dynamic.value}.")
            else:
                layers[-1][name] = text
    try:
        return config.overridden(*layers), complaints
    except StartupError:
        pass
    # One after the other, to find those that are at fault.
    valid: list[dict[str, str]] = [{}, {}]
    for texts, layer in zip(valid, layers, strict=True):
        for name, text in layer.items():
            texts[name] = text
            try:
                config.overridden(*valid)
            except StartupError as error:
                del texts[name]
                complaints.append(str(error))
    return config.overridden(*valid), complaints


def _set_at_run_time(config: Config) -> dict[str, str]:
    """Return `name=text` by name; of what is unknown, and may be a password, the name alone."""
    for_this, for_all, _ = (texts for _, texts in config.layers)
    return {
        name: f"{name}={text}" if name in BROKER_PROPERTIES else name
        for name, text in sorted({**for_all, **for_this}.items())
    }


def _changed(before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, str]:
    """Return what is set, by name, and was not so before."""
    return {name: text for name, text in after.items() if before.get(name) != text}


def _log_changes(before: Mapping[str, str], after: Mapping[str, str]) -> None:
    changed = _changed(before, after)
    if changed:
        logger.info("[configs] Set at run time: %s", ", ".join(map(printable, changed.values())))
    if gone := [name for name in before if name not in after]:
        logger.info("[configs] No longer set at run time: %s", ", ".join(map(printable, gone)))
    if names := [name for name in changed if name not in BROKER_PROPERTIES]:
        from .config_remarks import remark_on

        remark_on(names)


def printable(text: str) -> str:
    """Return what the log shows of a text that a client may have chosen: one line, no longer than one would read."""
    text = text[:LOGGED_LENGTH]
    return text if text.isprintable() else ascii(text)
