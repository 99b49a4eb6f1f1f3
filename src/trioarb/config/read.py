"""Read the table of a configuration's file."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import tomli

from trioarb.errors import ConfigError
from trioarb.settings.problem import Problem

__all__ = ["read_toml"]


def read_toml(path: Path) -> dict[str, Any]:
    """Return what a TOML file holds, its numbers exact.

    Raises:
        ConfigError: it isn't there, can't be read, or isn't TOML.
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
