"""Another value of a setting while a campaign runs: checked as a file's are, and held against what it was."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import attrs

from trioarb.config.load import load_table
from trioarb.config.override import Overrides
from trioarb.config.schema import Config, PluginTable
from trioarb.config.stored import differences
from trioarb.errors import ConfigError
from trioarb.plugin.registry import Plugins
from trioarb.settings.key import join_key, split_key
from trioarb.settings.problem import Problem, nearest
from trioarb.settings.types import Loosens

__all__ = ["Change", "change", "laid_over"]

_FILE = "set"
#: The core's tables that have keys which are read anew.
_CORE = ("session", "engine")


@attrs.frozen(kw_only=True)
class Change:
    """A key with its value before and after, as text; ``None``: it had none.

    ``config`` and ``table`` are those with the new value; ``changed`` is the table of the plugin whose key it is, and
    absent of the core's own. ``loosens``: it allows more than before. ``warnings``: what is questionable only now.
    """

    key: str
    before: str | None
    after: str
    loosens: bool
    config: Config = attrs.field(repr=False)
    table: Mapping[str, Any] = attrs.field(repr=False)
    changed: PluginTable | None
    warnings: tuple[str, ...]


def change(config: Config, table: Mapping[str, Any], plugins: Plugins, text: str) -> Change | None:
    """Return what ``table.key=value`` changes of a configuration, which was made from this table; ``None``: nothing.

    Raises:
        ConfigError: the value can't be, as in a file; or the key is none that is read anew while a campaign runs.
    """
    key = _key(text)
    name, settings = _owner(config, key)
    loosens = None if settings is None else _loosens(settings, name)
    new = load_table(table, plugins, file=_FILE, overrides=[text])
    if loosens is None:
        known = [one for one, _ in _settable(config)]
        raise ConfigError(
            [
                Problem(
                    file=_FILE,
                    key=key,
                    message="isn't read anew while a campaign runs",
                    allowed=", ".join(known),
                    suggestion=nearest(key, known),
                    remedy=f"trioarb resume JOURNAL --set {text} --force goes on with it, if the books mean the same",
                )
            ]
        )
    old = load_table(table, plugins, file=_FILE)
    found = {one.key: one for one in differences(old.config, new.config)}
    if not found:
        return None
    assert found.keys() == {key}, found
    value = getattr(_owner(new.config, key)[1], name)
    assert settings is not None
    changed, evolved = _with(config, key, attrs.evolve(settings, **{name: value}))
    return Change(
        key=key,
        before=found[key].stored,
        after=str(found[key].given),
        loosens=_is_looser(loosens, getattr(settings, name), value),
        config=attrs.evolve(evolved, digest=new.config.digest),
        table=new.table,
        changed=changed,
        warnings=tuple(one for one in new.warnings if one not in old.warnings),
    )


def laid_over(table: Mapping[str, Any], settings: Mapping[str, str]) -> Mapping[str, Any]:
    """Return a table with values that were set while its campaign ran, by key."""
    overrides = Overrides(dict(table))
    for key, value in settings.items():
        overrides.apply(f"{key}={value}")
    return overrides.table


def _key(text: str) -> str:
    """Return the dotted key that a text begins with.

    Raises:
        ConfigError: it is no ``table.key=value``.
    """
    try:
        parts, rest = split_key(text)
        if not rest.startswith("="):
            raise ValueError("no = after the key")
        if any(part.is_any for part in parts):
            raise ValueError("one key at a time")
    except ValueError as error:
        raise ConfigError(
            [Problem(file=_FILE, message=str(error), value=repr(text), allowed="table.key=value")]
        ) from None
    return join_key("", *(part.name for part in parts))


def _owner(config: Config, key: str) -> tuple[str, Any]:
    """Return the name of a key in its table, and the settings that hold it; ``None``: there are none."""
    place, _, name = key.rpartition(".")
    found = next((settings for own, settings in _tables(config) if own == place), None)
    return name, found if found is not None and name in attrs.fields_dict(type(found)) else None


def _tables(config: Config) -> Iterator[tuple[str, Any]]:
    yield from ((name, getattr(config, name)) for name in _CORE)
    yield from ((table.key, table.settings) for table in (config.strategy, *config.guards))


def _settable(config: Config) -> Iterator[tuple[str, Any]]:
    for place, settings in _tables(config):
        for field in attrs.fields(type(settings)):
            if field.metadata.get("loosens") is not None:
                yield join_key(place, field.name), settings


def _loosens(settings: Any, name: str) -> Loosens | None:
    found: Loosens | None = attrs.fields_dict(type(settings))[name].metadata.get("loosens")
    return found


def _with(config: Config, key: str, settings: Any) -> tuple[PluginTable | None, Config]:
    """Return the plugin's table that holds a key, if one does, and the configuration, both with other settings."""
    place = key.rpartition(".")[0]
    if place in _CORE:
        return None, attrs.evolve(config, **{place: settings})
    if place == config.strategy.key:
        table = attrs.evolve(config.strategy, settings=settings)
        return table, attrs.evolve(config, strategy=table)
    table = attrs.evolve(next(one for one in config.guards if one.key == place), settings=settings)
    guards = tuple(table if one.key == place else one for one in config.guards)
    return table, attrs.evolve(config, guards=guards)


def _is_looser(loosens: Loosens, before: Any, after: Any) -> bool:
    """Return whether a value allows more than the one before; where that can't be told, it does."""
    if loosens is Loosens.NOTHING:
        return False
    if before is None:
        return loosens is not Loosens.MORE_OR_NONE
    if not isinstance(before, Decimal | int) or not isinstance(after, Decimal | int):
        return True
    return after < before if loosens is Loosens.LESS else after > before
