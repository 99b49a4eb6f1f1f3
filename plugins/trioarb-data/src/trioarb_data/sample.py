"""`trioarb data sample`: synthetic quotes to begin with."""

from __future__ import annotations

import importlib
import json
import shlex
import shutil
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from trioarb.errors import ConfigError
from trioarb.plugin.extras import require
from trioarb.report.visible import say
from trioarb.settings.keydoc import toml_literal
from trioarb.settings.problem import Problem

__all__ = ["sample"]

_CONFIG, _MANIFEST, _QUOTES = "sample.toml", "manifest.json", "quotes"


def sample(
    *,
    out: Annotated[
        Path | None, Parameter(help="New folder to copy them to; without it, where they are installed is said.")
    ] = None,
) -> int:
    """Say where the sample is, or copy it; return 0."""
    require("trioarb_sample", "`trioarb data sample`")
    source: Path = importlib.import_module("trioarb_sample").FOLDER
    manifest: dict[str, Any] = json.loads((source / _MANIFEST).read_text(encoding="utf-8"))
    if out is not None:
        _copy(source, out)
    folder = source if out is None else out
    quotes = sum(file["quotes"] for file in manifest["files"])
    say(f"{manifest['label']}: {manifest['what']}")
    say(
        f"{quotes:,} quotes of {len(manifest['venues'])} venues and {len(manifest['symbols'])} symbols, "
        f"{manifest['seconds'] // 60} minutes, in {folder / _QUOTES}; how they came to be is in {folder / _MANIFEST}"
    )
    say(f"next: trioarb replay {_word(folder / _CONFIG)} --quotes {_word(folder / _QUOTES)}")
    return 0


def _copy(source: Path, out: Path) -> None:
    """Copy the sample into a new folder, whole or not at all.

    Raises:
        ConfigError: there is something already, or it can't be written.
    """
    if out.exists():
        raise ConfigError([Problem(file="--out", message="is there already; name a new folder", value=str(out))])
    part = out.with_name(f".{out.name}.part")
    try:
        shutil.rmtree(part, ignore_errors=True)
        (part / _QUOTES).mkdir(parents=True)
        for path in sorted((source / _QUOTES).glob("*.parquet")):
            shutil.copyfile(path, part / _QUOTES / path.name)
        shutil.copyfile(source / _MANIFEST, part / _MANIFEST)
        config = (source / _CONFIG).read_text(encoding="utf-8")
        # So it can also be run, checked and surveyed from where it was made.
        config = config.replace(f'path = "{_QUOTES}"', f"path = {toml_literal(out / _QUOTES)}")
        config = config.replace(f"{_CONFIG} --quotes {_QUOTES}", f"{out / _CONFIG} --quotes {out / _QUOTES}")
        (part / _CONFIG).write_text(config, encoding="utf-8")
        part.rename(out)
    except OSError as error:
        raise ConfigError(
            [Problem(file="--out", message=f"can't be written ({error.strerror})", value=str(out))]
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _word(path: Path) -> str:
    """Return a path as a shell takes it for one word."""
    return shlex.quote(str(path))
