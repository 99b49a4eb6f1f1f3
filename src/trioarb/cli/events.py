"""`trioarb events`: print a journal's events as JSON Lines."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Annotated

from cyclopts import Parameter

from trioarb.cli.reading import JournalPath, require_known
from trioarb.journal.recorded import open_journal
from trioarb.model.event import CampaignOpened, OrderSubmitted, PairEnded, PositionOpened, Record, ResidualLeft
from trioarb.model.wire import event_types

__all__ = ["events"]


def events(
    journal: JournalPath,
    /,
    *,
    only_type: Annotated[
        str | None, Parameter(name="--type", help="Only events of this type, such as `pair_ended`.")
    ] = None,
    symbol: Annotated[str | None, Parameter(help="Only events that concern this symbol.")] = None,
) -> int:
    """Print events as `--events` of `trioarb run` writes them; return 0."""
    types = event_types()
    if only_type is not None:
        only_type = only_type.lower()
        require_known("--type", only_type, types, "there is no such event type")
    wanted = None if only_type is None else types[only_type]
    with open_journal(journal) as stored:
        concerns = None if symbol is None else _of_symbol(symbol)
        write = sys.stdout.buffer.write
        for record, line in stored.lines():
            if (concerns is None or concerns(record)) and (wanted is None or type(record.event) is wanted):
                write(line + b"\n")
        sys.stdout.buffer.flush()
    return 0


def _of_symbol(symbol: str) -> Callable[[Record], bool]:
    """Return what says, of each record in turn, whether it names a symbol, or an order or a trade of it."""
    orders: set[str] = set()
    unknown: set[str] = set()
    trades: set[str] = set()

    def concerns(record: Record) -> bool:
        event = record.event
        if isinstance(event, CampaignOpened):
            require_known("--symbol", symbol, event.symbols, "the campaign has no such symbol")
        if getattr(event, "symbol", None) == symbol:
            match event:
                case OrderSubmitted(client_order_id=order_id):
                    orders.add(order_id)
                case ResidualLeft(client_order_id=str(order_id)):
                    unknown.add(order_id)
                case PairEnded():
                    orders.clear()  # nothing is heard of them any more, unless a residual stands for them
                case PositionOpened(trade_id=trade_id):
                    trades.add(trade_id)
                case _:
                    pass
            return True
        about = getattr(event, "client_order_id", None)
        return about in orders or about in unknown or getattr(event, "trade_id", None) in trades

    return concerns
