"""`trioarb explain`: tell what happened in a campaign, from its journal."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from trioarb.cli.reading import JournalPath, require_known, with_progress
from trioarb.errors import ConfigError
from trioarb.journal.recorded import open_journal
from trioarb.report.timeline import Timeline
from trioarb.report.trade_timeline import TradeTimeline
from trioarb.report.visible import in_line, say
from trioarb.settings.problem import Problem

__all__ = ["explain"]


def explain(
    journal: JournalPath,
    /,
    *,
    symbol: Annotated[str | None, Parameter(help="Tell of this symbol: funnel, refusals and trades.")] = None,
    trade: Annotated[str | None, Parameter(help="Tell of this trade, such as `t3`.")] = None,
) -> int:
    """Tell what happened; return 0."""
    if symbol is not None and trade is not None:
        raise ConfigError([Problem(file="--symbol, --trade", message="one at a time; leave one of them out")])
    timeline, of_trade = Timeline(), TradeTimeline(trade) if trade is not None else None
    with open_journal(journal) as stored:
        for record in with_progress(stored.records(), stored.last_seq, f"reading {journal}"):
            timeline.apply(record)
            if of_trade is not None:
                of_trade.apply(record)
    if trade is not None and of_trade is not None:
        require_known("--trade", trade, timeline.trade_ids, "the campaign has no such trade")
        lines = of_trade.lines()
    elif symbol is not None:
        require_known("--symbol", symbol, timeline.symbols, "the campaign has no such symbol")
        lines = timeline.of_symbol(symbol)
    else:
        lines = timeline.overview(str(journal))
    for line in lines:
        say(in_line(line))
    return 0
