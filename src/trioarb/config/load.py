"""Read a configuration: a TOML file, and what the command line lays over it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path, PurePath
from typing import Any, TypedDict, Unpack

import attrs

from trioarb.config.assembly import Assembly
from trioarb.config.quotes import Quotes
from trioarb.config.read import read_toml
from trioarb.config.schema import Config
from trioarb.plugin.registry import Plugins

__all__ = ["LaidOver", "Loaded", "as_toml", "load_config", "load_table"]


@attrs.frozen(kw_only=True)
class Loaded:
    """A checked configuration, the table it was made from, and what is questionable about it.

    ``live`` says which plugins talk to the outside, by the key of their table, such as ``exchange plugin "acme"``.
    """

    config: Config
    table: Mapping[str, Any] = attrs.field(repr=False)
    warnings: tuple[str, ...]
    live: Mapping[str, str]


class LaidOver(TypedDict, total=False):
    """What is laid over a configuration, in this order: of several values for one key the last holds.

    With ``quotes`` every venue plays these, in virtual time, whatever market data the file names. ``overrides`` are
    ``table.key=value``; the others are flags of the command line.
    """

    quotes: Quotes | None
    overrides: Sequence[str]
    iterations: int | None
    runtime_seconds: Decimal | None
    log_level: str | None


def load_config(
    path: Path, plugins: Plugins, *, environment: Mapping[str, str] | None = None, **laid_over: Unpack[LaidOver]
) -> Loaded:
    """Read the file, lay what was given over it, and check everything. ``plugins`` are those of `plugins_for`.

    Variables of ``environment`` that begin with ``TRIOARB__`` are laid over the file before that, and its others are
    there for secrets to refer to.

    Raises:
        ConfigError: with every problem that was found.
        PluginError: a plugin failed while its settings were looked at.
    """
    has_variables, file = environment is not None, str(path)
    return load_table(
        read_toml(path), plugins, file=file, environment=environment, variables=has_variables, **laid_over
    )


def load_table(
    table: Mapping[str, Any],
    plugins: Plugins,
    *,
    file: str = "<config>",
    environment: Mapping[str, str] | None = None,
    variables: bool = False,
    **laid_over: Unpack[LaidOver],
) -> Loaded:
    """Check a configuration that is already a table; as `load_config`. ``table`` stays as it is.

    Without ``variables`` the ``environment`` is there for references only; without an environment secrets are not read,
    and stand-ins take their place.
    """
    assembly = Assembly(as_toml(table), plugins, file, environment)
    if variables:
        assembly.override_from_environment()
    quotes = laid_over.get("quotes")
    if quotes is not None:
        quotes.lay_over(assembly)
    for text in laid_over.get("overrides", ()):
        assembly.override(text)
    assembly.flag("--iterations", ("session", "max_iterations"), laid_over.get("iterations"))
    assembly.flag("--runtime", ("session", "max_runtime_seconds"), laid_over.get("runtime_seconds"))
    assembly.flag("--log-level", ("log", "level"), laid_over.get("log_level"))
    config = assembly.finish()
    return Loaded(config=config, table=assembly.table, warnings=tuple(assembly.warnings), live=assembly.live)


def as_toml(value: Any) -> Any:
    """Return a copy that can be changed, in the types that TOML would have given."""
    match value:
        case Mapping():
            return {str(key): as_toml(item) for key, item in value.items()}
        case list() | tuple():
            return [as_toml(item) for item in value]
        case float():
            return Decimal(repr(value))
        case PurePath():
            return str(value)
        case _:
            return value
