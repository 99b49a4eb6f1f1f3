"""All that is folded from a campaign's journal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal

from trioarb.journal.fold import Folds, Projection
from trioarb.model.event import Record
from trioarb.model.number import EXACT, ZERO
from trioarb.state.attribution import Attributed, Attributions
from trioarb.state.control import Control
from trioarb.state.equity import Equity
from trioarb.state.exposure import Exposure
from trioarb.state.fx import Fx
from trioarb.state.ledger import Ledger
from trioarb.state.margins import Margins
from trioarb.state.markouts import Markouts
from trioarb.state.marks import Marks
from trioarb.state.missed import Missed
from trioarb.state.performance import Performance
from trioarb.state.shadow import Shadow
from trioarb.state.soundness import Soundness
from trioarb.state.statistics import Statistics
from trioarb.state.trades import Trades
from trioarb.state.transfers import Transfers

__all__ = ["State"]


class State:
    """Ledger, trades, exposure and statistics of one campaign. The engine's journal folds it, and so does `apply`.

    ``on_over`` is told of each trade that is over, as the event that ended it is folded.
    """

    margins: Margins

    def __init__(self, on_over: Callable[[Attributed], None] = lambda trade: None) -> None:
        self.ledger: Ledger = Ledger()
        self.trades: Trades = Trades()
        self.exposure: Exposure = Exposure()
        self.statistics: Statistics = Statistics()
        self.marks: Marks = Marks(self.exposure, self.trades, self.ledger)
        self.margins = self.marks.margins = Margins(self.ledger, self.marks.prices)
        self.transfers: Transfers = Transfers()
        self.equity: Equity = Equity(self.ledger, self.trades, self.exposure, self.marks, self.transfers)
        self.attributions: Attributions = Attributions(on_over)
        self.missed: Missed = Missed()
        self.markouts: Markouts = Markouts()
        self.shadow: Shadow = Shadow()
        self.fx: Fx = Fx()
        self.control: Control = Control()
        self.performance: Performance = Performance()
        self.soundness: Soundness = Soundness()
        self._folds = Folds(self.projections)

    @property
    def projections(self) -> Sequence[Projection]:
        return (
            self.ledger,
            self.trades,
            self.exposure,
            self.statistics,
            self.marks,
            self.margins,
            self.equity,
            self.attributions,
            self.missed,
            self.markouts,
            self.shadow,
            self.fx,
            self.transfers,
            self.control,
            self.performance,
            self.soundness,
        )

    def apply(self, record: Record) -> None:
        """Fold a record that follows the one before.

        Raises:
            LookupError, ArithmeticError: it contradicts what is before it.
        """
        self._folds.apply(record)

    @property
    def unrealised_usd(self) -> Decimal | None:
        """What the open positions would bring, as they were last marked; ``None`` if one of them has no mark."""
        total = ZERO
        for position in self.trades.positions():
            mark = self.statistics.marks.get(position.trade_id)
            if mark is None or mark.unrealised_usd is None:
                return None
            total = EXACT.add(total, mark.unrealised_usd)
        return total

    def exit_code(self, *, error: str, problems: Iterable[str]) -> int:
        """0: ended as planned; 1: an error of ours; 3: emergency stop, residual, or a position that couldn't close."""
        if error:
            return 1
        return 3 if self.statistics.is_stopped or self.trades.residuals or any(problems) else 0
