"""`trioarb survey`: whether the routes of a configuration can pay at all."""

from __future__ import annotations

import os
import tempfile
import time
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Annotated

import attrs
import trio
from cyclopts import Parameter

from trioarb.cli.opened import without_orders
from trioarb.cli.options import AsJson, ConfigFile, Overrides, PluginFiles, pair
from trioarb.cli.output import print_json
from trioarb.cli.progress import Progress
from trioarb.cli.running import clock_of
from trioarb.config.load import Loaded, load_config
from trioarb.config.plugin_files import plugins_for
from trioarb.config.quotes import Quotes
from trioarb.config.schema import ClockKind, LogLevel
from trioarb.engine.recording import record_quotes, recover_recordings
from trioarb.errors import ConfigError
from trioarb.plugin.registry import Plugins
from trioarb.plugin.spec import StrategySpec
from trioarb.quotes.recorder import QuoteRecorder
from trioarb.report.console import LastingConsole
from trioarb.report.log import configure_logging
from trioarb.report.survey import as_plain, print_survey, write_parquet
from trioarb.settings.problem import Problem
from trioarb.survey.markets import Replayed, Survey, replay, survey_markets
from trioarb.time.virtual import VirtualClock

__all__ = ["survey"]

#: The campaign is replayed to the end of the quotes, whatever the file says of its runtime and iterations.
_ENDLESS = 10**9


def survey(
    config: ConfigFile,
    /,
    *,
    quotes: Annotated[
        list[Path] | None,
        Parameter(
            negative="", consume_multiple=True, help="Recorded quotes to look at, as `trioarb replay` takes them."
        ),
    ] = None,
    exchange: Annotated[
        list[str] | None, Parameter(negative="", help="What the files call a venue: `VENUE=NAME`. Can be repeated.")
    ] = None,
    hours: Annotated[
        Decimal | None, Parameter(help="Record the configuration's markets for so many hours first, and look at that.")
    ] = None,
    keep: Annotated[
        Path | None, Parameter(help="With --hours: the folder of the recording; by default it is removed again.")
    ] = None,
    latency_ms: Annotated[
        Decimal, Parameter(help="How long a chance has to last, from its first quote until both orders have arrived.")
    ] = Decimal(100),
    slippage_usd: Annotated[
        Decimal, Parameter(help="Of which size the slippage is, where quotes have levels (`engine.depth` above 1).")
    ] = Decimal(1000),
    no_replay: Annotated[
        bool, Parameter(negative="", help="Don't run the campaign on the quotes to see what it makes of them.")
    ] = False,
    parquet: Annotated[Path | None, Parameter(help="Write the figures of each route to this file, too.")] = None,
    overrides: Overrides = None,
    plugin: PluginFiles = None,
    as_json: AsJson = False,
) -> int:
    """Survey the routes; return 0."""
    if (quotes is not None) and (hours is not None):
        raise ConfigError([Problem(file="--hours", message="not together with --quotes, which are recorded already")])
    if latency_ms < 0:
        raise ConfigError([Problem(file="--latency-ms", message="is negative", value=str(latency_ms), allowed="≥ 0")])
    if slippage_usd <= 0:
        raise ConfigError([Problem(file="--slippage-usd", message="must be above zero", value=str(slippage_usd))])
    plugins = plugins_for(config, plugin)
    given = list(overrides or ())
    with tempfile.TemporaryDirectory(prefix="trioarb-survey-") as folder, Progress() as progress:
        paths = quotes
        if hours is not None:
            paths = [keep or Path(folder)]
            _record(config, plugins, given, paths[0], hours, progress)
        loaded = load_config(
            config,
            plugins,
            overrides=given,
            iterations=_ENDLESS,
            runtime_seconds=Decimal(_ENDLESS),
            environment=os.environ,
            quotes=None
            if paths is None
            else Quotes(
                paths=paths,
                exchanges=dict(pair("--exchange", one, "VENUE=NAME", "spot=BINANCE") for one in exchange or ()),
            ),
        )
        _require_routes(loaded, plugins)
        _require_recorded(loaded)
        _log_to_stderr(loaded)
        with loaded.config.redactor.in_errors():
            found, replayed, seconds = _look(
                loaded, plugins, latency_ms, slippage_usd, progress, is_replayed=not no_replay
            )
    if parquet is not None:
        write_parquet(parquet, found)
    if as_json:
        print_json(as_plain(found, replayed))
        return 0
    print_survey(found, replayed, seconds)
    return 0


def _record(
    config: Path, plugins: Plugins, overrides: list[str], out: Path, hours: Decimal, progress: Progress
) -> None:
    """Record the configuration's markets: in virtual time, if none of them talks to the outside.

    Raises:
        TrioarbError: a market can't be opened or fails, or the files can't be written.
    """
    loaded = load_config(config, plugins, overrides=overrides, environment=os.environ)
    _require_routes(loaded, plugins)
    if not loaded.live:
        in_virtual_time = [*overrides, "session.clock=virtual", "session.speed=1"]
        loaded = load_config(config, plugins, overrides=in_virtual_time, environment=os.environ)
    _log_to_stderr(loaded)
    clock = clock_of(loaded.config)
    virtual = clock if isinstance(clock, VirtualClock) else None
    recorder = QuoteRecorder(out, inline=virtual is not None, depth=loaded.config.engine.depth)
    recover_recordings(recorder)
    progress.show(f"recording for {hours} h")
    record = partial(
        record_quotes,
        clock=virtual,
        hours=float(hours),
        on_open=lambda quoted, recorder: None,
        on_progress=lambda recorder: progress.show(f"recording for {hours} h: {recorder.rows.total():,} quotes"),
        handle_signals=True,
    )
    with loaded.config.redactor.in_errors():
        trio.run(record, loaded.config, plugins, recorder, clock=clock)


def _log_to_stderr(loaded: Loaded) -> None:
    """Let warnings and errors be seen, and nothing else get between the lines of the survey."""
    configure_logging(LogLevel.WARNING, LastingConsole(stderr=True), None, loaded.config.redactor)


def _look(
    loaded: Loaded,
    plugins: Plugins,
    latency_ms: Decimal,
    slippage_usd: Decimal,
    progress: Progress,
    *,
    is_replayed: bool,
) -> tuple[Survey, Replayed | None, tuple[float, float]]:
    """Return what was found, what the campaign made of it, and how many seconds either took."""
    started, clock = time.perf_counter(), VirtualClock()
    look = partial(
        survey_markets,
        loaded.config,
        without_orders(plugins),
        clock=clock,
        latency_ns=int(latency_ms * 1_000_000),
        slippage_usd=float(slippage_usd),
        on_progress=lambda doing, rows: progress.show(f"surveying {doing}: {rows:,} quotes"),
    )
    found = trio.run(look, clock=clock)
    looked, replayed = time.perf_counter(), None
    if is_replayed:
        progress.show("replaying the campaign")
        clock = VirtualClock()
        replayed = trio.run(partial(replay, loaded.config, plugins, clock=clock), clock=clock)
    found = attrs.evolve(found, warnings=(*loaded.warnings, *found.warnings))
    return found, replayed, (looked - started, time.perf_counter() - looked)


def _require_routes(loaded: Loaded, plugins: Plugins) -> None:
    """Complain of a strategy that trades no route between venues: what is surveyed says nothing of it."""
    strategy = loaded.config.strategy
    if plugins.get(StrategySpec, strategy.plugin, key=strategy.key).loops:
        raise ConfigError(
            [
                Problem(
                    key="strategy.plugin",
                    message="goes around symbols of one venue; a survey looks at routes between venues",
                    value=f'"{strategy.plugin}"',
                    remedy="a run in virtual time, or a replay of recorded quotes, says what loops would have earned",
                )
            ]
        )


def _require_recorded(loaded: Loaded) -> None:
    """Complain where quotes are not known ahead."""
    if loaded.config.session.clock is not ClockKind.VIRTUAL:
        raise ConfigError(
            [
                Problem(
                    key="session.clock",
                    message="the markets are surveyed from quotes that are there already: give them with --quotes, or "
                    "let them be recorded first with --hours",
                    value='"real"',
                )
            ]
        )
