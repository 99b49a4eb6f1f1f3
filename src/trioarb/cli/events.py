"""`trioarb events`: print a journal's events as JSON Lines."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Annotated

from cyclopts import Parameter

from trioarb.cli.reading import JournalPath, require_known
from trioarb.journal.stored import open_journal
from trioarb.model import event as model
from trioarb.model.event import CampaignOpened, Event, OrderSubmitted, PairEnded, PositionOpened, Record, ResidualLeft
from trioarb.model.wire import event_type
from trioarb.report.stream import event_line

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
    types = {event_type(kind): kind for kind in _kinds()}
    if only_type is not None:
        require_known("--type", only_type, types, "there is no such event type")
    wanted = None if only_type is None else types[only_type]
    with open_journal(journal) as stored:
        records = stored.records() if symbol is None else _of_symbol(stored.records(), symbol)
        write = sys.stdout.buffer.write
        for record in records:
            if wanted is None or type(record.event) is wanted:
                write(event_line(record))
        sys.stdout.buffer.flush()
    return 0


def _kinds() -> Iterator[type[Event]]:
    for name in model.__all__:
        kind = getattr(model, name)
        if issubclass(kind, Event) and kind is not Event:
            yield kind


def _of_symbol(records: Iterable[Record], symbol: str) -> Iterator[Record]:
    """Yield what concerns a symbol: what names it, and what names an order or a trade of it."""
    orders: set[str] = set()
    unknown: set[str] = set()
    trades: set[str] = set()
    for record in records:
        event = record.event
        if isinstance(event, CampaignOpened):
            require_known("--symbol", symbol, event.symbols, "the campaign has no such symbol")
        if getattr(event, "symbol", None) == symbol:
            yield record
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
        else:
            about = getattr(event, "client_order_id", None)
            if about in orders or about in unknown or getattr(event, "trade_id", None) in trades:
                yield record
