"""Ask guards as the engine does: what they allow is opened in the same step."""

from __future__ import annotations

from collections.abc import Callable

from trioarb.execution.executor import entry_of
from trioarb.journal.journal import Journal
from trioarb.model.event import Decided, PairOpened
from trioarb.model.trade import Answer, Opportunity, OrderSize
from trioarb.risk.guards import Guards
from trioarb.state.trades import Trades
from trioarb.strategy.sizing import NotSized

__all__ = ["ask"]


def ask(
    guards: Guards,
    opportunity: Opportunity,
    now_ns: int,
    *,
    journal: Journal,
    trades: Trades,
    resize: Callable[[OrderSize], Opportunity | NotSized] = lambda _: NotSized("never"),
) -> PairOpened | Decided:
    """Return the pair that was opened, or the refusal."""
    number = trades.next_number
    decision, opportunity = guards.decide(opportunity, now_ns, pair_id=f"p{number}", resize=resize)
    if decision.answer is not Answer.ALLOW:
        return decision
    opened = entry_of(opportunity, number)
    journal.record(opened)
    return opened
