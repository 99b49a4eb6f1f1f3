"""Rules about figures: how far PnL fell or went, and how long nothing was traded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal

from trioarb.alerting.incident import Seen
from trioarb.config.alerts import AlertRule
from trioarb.model.alert import Incident
from trioarb.model.event import (
    FundingPaid,
    MarketsMarked,
    PairEnded,
    PhaseEntered,
    PositionClosed,
    PositionOpened,
    Record,
    ResidualResolved,
    ResidualsNetted,
    ResidualsPaired,
    ResidualTaken,
    TradeCorrected,
)
from trioarb.model.number import EXACT, ZERO, text
from trioarb.model.trade import Phase
from trioarb.state.state import State
from trioarb.time.campaign_time import seconds_to_ns

__all__ = ["Figures"]

_NEVER = 2**63 - 1
_CENT = Decimal("0.01")
#: What changes PnL, or what is open.
_MONEY = frozenset(
    {
        FundingPaid,
        MarketsMarked,
        PairEnded,
        PositionClosed,
        ResidualResolved,
        ResidualTaken,
        ResidualsNetted,
        ResidualsPaired,
        TradeCorrected,
    }
)

#: A rule's number, and what is to be noted for it.
_Noted = tuple[int, Seen]


class Figures:
    """Folds figures from the records, beside ``state``, which folds them first; ``note`` hears what passes a limit.

    PnL is realised, funding included; what drawdowns are measured of counts what is open, too: as it was marked last,
    which is each second at most, also where that isn't recorded.
    """

    def __init__(self, rules: Sequence[AlertRule], state: State, note: Callable[[int, Seen, int], None]) -> None:
        numbered = list(enumerate(rules))
        self._bands = [one for one in numbered if one[1].on == Incident.PNL.value]
        self._falls = [one for one in numbered if one[1].on == Incident.DRAWDOWN.value]
        self._waits = [one for one in numbered if one[1].on == Incident.NO_TRADE.value]
        self._state = state
        self._note = note
        self._beyond: set[int] = set()
        self._highest = ZERO
        #: Since when nothing was opened, while that could have been.
        self._idle_ns: int | None = None
        #: When a rule has waited long enough.
        self.due_ns = _NEVER

    def observe(self, record: Record) -> None:
        """Look at an event, and first at what its time has made due."""
        if record.ts_ns >= self.due_ns:
            self.look(record.ts_ns)
        event = record.event
        if type(event) in _MONEY:
            self.look_at_money(record.ts_ns)
        elif isinstance(event, PositionOpened):
            self._traded(record.ts_ns, event.symbol)
        elif isinstance(event, PhaseEntered):
            self._idle_ns = record.ts_ns if event.phase is Phase.RUNNING else None
            self._plan()

    def look_at_money(self, now_ns: int) -> None:
        """Note what passes a limit of money."""
        for number, seen in (*self._band(), *self._fall()):
            self._note(number, seen, now_ns)

    def look(self, now_ns: int) -> None:
        """Note rules that have waited long enough for a trade."""
        if now_ns < self.due_ns or self._idle_ns is None:
            return
        for number, rule in self._waits:
            due_ns = self._idle_ns + _wait_ns(rule)
            if due_ns <= now_ns and number not in self._beyond:
                self._beyond.add(number)
                minutes = text(rule.table.minutes or ZERO)
                said = f"no position was opened in {minutes} minutes"
                self._note(number, Seen(on=rule.on, key="", text=said, lasts=True), due_ns)
        self._plan()

    def _plan(self) -> None:
        idle_ns = self._idle_ns
        waiting = (rule for number, rule in self._waits if number not in self._beyond)
        self.due_ns = _NEVER if idle_ns is None else min((idle_ns + _wait_ns(one) for one in waiting), default=_NEVER)

    def _traded(self, at_ns: int, symbol: str) -> None:
        self._idle_ns = None if self._idle_ns is None else at_ns
        for number, rule in self._waits:
            if number in self._beyond:
                self._beyond.discard(number)
                said = f"a position of {symbol} was opened again"
                self._note(number, Seen(on=rule.on, key="", text=said, is_over=True), at_ns)
        self._plan()

    def _band(self) -> Iterator[_Noted]:
        if not self._bands:
            return
        pnl = self._state.statistics.pnl_usd
        for number, rule in self._bands:
            above, below = rule.table.above_usd, rule.table.below_usd
            is_above = above is not None and pnl > above
            is_below = below is not None and pnl < below
            limit = above if is_above else below
            which = "above" if is_above else "below"
            said = f"PnL is {_usd(pnl)} USD, {which} {text(limit or ZERO)}"
            yield from self._passed(
                number, rule, is_above or is_below, said, f"PnL is {_usd(pnl)} USD, in its band again"
            )

    def _fall(self) -> Iterator[_Noted]:
        if not self._falls:
            return
        marks = self._state.marks
        with marks.left_alone():
            worth = EXACT.add(self._state.statistics.pnl_usd, marks.unrealised_usd())
        self._highest = max(self._highest, worth)
        fallen = EXACT.subtract(self._highest, worth)
        for number, rule in self._falls:
            limit = rule.table.above_usd or ZERO
            said = f"PnL fell by {_usd(fallen)} USD from its highest, {_usd(self._highest)}; the limit is {text(limit)}"
            over = f"PnL is within {text(limit)} USD of its highest again"
            yield from self._passed(number, rule, fallen > limit, said, over)

    def _passed(self, number: int, rule: AlertRule, is_beyond: bool, said: str, over: str) -> Iterator[_Noted]:
        """Yield what is to be noted where a limit is passed, one way or the other."""
        if is_beyond == (number in self._beyond):
            return
        if is_beyond:
            self._beyond.add(number)
            yield number, Seen(on=rule.on, key="", text=said, lasts=True)
        else:
            self._beyond.discard(number)
            yield number, Seen(on=rule.on, key="", text=over, is_over=True)


def _wait_ns(rule: AlertRule) -> int:
    return seconds_to_ns(60 * (rule.table.minutes or ZERO))


def _usd(amount: Decimal) -> str:
    return f"{amount.quantize(_CENT):f}" if amount else "0"
