"""The guards' answers at the borders of their limits, on state that is folded from a journal as in a campaign."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
import structlog
from asking import ask
from checked import checked

from trioarb.api import SECOND_NS, Answer, GuardContext, GuardTier, Opportunity, Record, Refusal, Route, event
from trioarb.builtin.guard_global import GlobalSettings, GlobalTier
from trioarb.builtin.guard_portfolio import PortfolioSettings, PortfolioTier
from trioarb.builtin.guard_symbol import SymbolSettings, SymbolTier
from trioarb.journal.journal import Journal
from trioarb.model.event import Decided, PairEnded, PairOpened, PositionClosed, PositionOpened, ResidualLeft
from trioarb.model.trade import ExitReason, OrderSize, PairKind, PairOutcome, Sighting
from trioarb.risk.guards import Guards
from trioarb.risk.holds import Holds
from trioarb.state.exposure import Exposure
from trioarb.state.ledger import Ledger
from trioarb.state.marks import Marks
from trioarb.state.statistics import Statistics
from trioarb.state.trades import Trades
from trioarb.testing import utc_ns

BTC, ETH, XRP = "BTCUSDT", "ETHUSDT", "XRPUSDT"
CENT = Decimal("0.01")
LEAST = Decimal("1e-18")
#: A hair more than 300: average prices, and with them exposures, have as many digits.
OVER_300 = Decimal(f"300.{'0' * 39}1")


class Desk:
    """The guards of a campaign and a journal, to which trades can be reported by hand.

    Limits are generous unless a test sets them: ``global_``, ``portfolio``, ``symbol`` are the tiers' settings.
    """

    def __init__(
        self,
        *,
        symbols: Sequence[str] = (BTC, ETH, XRP),
        max_concurrent_pairs: int = 10,
        global_: GlobalSettings | None = None,
        portfolio: PortfolioSettings | None = None,
        symbol: SymbolSettings | None = None,
        more: dict[str, GuardTier] | None = None,
    ) -> None:
        self.now_ns = utc_ns("2025-03-01T12:00:00")
        self.records: list[Record] = []
        self.journal = Journal(lambda: self.now_ns)
        self.trades, self.exposure, self.statistics = Trades(), Exposure(), Statistics()

        def context(name: str) -> GuardContext:
            return GuardContext(name=name, symbols=symbols, risk=self.exposure)

        self.tiers: dict[str, GuardTier] = {
            "global": GlobalTier(global_ or GlobalSettings(max_total_exposure_usd=Decimal(10**6)), context("global")),
            "portfolio": PortfolioTier(
                portfolio or PortfolioSettings(total_capital_usd=Decimal(10**6)), context("portfolio")
            ),
            "symbol": SymbolTier(symbol or calm(), context("symbol")),
            **(more or {}),
        }
        self.guards = Guards(
            journal=self.journal,
            trades=self.trades,
            marks=Marks(self.exposure, self.trades),
            tiers={name: checked(name, tier) for name, tier in self.tiers.items()},
            holds=Holds(),
            max_concurrent_pairs=max_concurrent_pairs,
        )
        self.journal.attach(
            projections=[Ledger(), self.trades, self.exposure, self.statistics, self.guards],
            observers=[self.records.append],
            reactors=[self.guards],
        )

    def pass_seconds(self, seconds: str | float) -> None:
        self.now_ns += round(Decimal(seconds) * SECOND_NS)

    def ask(
        self, usd: Decimal | int = 500, symbol: str = BTC, *, buy: str = "a", sell: str = "b"
    ) -> PairOpened | Decided:
        opportunity = Opportunity(
            route=Route(symbol=symbol, buy_venue=buy, sell_venue=sell),
            quantity=Decimal(usd),
            buy_limit=Decimal("0.9"),
            sell_limit=Decimal(1),
            edge_bps=Decimal(12),
            notional_usd=Decimal(usd),
        )
        return ask(self.guards, opportunity, self.now_ns, journal=self.journal, trades=self.trades)

    def answer(self, *args: Any, **options: Any) -> str:
        """Ask, and return ``ALLOW``, or the refusal as ``DENY tier.rule``; what is allowed stays in flight."""
        given = self.ask(*args, **options)
        if isinstance(given, PairOpened):
            return "ALLOW"
        return f"{given.answer.value} {given.tier}.{given.rule}"

    def enter(self, usd: Decimal | int = 500, symbol: str = BTC) -> PairOpened:
        opened = self.ask(usd, symbol)
        assert isinstance(opened, PairOpened), opened
        return opened

    def end(self, opened: PairOpened, outcome: PairOutcome, pnl_usd: Decimal | int = 0) -> None:
        self.journal.record(
            PairEnded(
                pair_id=opened.pair_id,
                trade_id=opened.trade_id,
                symbol=opened.symbol,
                kind=opened.kind,
                outcome=outcome,
                bought=Decimal(0),
                sold=Decimal(0),
                pnl_usd=Decimal(pnl_usd),
                fees_usd=Decimal(0),
                dust=Decimal(0),
                dust_value_usd=Decimal(0),
            )
        )

    def hold(self, opened: PairOpened, exposure_usd: Decimal | None = None) -> PairOpened:
        """Both legs filled: the entry opened a position."""
        self._position(opened, exposure_usd)
        self.end(opened, PairOutcome.HEDGED)
        return opened

    def unwind(self, opened: PairOpened, pnl_usd: Decimal | int) -> None:
        self.end(opened, PairOutcome.FLAT, pnl_usd)

    def leave_residual(
        self,
        opened: PairOpened,
        cost_usd: Decimal,
        pnl_usd: Decimal | int,
        *,
        hedged: bool,
        last_price: Decimal | None = None,
    ) -> None:
        if hedged:
            self._position(opened, None, realised=Decimal(pnl_usd))
        self.journal.record(
            ResidualLeft(
                residual_id=f"{opened.pair_id}.1",
                pair_id=opened.pair_id,
                trade_id=opened.trade_id,
                symbol=opened.symbol,
                venue="a",
                asset="BTC",
                quantity=cost_usd,
                average_price=Decimal(1),
                cost_usd=cost_usd,
                unknown=False,
                last_price=last_price,
            )
        )
        self.end(opened, PairOutcome.RESIDUAL, pnl_usd)

    def resolve(self, opened: PairOpened, pnl_usd: Decimal | int) -> None:
        self.journal.record(
            event.ResidualResolved(
                residual_id=f"{opened.pair_id}.1",
                symbol=opened.symbol,
                reason="traded away",
                pnl_usd=Decimal(pnl_usd),
                fees_usd=Decimal(0),
            )
        )

    def close(self, entered: PairOpened, pnl_usd: Decimal | int, *, realised_before: Decimal | int = 0) -> None:
        """Close a position; ``pnl_usd`` is what the whole trade earned."""
        opened = PairOpened(
            pair_id=f"p{self.trades.next_number}",
            trade_id=entered.trade_id,
            kind=PairKind.EXIT,
            symbol=entered.symbol,
            buy_venue=entered.sell_venue,
            sell_venue=entered.buy_venue,
            quantity=entered.quantity,
            buy_limit=Decimal(1),
            sell_limit=Decimal(1),
            reserved_usd=Decimal(0),
            reason=ExitReason.EDGE,
        )
        self.journal.record(opened)
        self.journal.record(
            PositionClosed(
                trade_id=entered.trade_id,
                symbol=entered.symbol,
                buy_venue=entered.buy_venue,
                sell_venue=entered.sell_venue,
                quantity=entered.quantity,
                entry_buy_price=Decimal(1),
                entry_sell_price=Decimal(1),
                exit_buy_price=Decimal(1),
                exit_sell_price=Decimal(1),
                fees_usd=Decimal(0),
                pnl_usd=Decimal(pnl_usd),
                opened_at_ns=self.now_ns,
                reason=ExitReason.EDGE,
            )
        )
        self.end(opened, PairOutcome.FLAT, Decimal(pnl_usd) - Decimal(realised_before))

    def trade(self, pnl_usd: Decimal | int, symbol: str = BTC) -> None:
        """Enter and close again."""
        self.close(self.hold(self.enter(1, symbol)), pnl_usd)

    def recorded(self, *kinds: type[event.Event]) -> list[Any]:
        return [record.event for record in self.records if isinstance(record.event, kinds)]

    def _position(self, opened: PairOpened, exposure_usd: Decimal | None, realised: Decimal = Decimal(0)) -> None:
        self.journal.record(
            PositionOpened(
                trade_id=opened.trade_id,
                symbol=opened.symbol,
                buy_venue=opened.buy_venue,
                sell_venue=opened.sell_venue,
                quantity=opened.quantity,
                buy_price=Decimal(1),
                sell_price=Decimal(1),
                cash=Decimal(0),
                fees=Decimal(0),
                realised=realised,
                exposure_usd=opened.reserved_usd if exposure_usd is None else exposure_usd,
            )
        )


def calm(**limits: Any) -> SymbolSettings:
    """Return settings of the symbol tier that refuse nothing but what is given."""
    generous: dict[str, Any] = {
        "max_position_size_usd": Decimal(10**6),
        "max_position_count": 100,
        "cooldown_seconds": Decimal(0),
        "max_symbol_daily_loss_usd": Decimal(10**6),
        "circuit_breaker_loss_count": 0,
    }
    return SymbolSettings(**(generous | limits))


def loss_limits(deny: int, stop: int) -> GlobalSettings:
    return GlobalSettings(
        max_total_exposure_usd=Decimal(10**6),
        max_daily_loss_usd=Decimal(deny),
        emergency_stop_loss_usd=Decimal(stop),
    )


@pytest.mark.parametrize(
    ("rule", "limits", "value", "limit"),
    [
        (
            "global.total_exposure",
            {"global_": GlobalSettings(max_total_exposure_usd=Decimal("1000.00"))},
            "1100.75",
            "1000",
        ),
        (
            "global.daily_loss",
            {"global_": GlobalSettings(max_daily_loss_usd=Decimal("20.50"))},
            "20.5",
            "20.5",
        ),
        (
            "portfolio.allocation",
            {"portfolio": PortfolioSettings(total_capital_usd=Decimal("3000.00"), weights={BTC: Decimal(1)})},
            "1100.75",
            "900",
        ),
        ("symbol.position_size", {"symbol": calm(max_position_size_usd=Decimal("500.20"))}, "500.25", "500.2"),
        ("symbol.daily_loss", {"symbol": calm(max_symbol_daily_loss_usd=Decimal("20.50"))}, "20.5", "20.5"),
        ("symbol.cooldown", {"symbol": calm(cooldown_seconds=Decimal("30.0"))}, "0.000 s", "30 s"),
        ("symbol.rest", {"symbol": calm(rest_seconds=Decimal("30.0"))}, "0.000 s", "30 s"),
    ],
)
def test_a_text_has_no_trailing_zeros_which_a_journal_would_not_keep(
    rule: str, limits: dict[str, Any], value: str, limit: str
) -> None:
    desk = Desk(symbols=(BTC, ETH, "FREE"), **limits)
    held = desk.hold(desk.enter(Decimal("600.50") if "exposure" in rule or "allocation" in rule else Decimal("10.00")))
    if "loss" in rule or "rest" in rule:
        desk.close(held, Decimal("-20.500"))
    refused = desk.ask(Decimal("500.250"))
    assert isinstance(refused, Decided)
    assert (f"{refused.tier}.{refused.rule}", refused.value, refused.limit) == (rule, value, limit)


# Global tier


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (100 - CENT, "ALLOW"),
        (100 - LEAST, "ALLOW"),
        (100, "DENY global.daily_loss"),
        (100 + CENT, "DENY global.daily_loss"),
        (200 - LEAST, "DENY global.daily_loss"),
        (200, "STOP global.emergency_stop"),
        (200 + CENT, "STOP global.emergency_stop"),
    ],
)
def test_daily_loss(loss: Decimal, expected: str) -> None:
    desk = Desk(global_=loss_limits(100, 200))
    desk.trade(-CENT, ETH)
    desk.trade(CENT - loss, XRP)
    assert desk.answer() == expected


def test_a_loss_says_how_many_residuals_it_counts_at_last_prices() -> None:
    desk = Desk(global_=loss_limits(100, 200), symbol=calm(max_symbol_daily_loss_usd=Decimal(50)))
    leave = partial(desk.leave_residual, cost_usd=Decimal(300), hedged=False, last_price=Decimal("0.8"))
    first, second, third = desk.enter(300, XRP), desk.enter(300, BTC), desk.enter(300, ETH)
    leave(first, pnl_usd=-60)
    refused = desk.ask(symbol=XRP)
    assert isinstance(refused, Decided)
    assert refused.value == "60 (residuals at last prices: 1)"
    leave(second, pnl_usd=-70)
    refused = desk.ask(symbol=ETH)
    assert isinstance(refused, Decided)
    assert refused.value == "130 (residuals at last prices: 2)"
    desk.resolve(first, 10)
    leave(third, pnl_usd=-90)
    (tripped,) = desk.recorded(event.GuardTripped)
    assert tripped.value == "210 (residuals at last prices: 2)"
    assert desk.exposure.loss_text(desk.now_ns + 86_400 * SECOND_NS) == "0"
    desk.resolve(second, 0)
    desk.resolve(third, 0)
    assert desk.exposure.loss_text(desk.now_ns) == "210"


def test_daily_loss_is_the_days_net() -> None:
    desk = Desk(global_=loss_limits(100, 200))
    desk.trade(-90, BTC)
    desk.trade(50, ETH)
    desk.trade(-59, XRP)
    assert desk.answer() == "ALLOW"
    desk.trade(-1, XRP)
    assert desk.answer() == "DENY global.daily_loss"


def test_a_days_gain_is_no_negative_loss() -> None:
    desk = Desk()
    desk.trade(10**9)
    assert desk.exposure.daily_loss_usd(desk.now_ns) == 0


def test_unwinding_counts_as_loss() -> None:
    desk = Desk(global_=loss_limits(100, 200))
    desk.unwind(desk.enter(), -100)
    assert desk.answer() == "DENY global.daily_loss"


def test_the_day_turns_at_midnight_utc() -> None:
    desk = Desk(global_=loss_limits(100, 200), symbol=calm(max_symbol_daily_loss_usd=Decimal(50)))
    desk.now_ns = utc_ns("2025-03-01T23:59:59.999999")
    desk.trade(-60, BTC)
    desk.trade(-60, ETH)
    desk.now_ns += 999
    assert desk.answer() == "DENY global.daily_loss"
    desk.now_ns += 1
    assert desk.now_ns == utc_ns("2025-03-02T00:00:00")
    assert desk.answer() == "ALLOW"
    desk.trade(-40, BTC)
    assert desk.exposure.daily_loss_usd(desk.now_ns) == 40
    assert desk.exposure.daily_loss_usd(desk.now_ns, ETH) == 0
    assert desk.answer() == "ALLOW"


def test_emergency_stop_is_recorded_at_once_and_latched_over_midnight() -> None:
    desk = Desk(global_=loss_limits(100, 200))
    desk.trade(-200)
    (tripped,) = desk.recorded(event.GuardTripped)
    assert (tripped.tier, tripped.rule, tripped.answer) == ("global", "emergency_stop", Answer.STOP)
    assert (tripped.value, tripped.limit) == ("200", "200")
    assert desk.statistics.decisions[Answer.STOP] == 1
    desk.now_ns = utc_ns("2025-03-05T00:00:00")
    assert desk.exposure.daily_loss_usd(desk.now_ns) == 0
    assert desk.answer() == "STOP global.emergency_stop"
    assert desk.answer(symbol=ETH) == "STOP global.emergency_stop"
    assert len(desk.recorded(event.GuardTripped)) == 1


def test_a_stop_is_latched_although_the_loss_is_won_back() -> None:
    desk = Desk(global_=loss_limits(100, 200))
    first, second = desk.hold(desk.enter()), desk.hold(desk.enter(symbol=ETH))
    desk.close(first, -200)
    desk.close(second, 500)
    assert desk.answer() == "STOP global.emergency_stop"
    assert len(desk.recorded(event.GuardTripped)) == 1


def test_emergency_stop_below_the_daily_loss_limit() -> None:
    desk = Desk(global_=loss_limits(500, 200))
    desk.trade(-199)
    assert desk.answer() == "ALLOW"
    desk.trade(-1)
    assert desk.answer() == "STOP global.emergency_stop"


@pytest.mark.parametrize(
    ("usd", "expected"),
    [(400 - CENT, "ALLOW"), (400, "ALLOW"), (400 + CENT, "DENY global.total_exposure")],
)
def test_total_exposure_counts_reservations_positions_and_residuals(usd: Decimal, expected: str) -> None:
    desk = Desk(global_=GlobalSettings(max_total_exposure_usd=Decimal(1_000)))
    desk.enter(100, BTC)
    desk.hold(desk.enter(200, ETH), exposure_usd=Decimal(210))
    desk.leave_residual(desk.enter(300, XRP), Decimal(290), 0, hedged=False)
    assert desk.exposure.exposure_usd() == 600
    assert desk.answer(usd) == expected


def test_exposure_is_compared_to_the_last_digit() -> None:
    desk = Desk(global_=GlobalSettings(max_total_exposure_usd=Decimal(1_000)))
    desk.hold(desk.enter(300, ETH), exposure_usd=OVER_300)
    assert desk.answer(700) == "DENY global.total_exposure"


def test_allocation_is_compared_to_the_last_digit() -> None:
    desk = Desk(portfolio=PortfolioSettings())  # 0.3 of 10 000
    desk.hold(desk.enter(300), exposure_usd=OVER_300)
    assert desk.answer(2_700) == "DENY portfolio.allocation"


def test_exposure_is_given_back() -> None:
    desk = Desk(global_=GlobalSettings(max_total_exposure_usd=Decimal(1_000)))
    first = desk.enter(1_000)
    assert desk.answer(1, ETH) == "DENY global.total_exposure"
    desk.unwind(first, -1)
    second = desk.hold(desk.enter(1_000, ETH))
    assert desk.answer(1) == "DENY global.total_exposure"
    desk.close(second, 1)
    assert desk.exposure.exposure_usd() == 0
    assert desk.answer(1_000) == "ALLOW"


def test_what_is_allowed_is_reserved_before_anything_else_is_asked() -> None:
    desk = Desk(global_=GlobalSettings(max_total_exposure_usd=Decimal(1_000)))
    answers = [desk.answer(400, symbol) for symbol in (BTC, ETH, XRP)]
    assert answers == ["ALLOW", "ALLOW", "DENY global.total_exposure"]


# Portfolio tier


@pytest.mark.parametrize(
    ("symbol", "usd", "expected"),
    [
        (BTC, 5_000, "ALLOW"),  # 10 000 · 2 ÷ 4
        (BTC, 5_000 + CENT, "DENY portfolio.allocation"),
        (ETH, 2_500, "ALLOW"),  # 10 000 · 1 ÷ 4
        (ETH, 2_500 + CENT, "DENY portfolio.allocation"),
    ],
)
def test_allocation_by_weight(symbol: str, usd: Decimal, expected: str) -> None:
    settings = PortfolioSettings(
        total_capital_usd=Decimal(10_000), max_symbol_allocation_pct=Decimal("0.6"), weights={BTC: Decimal(2)}
    )
    assert Desk(portfolio=settings).answer(usd, symbol) == expected


@pytest.mark.parametrize(("usd", "expected"), [(3_000, "ALLOW"), (3_000 + CENT, "DENY portfolio.allocation")])
def test_allocation_is_capped(usd: Decimal, expected: str) -> None:
    assert Desk(portfolio=PortfolioSettings()).answer(usd) == expected


def test_allocation_counts_the_symbols_own_exposure_only() -> None:
    desk = Desk(portfolio=PortfolioSettings())
    desk.hold(desk.enter(2_000, BTC))
    desk.enter(3_000, ETH)
    assert desk.answer(1_000 + CENT, BTC) == "DENY portfolio.allocation"
    assert desk.answer(1_000, BTC) == "ALLOW"
    assert desk.answer(CENT, BTC) == "DENY portfolio.allocation"


def test_an_unknown_symbol_has_no_allocation() -> None:
    assert Desk().answer(CENT, "DOGEUSDT") == "DENY portfolio.allocation"


# Symbol tier


@pytest.mark.parametrize(("usd", "expected"), [(100, "ALLOW"), (100 + LEAST, "DENY symbol.position_size")])
def test_position_size(usd: Decimal, expected: str) -> None:
    assert Desk(symbol=calm(max_position_size_usd=Decimal(100))).answer(usd) == expected


def test_position_count() -> None:
    desk = Desk(symbol=calm(max_position_count=2))
    first = desk.hold(desk.enter())
    desk.hold(desk.enter(symbol=ETH))
    desk.hold(desk.enter())
    assert desk.answer() == "DENY symbol.position_count"
    assert desk.answer(symbol=ETH) == "ALLOW"
    desk.close(first, 1)
    assert desk.answer() == "ALLOW"


@pytest.mark.parametrize(("loss", "expected"), [(50 - LEAST, "ALLOW"), (50, "DENY symbol.daily_loss")])
def test_a_symbols_daily_loss(loss: Decimal, expected: str) -> None:
    desk = Desk(symbol=calm(max_symbol_daily_loss_usd=Decimal(50)))
    desk.trade(-Decimal(loss))
    desk.trade(1_000, ETH)
    assert desk.answer() == expected
    assert desk.answer(symbol=ETH) == "ALLOW"


@pytest.mark.parametrize("unwound", [False, True])
def test_cooldown_runs_from_the_allow(unwound: bool) -> None:
    desk = Desk(symbol=calm(cooldown_seconds=Decimal("1.5")))
    opened = desk.enter()
    desk.pass_seconds(1)
    if unwound:
        desk.unwind(opened, 0)
    else:
        desk.close(desk.hold(opened), 1)
    assert desk.answer() == "DENY symbol.cooldown"
    assert desk.answer(symbol=ETH) == "ALLOW"
    desk.now_ns += SECOND_NS // 2 - 1
    assert desk.answer() == "DENY symbol.cooldown"
    desk.now_ns += 1
    assert desk.answer() == "ALLOW"
    assert desk.answer() == "DENY symbol.cooldown"


def test_a_symbol_rests_once_a_position_was_closed() -> None:
    desk = Desk(symbol=calm(rest_seconds=Decimal(1)))
    opened = desk.enter()
    desk.pass_seconds(5)
    desk.close(desk.hold(opened), 1)
    assert desk.answer() == "DENY symbol.rest"
    assert desk.answer(symbol=ETH) == "ALLOW"
    desk.now_ns += SECOND_NS - 1
    assert desk.answer() == "DENY symbol.rest"
    desk.now_ns += 1
    assert desk.answer() == "ALLOW"


def test_a_denied_entry_starts_no_cooldown() -> None:
    desk = Desk(symbol=calm(cooldown_seconds=Decimal(10), max_position_size_usd=Decimal(100)))
    assert desk.answer(101) == "DENY symbol.position_size"
    assert desk.answer(100) == "ALLOW"


def breaker(count: int = 3, seconds: str = "300", **limits: Any) -> Desk:
    return Desk(
        symbol=calm(circuit_breaker_loss_count=count, circuit_breaker_duration=Decimal(seconds), **limits),
    )


def test_the_breaker_opens_at_the_last_of_the_losses_in_a_row() -> None:
    desk = breaker()
    for _ in range(2):
        desk.trade(-LEAST)
    assert desk.answer() == "ALLOW"
    desk.unwind(desk.enter(1), -CENT)
    assert desk.answer() == "DENY symbol.circuit_breaker"
    assert desk.answer(symbol=ETH) == "ALLOW"
    (tripped,) = desk.recorded(event.GuardTripped)
    assert (tripped.symbol, tripped.answer) == (BTC, Answer.DENY)
    assert tripped.until_ns == desk.now_ns + 300 * SECOND_NS
    assert desk.statistics.of(BTC).tripped["symbol.circuit_breaker"]


@pytest.mark.parametrize("gain", [Decimal(0), LEAST])
def test_no_loss_resets_the_breakers_count(gain: Decimal) -> None:
    desk = breaker()
    for pnl in (-1, -1, gain, -1, -1):
        desk.trade(pnl)
    assert desk.answer() == "ALLOW"
    desk.trade(-1)
    assert desk.answer() == "DENY symbol.circuit_breaker"


def test_an_entry_that_cost_nothing_is_no_result() -> None:
    desk = breaker()
    for pnl in (-1, -1, 0, -1):
        desk.unwind(desk.enter(), pnl)
    assert desk.answer() == "DENY symbol.circuit_breaker"


def test_the_breaker_expires_and_its_count_with_it() -> None:
    desk = breaker(seconds="2.5")
    late = desk.hold(desk.enter())
    for _ in range(3):
        desk.trade(-1)
    desk.now_ns += 2_500_000_000 - 1
    assert desk.answer() == "DENY symbol.circuit_breaker"
    desk.now_ns += 1
    assert desk.answer() == "ALLOW"
    desk.close(late, -1)
    desk.trade(-1)
    assert desk.answer() == "ALLOW"
    desk.trade(-1)
    assert desk.answer() == "DENY symbol.circuit_breaker"


def test_a_loss_while_the_breaker_is_open_does_not_prolong_it() -> None:
    desk = breaker(seconds="10")
    late = desk.hold(desk.enter())
    for _ in range(3):
        desk.trade(-1)
    desk.pass_seconds(9)
    desk.close(late, -1)
    assert len(desk.recorded(event.GuardTripped)) == 1
    desk.pass_seconds(1)
    assert desk.answer() == "ALLOW"


def test_an_entry_that_left_a_residual_beside_a_position_is_one_result() -> None:
    desk = breaker(count=2)
    opened = desk.enter()
    desk.leave_residual(opened, Decimal(10), -1, hedged=True)
    desk.close(opened, -2, realised_before=-1)
    assert desk.answer() == "ALLOW"


def test_an_entry_that_left_nothing_but_a_residual_is_a_result() -> None:
    desk = breaker(count=2)
    for symbol in (BTC, BTC):
        desk.leave_residual(desk.enter(symbol=symbol), Decimal(10), -1, hedged=False)
    assert desk.answer() == "DENY symbol.circuit_breaker"


def test_no_breaker() -> None:
    desk = breaker(count=0)
    for _ in range(20):
        desk.trade(-1)
    assert desk.answer() == "ALLOW"


# Order of the checks


def test_the_first_refusal_wins() -> None:
    """Everything is wrong at once; what is first is cured, one after the other."""
    desk = Desk(
        max_concurrent_pairs=3,
        global_=GlobalSettings(
            max_total_exposure_usd=Decimal(5_000),
            max_daily_loss_usd=Decimal(100),
            emergency_stop_loss_usd=Decimal(10**6),
        ),
        portfolio=PortfolioSettings(total_capital_usd=Decimal(9_000), max_symbol_allocation_pct=Decimal("0.3")),
        symbol=SymbolSettings(
            max_position_size_usd=Decimal(1_000),
            max_position_count=1,
            cooldown_seconds=Decimal(30),
            max_symbol_daily_loss_usd=Decimal(50),
            circuit_breaker_loss_count=1,
            circuit_breaker_duration=Decimal(20),
        ),
    )
    held = desk.hold(desk.enter(600, BTC))
    flying = [desk.enter(1_000, ETH), desk.enter(1_000, XRP)]
    desk.pass_seconds(40)
    third = desk.enter(100, ETH)
    lost = PairOpened(
        pair_id="p9",
        trade_id="t9",
        kind=PairKind.ENTRY,
        symbol=BTC,
        buy_venue="a",
        sell_venue="b",
        quantity=Decimal(1),
        buy_limit=Decimal(1),
        sell_limit=Decimal(1),
        reserved_usd=Decimal(1),
    )
    desk.journal.record(Decided(symbol=BTC, answer=Answer.ALLOW, pair_id="p9"))
    desk.journal.record(lost)
    desk.unwind(lost, -150)
    assert desk.answer(9_999) == "DENY engine.max_concurrent_pairs"
    desk.unwind(third, 0)
    assert desk.answer(9_999) == "DENY global.daily_loss"
    desk.unwind(flying[0], 100)
    assert desk.answer(9_999) == "DENY global.total_exposure"
    assert desk.answer(2_500) == "DENY portfolio.allocation"
    assert desk.answer(1_200) == "DENY symbol.circuit_breaker"
    desk.pass_seconds(20)
    assert desk.answer(1_200) == "DENY symbol.cooldown"
    desk.pass_seconds(10)
    assert desk.answer(1_200) == "DENY symbol.position_size"
    assert desk.answer(1_000) == "DENY symbol.position_count"
    desk.close(held, 0)
    assert desk.answer(1_000) == "DENY symbol.daily_loss"
    desk.now_ns += 86_400 * SECOND_NS
    assert desk.answer(1_000) == "ALLOW"


def test_max_concurrent_pairs_counts_entries_in_flight() -> None:
    desk = Desk(max_concurrent_pairs=2)
    first, second = desk.enter(symbol=BTC), desk.enter(symbol=ETH)
    assert desk.answer(symbol=XRP) == "DENY engine.max_concurrent_pairs"
    desk.hold(first)
    assert desk.answer(symbol=XRP) == "ALLOW"
    assert desk.answer() == "DENY engine.max_concurrent_pairs"
    desk.unwind(second, 0)
    assert desk.answer() == "ALLOW"


# What is doubted before it is sized


class Doubting(GuardTier):
    """Doubts routes as it was told, and allows whatever is sized."""

    def __init__(self, says: Callable[[], Refusal | None]) -> None:
        self.says = says

    def doubt(self, route: Route, edge_bps: float, now_ns: int) -> Refusal | None:
        return self.says()

    def check(self, opportunity: Opportunity, now_ns: int) -> None:
        return None


def doubted(desk: Desk, edge_bps: float = 12.0) -> str | None:
    route = Route(symbol=BTC, buy_venue="a", sell_venue="b")
    seen = Sighting(route=route, edge_bps=Decimal(str(edge_bps)), ask=Decimal(1), bid=Decimal(2))
    return desk.guards.doubt(route, edge_bps, desk.now_ns, sight=lambda: seen, rates=None)


def test_what_is_doubted_is_a_denial_without_a_size_and_repeats_are_counted() -> None:
    desk = Desk(symbol=calm(max_edge_bps=Decimal(100)))

    assert doubted(desk) is None
    assert [doubted(desk, 101.5) for _ in range(3)] == ["symbol.edge_too_good"] * 3
    (denied,) = desk.recorded(Decided)
    assert (denied.answer, denied.tier, denied.rule) == (Answer.DENY, "symbol", "edge_too_good")
    assert (denied.value, denied.limit) == ("101.5 bps", "100 bps")
    assert (denied.edge_bps, denied.ask, denied.bid) == (Decimal("101.5"), 1, 2)
    assert (denied.quantity, denied.notional_usd) == (None, None)
    desk.guards.flush([BTC])
    assert [one.count for one in desk.recorded(event.DecisionsRepeated)] == [2]
    (tripped,) = desk.recorded(event.GuardTripped)
    assert tripped.value == "101.5 bps, from a to b"


def test_an_edge_beyond_all_numbers_is_doubted() -> None:
    desk = Desk()
    assert doubted(desk, float("inf")) == "symbol.edge_too_good"


@pytest.mark.parametrize(
    "answer",
    [
        Refusal(answer=Answer.STOP, rule="doubt", value="1", limit="0"),
        Refusal(answer=Answer.REDUCE, rule="doubt", value="1", limit="0", largest=OrderSize(usd=Decimal(1))),
        Refusal(answer=Answer.DENY, rule="doubt", value="1", limit="0", largest=OrderSize(usd=Decimal(1))),
        "no",
    ],
    ids=["stop", "reduce", "a size", "text"],
)
def test_who_doubts_can_only_deny(answer: Any) -> None:
    desk = Desk(more={"odd": Doubting(lambda: answer)})
    assert doubted(desk) == "odd.error"


def test_who_fails_to_doubt_denies() -> None:
    def fail() -> None:
        raise ValueError("no idea")

    desk = Desk(more={"odd": Doubting(fail)})
    assert doubted(desk) == "odd.error"
    assert desk.answer() == "ALLOW", "it lost nothing of its state"


# How answers are recorded


def test_a_decision_says_what_was_measured_and_what_is_allowed() -> None:
    desk = Desk(global_=GlobalSettings(max_total_exposure_usd=Decimal(100)))
    denied = desk.ask(150)
    assert isinstance(denied, Decided)
    assert (denied.value, denied.limit, denied.quantity, denied.pair_id) == ("150", "100", 150, None)
    opened = desk.enter(100)
    *_, allowed = desk.recorded(Decided)
    assert (allowed.answer, allowed.pair_id, allowed.tier) == (Answer.ALLOW, opened.pair_id, None)
    assert opened.reserved_usd == allowed.notional_usd == 100


def counted(desk: Desk) -> list[tuple[int, int]]:
    return [(one.decision_seq, one.count) for one in desk.recorded(event.DecisionsRepeated)]


def test_a_repeated_deny_is_recorded_once_and_counted() -> None:
    desk = Desk(symbol=calm(max_position_size_usd=Decimal(100)))
    for usd in (101, 102, 103, 104):
        assert desk.answer(usd) == "DENY symbol.position_size"
    assert len(desk.recorded(Decided)) == 1
    assert counted(desk) == []
    desk.guards.flush([BTC])
    assert counted(desk) == [(1, 3)]
    desk.guards.flush([BTC])
    assert counted(desk) == [(1, 3)]
    assert desk.answer(101) == "DENY symbol.position_size"
    desk.guards.flush([BTC])
    assert counted(desk) == [(1, 3), (1, 1)]
    assert desk.statistics.decisions[Answer.DENY] == desk.statistics.by_rule["symbol.position_size"] == 5
    assert desk.statistics.of(BTC).rejected == 5


def test_repeats_are_recorded_before_what_ends_them() -> None:
    desk = Desk(symbol=calm(max_position_size_usd=Decimal(100)))
    for usd in (101, 101, 100):
        desk.answer(usd)
    assert [type(one).__name__ for one in desk.recorded(Decided, event.DecisionsRepeated)] == [
        "Decided",
        "DecisionsRepeated",
        "Decided",
    ]


def test_another_rule_is_another_decision() -> None:
    desk = Desk(symbol=calm(max_position_size_usd=Decimal(100)))
    for usd in (101, 10**7, 101):
        desk.answer(usd)
    assert len(desk.recorded(Decided)) == 3


@pytest.mark.parametrize("other", [{"symbol": ETH}, {"buy": "b", "sell": "a"}])
def test_other_symbols_and_routes_do_not_come_between(other: dict[str, Any]) -> None:
    desk = Desk(symbol=calm(max_position_size_usd=Decimal(100)))
    for change in ({}, other, {}, other):
        desk.answer(101, **change)
    desk.guards.flush([BTC, ETH])
    assert len(desk.recorded(Decided)) == 2
    assert sorted(counted(desk)) == [(1, 1), (2, 1)]


# Fail closed


class Raising(GuardTier):
    """Raises wherever ``where`` says."""

    def __init__(self, where: str) -> None:
        self._where = where

    def check(self, opportunity: Opportunity, now_ns: int) -> Refusal | None:
        self._raise("check")
        return None

    def apply(self, record: Record) -> None:
        self._raise("apply")

    def react(self, record: Record) -> Iterable[event.GuardTripped]:
        self._raise("react")
        return ()

    def _raise(self, where: str) -> None:
        if where == self._where:
            raise ZeroDivisionError("no answer")


def test_what_a_tier_raises_again_and_again_is_logged_once() -> None:
    desk = Desk(more={"mine": Raising("check")})
    with structlog.testing.capture_logs() as logged:
        answers = [desk.answer(usd) for usd in (10, 20, 30)]
    assert answers == ["DENY mine.error"] * 3
    assert [row["event"] for row in logged] == ["guard tier failed; denied"]


@pytest.mark.parametrize("where", ["check", "apply", "react"])
def test_a_tier_that_raises_denies(where: str) -> None:
    desk = Desk(more={"mine": Raising(where)})
    desk.journal.record(event.SymbolRestarted(symbol=ETH, failures=1))
    denied = desk.ask()
    assert isinstance(denied, Decided)
    assert (denied.answer, denied.tier, denied.rule) == (Answer.DENY, "mine", "error")
    assert denied.value == f"[guards.mine]: plugin 'mine': {where} raised ZeroDivisionError: no answer"
    assert desk.exposure.exposure_usd() == 0


def test_a_tier_that_raises_comes_after_those_that_refuse() -> None:
    desk = Desk(symbol=calm(max_position_size_usd=Decimal(1)), more={"mine": Raising("check")})
    assert desk.answer() == "DENY symbol.position_size"
