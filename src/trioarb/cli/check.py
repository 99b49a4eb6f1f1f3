"""`trioarb check`: validate a configuration and show what would run."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Annotated, Any

import attrs
from cyclopts import Parameter
from rich.box import SIMPLE_HEAD
from rich.table import Table

from trioarb.cli.live import ARMED_SECONDS, arm
from trioarb.cli.opened import ask_at
from trioarb.cli.options import AsJson, ConfigFile, Overrides, PluginFiles
from trioarb.cli.output import print_json
from trioarb.config.digest import canonical
from trioarb.config.load import Loaded, load_config
from trioarb.config.plugin_files import plugins_for
from trioarb.config.schema import Config, Mode, PluginTable
from trioarb.engine.campaign import Campaign
from trioarb.engine.preflight import Finding, Verdict, preflight
from trioarb.errors import ConfigError, TrioarbError
from trioarb.model.contract import ContractTerms
from trioarb.model.number import BPS, text
from trioarb.model.rules import TradingRules
from trioarb.report.console import LastingConsole
from trioarb.report.coverage import coverage, in_words
from trioarb.report.margins import described
from trioarb.settings.problem import Problem

__all__ = ["check"]

#: Between price steps.
_AND = ", "
_BPS_STEP = Decimal("0.01")


def check(
    config: ConfigFile,
    /,
    *,
    overrides: Overrides = None,
    plugin: PluginFiles = None,
    online: Annotated[
        bool,
        Parameter(
            negative="",
            help="Open plugins that talk to the outside, too; no order can be sent. In live mode keys, clocks, "
            "balances, fees, limits and open orders are looked at; where nothing speaks against it, that arms it.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Validate a configuration; return 0, 2, or 1 if a plugin raised."""
    try:
        plugins = plugins_for(config, plugin)
        loaded = load_config(config, plugins, overrides=overrides or (), environment=os.environ)
        if loaded.live and not online:
            plan = _plan(loaded, warnings=loaded.warnings, symbols=None, overrides={}, universe=None, contracts={})
        else:
            plan = ask_at(loaded, plugins, partial(_looked_at, loaded))
    except TrioarbError as error:
        if not as_json:
            raise
        listed = (
            [_problem(one) for one in error.problems] if isinstance(error, ConfigError) else [{"message": str(error)}]
        )
        print_json({"ok": False, "problems": listed})
        return error.exit_code
    fit = not any(one["verdict"] == Verdict.REFUSE.value for one in plan["preflight"])
    is_armed = fit and bool(plan["preflight"])
    if is_armed:
        arm(loaded.config)
    if as_json:
        print_json({"ok": fit, "armed_seconds": ARMED_SECONDS if is_armed else None} | plan)
    else:
        _print(LastingConsole(), plan)
        if is_armed:
            print(f"Armed for {ARMED_SECONDS // 60} minutes: trioarb run {config} --live, with the same --set.")
        elif not fit:
            print("Not armed: see what was refused.")
    return 0 if fit else ConfigError.exit_code


async def _looked_at(loaded: Loaded, campaign: Campaign) -> dict[str, Any]:
    found = []
    if loaded.config.session.mode is Mode.LIVE:
        found = await preflight(campaign, campaign.world.exchanges)
    return _plan(
        loaded,
        warnings=campaign.warnings,
        symbols=_symbols(campaign),
        overrides=_overrides(campaign),
        contracts=_contracts(campaign),
        universe=coverage(
            loaded.config.universe,
            listed=campaign.world.selection.listed,
            loaded=len(campaign.symbols),
        ),
        found=found,
    )


def _plan(
    loaded: Loaded,
    *,
    warnings: Sequence[str],
    symbols: Mapping[str, Any] | None,
    overrides: Mapping[str, Any],
    universe: Mapping[str, int] | None,
    contracts: Mapping[str, Any],
    found: Sequence[Finding] = (),
) -> dict[str, Any]:
    """Return what would run; without ``symbols`` nothing was opened, and the plan says why."""
    config, session, redact = loaded.config, loaded.config.session, loaded.config.redactor.text
    return {
        "config_digest": config.digest,
        "env": config.env,
        "mode": session.mode.value,
        "clock": session.clock.value,
        "max_runtime_seconds": None if session.max_runtime_seconds is None else text(session.max_runtime_seconds),
        "max_iterations": session.max_iterations,
        "loop_interval_ms": text(session.loop_interval_ms),
        "strategy": config.strategy.plugin,
        "guards": [table.key.removeprefix("guards.") for table in config.guards],
        "venues": {
            name: {
                "plugin": tables.exchange.plugin,
                "wraps": _wrapped(tables.exchange),
                "market": tables.market.plugin,
                "market_wraps": _wrapped(tables.market),
            }
            for name, tables in config.exchanges.items()
        },
        "rates": _rates(config),
        "universe": universe,
        "symbols": symbols,
        "contracts": contracts,
        "overrides": overrides,
        "not_looked_at": [] if symbols is not None else [f"{key} ({what})" for key, what in loaded.live.items()],
        "preflight": [
            {"venue": one.venue, "about": one.about, "verdict": one.verdict.value, "said": redact(one.said)}
            for one in found
        ],
        "warnings": list(warnings),
    }


def _symbols(campaign: Campaign) -> dict[str, Any]:
    return {
        symbol: {
            venue: {
                "tick_size": _tick_text(instrument.rules),
                "lot_size": _text(instrument.rules.lot_size),
                "min_notional": _text(instrument.rules.min_notional),
                "min_quantity": _text(instrument.rules.min_quantity),
                "taker_fee_bps": text(instrument.taker_fee_bps),
                "maker_fee_bps": text(instrument.maker_fee_bps),
                "status": instrument.status.value,
            }
            for venue, instrument in task.market.instruments.items()
        }
        for symbol, task in campaign.symbols.items()
    }


def _rates(config: Config) -> dict[str, Any]:
    """Return what the rates of quote assets are made of that count as another one; empty if none does."""
    counted = {asset: common for one in config.exchanges.values() for asset, common in one.same_as.items()}
    found: dict[str, Any] = {}
    for asset, common in sorted(counted.items()):
        table = config.fx_markets.get(asset)
        if table is None:
            found[asset] = {"common": common, "constant_usd": text(config.fx[asset])}
        else:
            found[asset] = {
                "common": common,
                "symbol": table.symbol,
                "markets": list(table.markets),
                "max_age_ms": text(table.max_age_ms),
                "outlier_bps": text(table.outlier_bps),
                "least_sources": table.least_sources,
            }
    return found


def _rate_text(rate: Mapping[str, Any]) -> str:
    if "constant_usd" in rate:
        return f"{rate['constant_usd']} USD, a constant, which the market's rate may differ from"
    least = f", at least {rate['least_sources']} of them" if rate["least_sources"] > 1 else ""
    return (
        f"{rate['symbol']} at {', '.join(rate['markets'])}: quotes up to {rate['max_age_ms']} ms old, within "
        f"{rate['outlier_bps']} bps of their median{least}"
    )


def _contracts(campaign: Campaign) -> dict[str, list[dict[str, Any]]]:
    """Return by venue how its contracts are margined, and of which symbols, where that differs."""
    found: dict[str, dict[ContractTerms, list[str]]] = {}
    for symbol, task in campaign.symbols.items():
        for venue, instrument in task.market.instruments.items():
            if instrument.contract is not None:
                found.setdefault(venue, {}).setdefault(instrument.contract, []).append(symbol)
    return {
        venue: [
            {
                **{name: _text(value) for name, value in attrs.asdict(terms).items()},
                "initial_margin_bps": text((BPS / terms.leverage).quantize(_BPS_STEP)),
                "described": described(terms),
                "symbols": symbols,
            }
            for terms, symbols in by_terms.items()
        ]
        for venue, by_terms in found.items()
    }


def _text(value: Decimal | None) -> str | None:
    return None if value is None else text(value)


def _tick_text(rules: TradingRules) -> str | None:
    if rules.ticks:
        return _AND.join(f"{text(one.step)} from {text(one.at_least)} on" for one in rules.ticks)
    return _text(rules.tick_size)


def _overrides(campaign: Campaign) -> dict[str, Any]:
    """Return by symbol which keys have another value for it, and where that is written."""
    return {
        symbol: {
            key: {"value": canonical(value), "from": place}
            for key, (value, place) in campaign.world.tuning.origins(symbol).items()
        }
        for symbol in campaign.symbols
        if campaign.world.tuning.origins(symbol)
    }


def _wrapped(table: PluginTable) -> list[str]:
    """Return the plugins that the table's wraps, from the outside in."""
    return [] if table.wraps is None else [table.wraps.plugin, *_wrapped(table.wraps)]


def _venue(name: str, plan: dict[str, Any]) -> str:
    exchange = " around ".join([plan["plugin"], *plan["wraps"]])
    market = " around ".join([plan["market"], *plan["market_wraps"]])
    return f"{name} ({exchange} on {market})"


def _problem(problem: Problem) -> dict[str, str]:
    return {name: value for name, value in attrs.asdict(problem).items() if value}


def _print(console: LastingConsole, plan: dict[str, Any]) -> None:
    for warning in plan["warnings"]:
        console.print(f"warning: {warning}", style="yellow", soft_wrap=True)
    limits = [
        f"{plan['max_runtime_seconds']} s" if plan["max_runtime_seconds"] else "",
        f"{plan['max_iterations']} iterations a symbol" if plan["max_iterations"] else "",
    ]
    interval = plan["loop_interval_ms"]
    facts = Table.grid(padding=(0, 2))
    for name, value in (
        ("Campaign", f"{plan['mode']}, {plan['clock']} clock, env {plan['env']}"),
        ("Ends after", " or ".join(filter(None, limits)) or "Ctrl-C, or the end of the data"),
        ("Evaluates", "at every quote" if interval == "0" else f"every {interval} ms"),
        ("Strategy", plan["strategy"]),
        ("Guards", " → ".join(plan["guards"])),
        ("Venues", ", ".join(_venue(name, one) for name, one in plan["venues"].items())),
    ):
        facts.add_row(name, value)
    for asset, rate in plan["rates"].items():
        facts.add_row(f"{asset} as {rate['common']}", _rate_text(rate))
    if plan["universe"] is not None:
        facts.add_row("Symbols", in_words(plan["universe"]))
    console.print(facts)
    if plan["symbols"] is None:
        skipped = ", ".join(plan["not_looked_at"])
        console.print(
            f"Not looked at, for it talks to the outside: {skipped}. Nothing else was opened either, so symbols and "
            "their rules were not checked; --online opens it all, and sends no order.",
            soft_wrap=True,
        )
        console.print("The settings are valid.")
        return
    for venue, alike in plan["contracts"].items():
        for one in alike:
            of = "" if len(alike) == 1 else f" ({', '.join(one['symbols'])})"
            console.print(f"{venue}{of}: {one['described']}", soft_wrap=True)
            console.print(f"  of a position's value {one['initial_margin_bps']} bps to open it", soft_wrap=True)
    console.print(_rules(plan["symbols"]))
    rules = [one for by_venue in plan["symbols"].values() for one in by_venue.values()]
    if any(one["maker_fee_bps"] != one["taker_fee_bps"] for one in rules):
        console.print("Two fees: that of what takes, and that of what rests.")
    for line in _tick_lines(plan["symbols"]):
        console.print(line, soft_wrap=True)
    for symbol, keys in plan["overrides"].items():
        for key, one in keys.items():
            console.print(f"{symbol}: {key} = {one['value']} ({one['from']})", soft_wrap=True)
    for one in plan["preflight"]:
        style = {"good": "green", "warning": "yellow", "refused": "red"}[one["verdict"]]
        line = f"{one['verdict']:<8} {one['venue']}: {one['about']}: {one['said']}"
        console.print(line, style=style, soft_wrap=True)
    console.print("The configuration is valid.")


def _rules(symbols: dict[str, Any]) -> Table:
    """Return a table with a row for each symbol, or some where its venues' rules differ. No figure is cut off."""
    table = Table(
        title="1 symbol" if len(symbols) == 1 else f"{len(symbols)} symbols",
        title_justify="left",
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    table.add_column("symbol", overflow="fold")
    table.add_column("venues", overflow="fold")
    for heading in ("tick size", "lot size", "min. value", "min. size", "fee bps", "status"):
        table.add_column(heading, justify="right", overflow="fold")
    for symbol, venues in symbols.items():
        alike: dict[tuple[str, ...], list[str]] = {}
        for venue, rules in venues.items():
            shown = rules | {"tick_size": _short(rules["tick_size"]), "lot_size": _small(rules["lot_size"])}
            maker = shown.pop("maker_fee_bps")
            if maker != rules["taker_fee_bps"]:
                shown["taker_fee_bps"] = f"{rules['taker_fee_bps']}/{maker}"
            alike.setdefault(tuple(rule or "none" for rule in shown.values()), []).append(venue)
        for number, (rules, names) in enumerate(alike.items()):
            table.add_row("" if number else symbol, ", ".join(names), *rules)
    return table


def _short(tick_size: str | None) -> str | None:
    """Return price steps that differ with the price as their first and last one."""
    if tick_size is None or _AND not in tick_size:
        return _small(tick_size)
    steps = [one.split()[0] for one in tick_size.split(_AND)]
    return f"{steps[0]} to {steps[-1]}"


def _small(step: str | None) -> str | None:
    """Return a step of a millionth or less as 1e-8, which can be read at a glance."""
    if step is None or not step.startswith("0.00000"):
        return step
    return f"{Decimal(step).normalize():e}"


def _tick_lines(symbols: Mapping[str, Any]) -> Iterator[str]:
    """Yield each table of price steps, with the venues that have it."""
    found: dict[str, list[str]] = {}
    for venues in symbols.values():
        for venue, rules in venues.items():
            if _AND in (rules["tick_size"] or "") and venue not in found.setdefault(rules["tick_size"], []):
                found[rules["tick_size"]].append(venue)
    for steps, names in found.items():
        yield f"Price steps at {', '.join(names)}: {steps}."
