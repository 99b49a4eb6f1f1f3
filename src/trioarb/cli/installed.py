"""Commands of other packages: entry points of the group ``trioarb.commands``, each a cyclopts App of that name."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from importlib.metadata import EntryPoint, entry_points

import cyclopts

from trioarb.errors import MissingPackage, PluginError
from trioarb.plugin.extras import extra_with_command

__all__ = ["add_installed"]

_GROUP = "trioarb.commands"


def add_installed(app: cyclopts.App, core: Collection[str], arguments: Sequence[str]) -> None:
    """Add the commands of other packages, unless the command line names one of the ``core`` commands.

    Raises:
        PluginError: one can't be loaded, or has the name of another; names the distribution.
        MissingPackage: the command that is named is in a package that isn't installed.
    """
    named = arguments[0] if arguments else ""
    if named in core:
        return
    owners: dict[str, str] = {}
    for point in sorted(entry_points(group=_GROUP), key=_whose):
        if point.name in core:
            raise PluginError(f"{_whose(point)}: the command {point.name!r} is trioarb's own; uninstall the package")
        if point.name in owners:
            raise PluginError(f"two packages have the command {point.name!r}: {owners[point.name]} and {_whose(point)}")
        owners[point.name] = _whose(point)
        if point.name not in app:
            app.command(_loaded(point), name=point.name)
    extra = extra_with_command(named)
    if extra is not None and named not in owners:
        raise MissingPackage(f"`trioarb {named}` is in {extra.package}, which is not installed: {extra.install}")


def _loaded(point: EntryPoint) -> cyclopts.App:
    try:
        loaded = point.load()
    except (Exception, SystemExit) as error:
        raise PluginError(
            f"{_whose(point)}: the command {point.name!r} can't be loaded: {type(error).__name__}: {error}; "
            "repair or uninstall it"
        ) from error
    if not isinstance(loaded, cyclopts.App):
        raise PluginError(f"{_whose(point)}: the command {point.name!r} is no cyclopts.App, but {loaded!r}")
    return loaded


def _whose(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist is not None else "unknown distribution"
