"""Read a configuration: a TOML file, and what the command line lays over it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path, PurePath
from typing import Any

import attrs
import tomli

from trioarb.config.assembly import Assembly
from trioarb.config.quotes import Quotes
from trioarb.config.schema import Config
from trioarb.errors import ConfigError
from trioarb.plugin.registry import Plugins
from trioarb.settings.problem import Problem

__all__ = ["Loaded", "load_config", "load_table"]


@attrs.frozen(kw_only=True)
class Loaded:
    """A checked configuration, the table it was made from, and what is questionable about it.

    ``live`` says which plugins talk to the outside, by the key of their table, such as ``exchange plugin "acme"``.
    """

    config: Config
    table: Mapping[str, Any] = attrs.field(repr=False)
    warnings: tuple[str, ...]
    live: Mapping[str, str]


def load_config(
    path: Path,
    plugins: Plugins,
    *,
    overrides: Sequence[str] = (),
    iterations: int | None = None,
    runtime_seconds: Decimal | None = None,
    log_level: str | None = None,
    quotes: Quotes | None = None,
    environment: Mapping[str, str] | None = None,
) -> Loaded:
    """Read the file, lay ``overrides`` (``table.key=value``) and flags over it, and check everything.

    Variables of ``environment`` that begin with ``TRIOARB__`` are laid over the file before that, and its others are
    there for secrets to refer to. With ``quotes`` every venue plays these, in virtual time, whatever market data the
    file names.

    Raises:
        ConfigError: with every problem that was found.
        PluginError: a plugin failed while its settings were looked at.
    """
    return load_table(
        _read(path),
        plugins,
        file=str(path),
        overrides=overrides,
        iterations=iterations,
        runtime_seconds=runtime_seconds,
        log_level=log_level,
        quotes=quotes,
        environment=environment,
        variables=environment is not None,
    )


def load_table(
    table: Mapping[str, Any],
    plugins: Plugins,
    *,
    file: str = "<config>",
    overrides: Sequence[str] = (),
    iterations: int | None = None,
    runtime_seconds: Decimal | None = None,
    log_level: str | None = None,
    quotes: Quotes | None = None,
    environment: Mapping[str, str] | None = None,
    variables: bool = False,
) -> Loaded:
    """Check a configuration that is already a table; as `load_config`. ``table`` stays as it is.

    Without ``variables`` the ``environment`` is there for references only; without an environment secrets are not read,
    and stand-ins take their place.
    """
    assembly = Assembly(_owned(table), plugins, file, environment)
    if variables:
        assembly.override_from_environment()
    if quotes is not None:
        quotes.lay_over(assembly)
    for text in overrides:
        assembly.override(text)
    assembly.flag("--iterations", ("session", "max_iterations"), iterations)
    assembly.flag("--runtime", ("session", "max_runtime_seconds"), runtime_seconds)
    assembly.flag("--log-level", ("log", "level"), log_level)
    config = assembly.finish()
    return Loaded(config=config, table=assembly.table, warnings=tuple(assembly.warnings), live=assembly.live)


def _read(path: Path) -> dict[str, Any]:
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


def _owned(value: Any) -> Any:
    """Return a copy that can be changed, in the types that TOML would have given."""
    match value:
        case Mapping():
            return {str(key): _owned(item) for key, item in value.items()}
        case list() | tuple():
            return [_owned(item) for item in value]
        case float():
            return Decimal(repr(value))
        case PurePath():
            return str(value)
        case _:
            return value
