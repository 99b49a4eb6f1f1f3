"""Which plugins there are for a configuration: the installed ones, and the files that it or the command line names.

A journal keeps where such a file was and its SHA-256, so that whoever reads it later can say that it is another now.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from trioarb.config.read import read_toml
from trioarb.config.schema import PluginsTable
from trioarb.errors import ConfigError
from trioarb.plugin.file import PluginFile
from trioarb.plugin.registry import Plugins, load_plugins
from trioarb.settings.convert import structure
from trioarb.settings.key import join_key
from trioarb.settings.problem import Problem, nearest

__all__ = ["changed_files", "plugins_for", "plugins_named", "plugins_of_journal", "plugins_of_table", "stated"]

_TABLE = "plugins"
_FLAG = "--plugin"


def plugins_named(given: Sequence[Path] | None) -> Plugins:
    """Load the installed plugins, and the files that the command line names.

    Raises:
        ConfigError: a file can't be read, or two have one name.
        PluginError: a plugin can't be loaded.
    """
    return _loaded(_given(given), None)


def plugins_for(config: Path, given: Sequence[Path] | None = None) -> Plugins:
    """Load the installed plugins, the files that a configuration names, and those of the command line; as above."""
    return plugins_of_table(read_toml(config), given, file=str(config), folder=config.parent)


def plugins_of_table(
    table: Mapping[str, Any],
    given: Sequence[Path] | None = None,
    *,
    file: str = "<config>",
    folder: Path = Path(),
    extra: Mapping[str, object] | None = None,
) -> Plugins:
    """The same of a configuration that is a table already; paths in it start at ``folder``."""
    wanted = _wanted(table, file)
    problems, files = list[Problem](), list[tuple[str, PluginFile]]()
    for number, path in enumerate(wanted.paths):
        key = f"{_TABLE}.paths[{number}]"
        try:
            read = PluginFile.read(folder / path, file=file, key=key, missing="a relative path starts at its folder")
        except ConfigError as error:
            problems += error.problems
        else:
            files.append((file, read))
            problems += _other(read, wanted.sha256.get(read.name), file)
    names = [path.name for path in wanted.paths]
    problems += (
        Problem(
            file=file,
            key=join_key(_TABLE, "sha256", name),
            message="no file of this name is in plugins.paths",
            suggestion=nearest(name, names),
        )
        for name in wanted.sha256
        if name not in names
    )
    if problems:
        raise ConfigError(problems)
    return _loaded([*files, *_given(given)], extra)


def plugins_of_journal(
    table: Mapping[str, Any], journal: Path, given: Sequence[Path] | None = None, *, known: Plugins | None = None
) -> Plugins:
    """Load the installed plugins, and the files that a journal's configuration names, as they are now.

    A file of the command line stands for the journal's of the same name, which may be elsewhere by now. So do those of
    the ``known`` plugins, which are enough where the journal names none. What `changed_files` finds is for the caller
    to tell.

    Raises:
        ConfigError: a file isn't there any more, or can't be read.
        PluginError: a plugin can't be loaded.
    """
    wanted = _wanted(table, str(journal))
    if known is not None and not wanted.paths and not given:
        return known
    instead = [*_given(given), *((_FLAG, file) for file in (known.files if known is not None else ()))]
    names = {read.name for _, read in instead}
    files = [
        (
            str(journal),
            PluginFile.read(
                path,
                file=str(journal),
                key=f"{_TABLE}.paths[{number}]",
                missing=f"its campaign ran with it; {_FLAG} says where it is now",
            ),
        )
        for number, path in enumerate(wanted.paths)
        if path.name not in names
    ]
    return _loaded([*files, *instead], None)


def changed_files(table: Mapping[str, Any], plugins: Plugins) -> list[str]:
    """Say of each file of a journal's configuration that is another now; each without a full stop."""
    was = _wanted(table, "").sha256
    return [
        f"{file.path} is another file than the {file.name} that its campaign ran with "
        f"(SHA-256 {file.sha256[:12]}, then {was[file.name][:12]})"
        for file in plugins.files
        if file.sha256 != was.get(file.name, file.sha256)
    ]


def stated(plugins: Plugins) -> dict[str, Any]:
    """Return the table that says where the files of these plugins are, and what was in them."""
    return {
        "paths": [str(file.path) for file in plugins.files],
        "sha256": {file.name: file.sha256 for file in plugins.files},
    }


def _wanted(table: Mapping[str, Any], file: str) -> PluginsTable:
    try:
        return structure(table.get(_TABLE, {}), PluginsTable, key=_TABLE)
    except ConfigError as error:
        raise ConfigError([attrs.evolve(one, file=file) for one in error.problems]) from None


def _given(paths: Sequence[Path] | None) -> list[tuple[str, PluginFile]]:
    return [(_FLAG, PluginFile.read(path, file=_FLAG)) for path in paths or ()]


def _other(read: PluginFile, wanted: str | None, file: str) -> list[Problem]:
    if wanted is None or wanted.lower() == read.sha256:
        return []
    key = join_key(_TABLE, "sha256", read.name)
    message = f"{read.path} is another file: its SHA-256 is {read.sha256}"
    return [
        Problem(file=file, key=key, message=message, remedy="look at what has changed, then write that, or nothing")
    ]


def _loaded(found: Sequence[tuple[str, PluginFile]], extra: Mapping[str, object] | None) -> Plugins:
    """Load files, each with where it is named. One that is named twice counts once.

    Raises:
        ConfigError: two have one name.
    """
    files = dict[str, tuple[str, PluginFile]]()
    for where, read in found:
        other, first = files.setdefault(read.path.stem, (where, read))
        if first.path != read.path:
            raise ConfigError(
                [
                    Problem(
                        file=where,
                        message=f"two plugins are files of one name: {first.path} ({other}) and {read.path}",
                        remedy="rename one of them, or leave it out",
                    )
                ]
            )
    return load_plugins(extra, [read for _, read in files.values()])
