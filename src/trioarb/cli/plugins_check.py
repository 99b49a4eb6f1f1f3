"""`trioarb plugins check`: judge a plugin by the numbered cases of its kind."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, contextmanager, redirect_stdout
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import attrs
from cyclopts import Parameter

from trioarb.cli.options import AsJson, PluginFiles
from trioarb.cli.output import print_json
from trioarb.cli.progress import Progress
from trioarb.config.plugin_files import plugins_named
from trioarb.config.read import read_toml
from trioarb.config.schema import LogLevel
from trioarb.config.secrets import SecretReader
from trioarb.errors import ConfigError, Interrupt, describe
from trioarb.model.market import Listing
from trioarb.plugin.registry import Plugins
from trioarb.plugin.venue_spec import VenueSpec
from trioarb.report.console import LastingConsole
from trioarb.report.log import configure_logging
from trioarb.report.visible import say
from trioarb.settings.convert import structure
from trioarb.settings.problem import Problem, nearest
from trioarb.settings.redact import Redactor
from trioarb.settings.types import setting

__all__ = ["check_plugin"]

#: How wide the lines of a report are.
_WIDTH = 80
#: Tables that only a campaign has.
_CAMPAIGNS = frozenset({"session", "universe", "exchanges", "strategy", "guards"})
#: What `judge` calls wrong that stands on the command line.
_OPTIONS = ("case", "kind", "name")
Stage = Callable[[], AbstractAsyncContextManager[Any]]


@attrs.frozen(kw_only=True)
class _Symbol:
    base: str = setting(doc="what is traded")
    quote: str = setting(doc="what it is paid with")
    symbol: str = setting("", doc="its canonical name; absent: both after each other")

    def listing(self) -> Listing:
        return Listing(symbol=self.symbol or f"{self.base}{self.quote}", base=self.base, quote=self.quote)


@attrs.frozen(kw_only=True)
class _Plan:
    """What the file of ``--config`` holds."""

    settings: Mapping[str, Any] = setting(factory=dict, doc="the plugin's own table")
    symbols: tuple[_Symbol, ...] = setting((), doc="what it is asked about; absent: BTCUSDT")
    stage: str = setting("", doc="what stands behind it, as MODULE:NAME")


def check_plugin(
    name: Annotated[str, Parameter(help="The plugin, as `trioarb plugins` lists it.")],
    /,
    *,
    kind: Annotated[str | None, Parameter(help="Its kind, where plugins of several kinds have the name.")] = None,
    config: Annotated[
        Path | None,
        Parameter(
            help="TOML file with the plugin's table as [settings], what it is asked about as symbols = "
            '[{ base = "BTC", quote = "USDT" }], and what stands behind it as stage = "MODULE:NAME".'
        ),
    ] = None,
    case: Annotated[
        list[str] | None, Parameter(negative="", help="Only this case, and those that it needs. Can be repeated.")
    ] = None,
    plugin: PluginFiles = None,
    as_json: AsJson = False,
) -> int:
    """Judge a plugin by the numbered cases of its kind; return 0, or 1 if a case has failed."""
    from trioarb.testing.conformance import judge, kind_named  # loaded by nothing else of the command line

    plugins = plugins_named(plugin)
    found = kind_named(_kind(plugins, name, kind)).spec.kind
    plan = _plan(config)
    configure_logging(LogLevel.ERROR, LastingConsole(stderr=True), None, _redactor(plugins, name, found, plan))
    # What a plugin prints is no part of the report.
    with Progress() as progress, _told_where(config), redirect_stdout(sys.stderr):
        report = judge(
            kind=found,
            name=name,
            settings=plan.settings,
            symbols=[one.listing() for one in plan.symbols],
            stage=_stage(plan.stage, config),
            plugins=plugins,
            cases=case or (),
            tell=lambda one: progress.show(f"{found} {name}: {one}"),
        )
    if as_json:
        print_json(report.to_json_object())
    else:
        for line in report.lines(width=_WIDTH):
            say(line)
        say(f"{report.kind} {report.plugin}: {report.counted()}")
    return 0 if report.conforms else 1


def _kind(plugins: Plugins, name: str, kind: str | None) -> str:
    """Return the kind of a plugin.

    Raises:
        ConfigError: there is no plugin of this name, or one of several kinds.
    """
    if kind is not None:
        return kind
    named = (one.spec for one in plugins.registered if one.spec.name == name)
    kinds = sorted({spec.kind for spec in named if not isinstance(spec, VenueSpec)})  # of a venue its parts
    if len(kinds) == 1:
        return kinds[0]
    names = sorted({one.spec.name for one in plugins.registered})
    problem = (
        Problem(key="--kind", message=f"missing; {name!r} is the name of several plugins", allowed=" or ".join(kinds))
        if kinds
        else Problem(
            key="NAME",
            message="no plugin of this name is installed",
            value=f'"{name}"',
            allowed=", ".join(names),
            suggestion=nearest(name, names),
        )
    )
    raise ConfigError([problem])


def _redactor(plugins: Plugins, name: str, kind: str, plan: _Plan) -> Redactor:
    """Return what keeps the secrets of a plugin's settings out of its log."""
    secrets = SecretReader(environment=os.environ, origin=lambda key: "")
    for one in plugins.registered:
        if (one.spec.kind, one.spec.name) == (kind, name):
            secrets.read(plan.settings, one.spec.settings, kind)
    return Redactor.of(secrets.values)


def _plan(path: Path | None) -> _Plan:
    if path is None:
        return _Plan()
    read = read_toml(path)
    if _CAMPAIGNS & read.keys():
        raise ConfigError(
            [
                Problem(
                    file=str(path),
                    message="it is a campaign's configuration",
                    remedy="--config takes a file of its own, with the plugin's table as [settings]",
                )
            ]
        )
    try:
        return structure(read, _Plan, key="")
    except ConfigError as error:
        raise ConfigError([attrs.evolve(one, file=one.file or str(path)) for one in error.problems]) from None


@contextmanager
def _told_where(config: Path | None) -> Iterator[None]:
    """Say of a setting that is wrong where it belongs."""
    try:
        yield
    except ConfigError as error:
        remedy = (
            f"its place is the table [settings] of {config}"
            if config
            else "write it into the table [settings] of a file, and name that by --config FILE"
        )
        raise ConfigError(
            [
                attrs.evolve(one, remedy=one.remedy or (remedy if one.key not in _OPTIONS else ""))
                for one in error.problems
            ]
        ) from None


def _stage(place: str, file: Path | None) -> Stage | None:
    """Return what opens a stage, from where it is: a module that is installed, or lies in the working folder.

    Raises:
        ConfigError: there is none.
    """
    if not place:
        return None
    module, _, attribute = place.partition(":")
    sys.path.insert(0, "")
    try:
        found = getattr(import_module(module), attribute)
    except Interrupt:
        raise
    except (Exception, SystemExit) as error:
        problem = Problem(
            file=str(file), key="stage", message=f"can't be loaded: {describe(error)}", value=f'"{place}"',
            allowed='"MODULE:NAME" of a function that opens a stage',
        )  # fmt: skip
        raise ConfigError([problem]) from None
    finally:
        sys.path.remove("")
    if not callable(found):
        raise ConfigError([Problem(file=str(file), key="stage", message="not a function", value=f'"{place}"')])
    opened: Stage = found
    return opened
