"""`trioarb symbols`: which symbols a configuration takes, and why."""

from __future__ import annotations

import os

from rich.table import Table

from trioarb.cli.opened import look_at
from trioarb.cli.options import AsJson, ConfigFile, Overrides, PluginFiles
from trioarb.cli.output import print_json
from trioarb.config.load import load_config
from trioarb.config.plugin_files import plugins_for
from trioarb.model.number import text
from trioarb.report.console import LastingConsole
from trioarb.report.coverage import coverage, in_words
from trioarb.universe.select import Verdict

__all__ = ["symbols"]


def symbols(
    config: ConfigFile, /, *, overrides: Overrides = None, plugin: PluginFiles = None, as_json: AsJson = False
) -> int:
    """Show every symbol that the source lists, its volume, and why it is in or out."""
    plugins = plugins_for(config, plugin)
    loaded = load_config(config, plugins, overrides=overrides or (), environment=os.environ)
    selection, loaded_symbols, warnings = look_at(
        loaded,
        plugins,
        lambda campaign: (campaign.world.selection, len(campaign.symbols), campaign.world.warnings),
    )
    verdicts = selection.verdicts
    if as_json:
        print_json([_row(verdict) for verdict in verdicts])
        return 0
    table = Table("symbol", "", title=f"{sum(v.is_in for v in verdicts)} of {len(verdicts)} symbols")
    table.add_column("24 h volume, quote asset", justify="right")
    table.add_column("why")
    for verdict in verdicts:
        volume = verdict.volume_24h_quote
        shown = "unknown" if volume is None else f"{volume:,f}"
        table.add_row(
            verdict.symbol,
            "in" if verdict.is_in else "out",
            shown,
            verdict.reason,
            style="" if verdict.is_in else "dim",
        )
    console = LastingConsole()
    console.print(table)
    counts = coverage(loaded.config.universe, listed=selection.listed, loaded=loaded_symbols)
    console.print(f"{in_words(counts)}.", soft_wrap=True)
    for warning in warnings:
        console.print(f"warning: {warning}", style="yellow", soft_wrap=True)
    return 0


def _row(verdict: Verdict) -> dict[str, str | bool]:
    row: dict[str, str | bool] = {"symbol": verdict.symbol, "in": verdict.is_in, "reason": verdict.reason}
    if verdict.volume_24h_quote is not None:
        row["volume_24h_quote"] = text(verdict.volume_24h_quote)
    return row
