"""Read a configuration: a TOML file, and what the command line lays over it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path, PurePath
from typing import Any, TypedDict, Unpack

import attrs
import tomli

from trioarb.config.assembly import Assembly
from trioarb.config.quotes import Quotes
from trioarb.config.schema import Config
from trioarb.errors import ConfigError
from trioarb.plugin.registry import Plugins
from trioarb.settings.problem import Problem

__all__ = ["LaidOver", "Loaded", "as_toml", "load_config", "load_table", "read_toml"]


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
    """Read the file, lay what was given over it, and check everything.

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


def read_toml(path: Path) -> dict[str, Any]:
    """Return what a TOML file holds.

    Raises:
        ConfigError: it can't be read, or isn't TOML.
    """

    def refuse(message: str) -> ConfigError:
        return ConfigError([Problem(file=str(path), message=message)])

    try:
        # Editors on Windows put a byte order mark in front, which TOML doesn't know.
        return tomli.loads(path.read_bytes().decode("utf-8-sig"), parse_float=Decimal)
    except FileNotFoundError:
        raise refuse("no such file") from None
    except IsADirectoryError:
        raise refuse("a directory, not a configuration file") from None
    except OSError as error:
        raise refuse(f"can't be read: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise refuse(f"not UTF-8 text (at line {line})") from None
    except tomli.TOMLDecodeError as error:
        raise refuse(f"not valid TOML: {error}") from None
    except (ValueError, RecursionError) as error:
        raise refuse(f"not a readable configuration: {error}") from None


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
