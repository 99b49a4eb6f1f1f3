"""Hold what the journal says against what the venues say: pairs cut off, late and foreign orders, balances.

Used when a campaign is resumed, while it runs, and at its end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

import attrs
import trio

from trioarb.errors import PluginFault, VenueError
from trioarb.execution.executor import Executor
from trioarb.journal.journal import Journal
from trioarb.model.contract import contract_of
from trioarb.model.event import BalanceDiffered, Deposited, Intent, PairEnded
from trioarb.model.number import EXACT, ZERO
from trioarb.model.order import Order
from trioarb.model.trade import PairOutcome
from trioarb.plugin.exchange_border import CheckedExchange
from trioarb.state.ledger import Ledger
from trioarb.state.trades import KNOWN_FOR_NS, PairFlows, Trades
from trioarb.strategy.market import Market
from trioarb.time.campaign_time import SECOND_NS, CampaignTime, Turn

__all__ = ["LOOK_BACK_NS", "Difference", "Reconciler"]

#: How long a venue may take to say its balances, and how long after a hurry has run out.
_BALANCES_NS = 30 * SECOND_NS
_HURRY_SECONDS = 1
#: How far back venues are asked for their orders at most, and how far their clocks may be behind.
LOOK_BACK_NS = KNOWN_FOR_NS // 2
_APART_NS = 60 * SECOND_NS
#: A difference that has stood for so long is none that an answer under way explains.
_CERTAIN_NS = 30 * SECOND_NS
#: How long a venue is asked about orders that may explain a difference.
_EXPLAINING_NS = 5 * SECOND_NS


@attrs.frozen(kw_only=True)
class Difference:
    """An asset of which a venue holds something else than the ledger says."""

    venue: str
    asset: str
    held: Decimal
    booked: Decimal

    @property
    def amount(self) -> Decimal:
        return EXACT.subtract(self.held, self.booked)


class Reconciler:
    """Brings what was left open to its end, and compares the books with the venues."""

    def __init__(
        self,
        *,
        journal: Journal,
        ledger: Ledger,
        trades: Trades,
        executor: Executor,
        venues: Mapping[str, CheckedExchange],
        markets: Mapping[str, Market],
        time: CampaignTime,
    ) -> None:
        self._journal = journal
        self._ledger = ledger
        self._trades = trades
        self._executor = executor
        self._venues = venues
        self._markets = markets
        self._time = time
        #: By how much the venues differed when they were asked last, while running, and since when.
        self._suspected: Mapping[tuple[str, str], tuple[Decimal, int]] = {}
        self._started_ns = time.now_ns()
        #: Venues of which it was told that they don't say their orders.
        self.silent: set[str] = set()
        #: When venues were asked for their orders last, and which were not of the journal then.
        self._asked_ns: dict[str, int] = {}
        self._named: dict[str, frozenset[str]] = {}

    async def finish_pairs(self, symbol: str | None = None) -> None:
        """Bring the pairs in flight to their end; no task may be executing them.

        With a ``symbol`` only its own, and not one that is still to be sent: the symbol's task will.
        """
        flying = [flows for flows in self._trades.pairs.values() if symbol is None or flows.opened.symbol == symbol]
        unsent = {opened.pair_id for opened in self._trades.unsent}
        async with trio.open_nursery() as nursery:
            for flows in flying:
                if flows.opened.pair_id not in unsent:
                    nursery.start_soon(self._finish, flows)
                elif symbol is None:
                    self._journal.record(_never_sent(flows.opened))
        await self._time.pick_up(Turn.SERVICE.order(symbol=symbol or "", number=33))

    async def _finish(self, flows: PairFlows) -> None:
        symbol = flows.opened.symbol
        await self._time.sleep_until(self._time.now_ns(), Turn.SYMBOL.order(symbol=symbol))
        await self._executor.recover(self._markets[symbol], flows)

    async def learn_late_orders(self) -> None:
        """Ask once about every order whose pair ended without its last word. Cancellation leaves the rest as is."""
        async with trio.open_nursery() as nursery:
            for turn, order in enumerate(self._trades.late_orders):
                if self._executor.is_sending(order.submitted.client_order_id):
                    continue
                nursery.start_soon(self._executor.learn, order, turn)
        await self._time.pick_up(Turn.SERVICE.order(number=34))

    async def learn_missed_fills(self) -> bool:
        """Learn what venues filled beyond what they told; return whether it was anything.

        A venue that doesn't say its balances is left out. Cancellation leaves the rest as is.
        """
        has_learnt = False
        for venue, exchange in self._venues.items():
            if not self._trades.ended_short(venue):
                continue
            try:
                held = await exchange.holdings()
            except (VenueError, PluginFault):
                continue
            has_learnt |= await self._explain(venue, held)
        return has_learnt

    async def _explain(self, venue: str, held: Mapping[str, Decimal]) -> bool:
        """Ask about orders that ended short, the newest first, until the ledger says what a venue holds, or for a
        while; return whether one had filled more.

        Its fill may have raced its cancellation, and not be told yet, or have been told while the stream was cut.
        """
        has_learnt = False
        with trio.CancelScope(deadline=self._time.deadline(self._time.now_ns() + _EXPLAINING_NS)):
            for order in self._trades.ended_short(venue):
                assets = {one.asset for one in self._differing(venue, held)}
                if not assets:
                    break
                symbol, filled = order.submitted.symbol, order.filled
                if not assets.isdisjoint((self._markets[symbol].instruments[venue].base, contract_of(symbol))):
                    await self._executor.ask(order)
                    has_learnt |= order.filled != filled
        return has_learnt

    async def foreign_orders(self, venue: str, since_ns: int | None = None) -> Sequence[Order]:
        """Return the orders that a venue knows and the journal doesn't, without those that were returned last time.

        They are those since then, or since the venue was asked last, a little earlier: its clock may be another.

        Raises:
            VenueError: it does not say them.
            TrioarbError: its plugin failed.
        """
        now_ns = self._time.now_ns()
        if since_ns is None:
            asked_ns = self._asked_ns.get(venue, self._started_ns)
            since_ns = max(self._started_ns, asked_ns - _APART_NS, now_ns - LOOK_BACK_NS)
        symbols = [symbol for symbol, market in self._markets.items() if venue in market.instruments]
        orders = [one.order for one in await self._venues[venue].orders(symbols, since_ns)]
        foreign = {one.client_order_id: one for one in orders if not self._trades.knows(one.client_order_id)}
        new = [one for order_id, one in foreign.items() if order_id not in self._named.get(venue, ())]
        self._asked_ns[venue], self._named[venue] = now_ns, frozenset(foreign)
        return new

    def is_uncertain(self, venue: str) -> bool:
        """Return whether an order there has no last word yet, which may explain a difference.

        One that rests is no explanation: its venue tells what it fills.
        """
        return any(
            order.submitted.venue == venue and not (order.submitted.rests and order.is_acknowledged)
            for order in self._trades.orders.values()
        )

    async def differences(self, venue: str) -> Sequence[Difference]:
        """Ask a venue for its balances until it says them; return where the ledger differs, by asset.

        Raises:
            VenueError: it does not say them in time.
            TrioarbError: its plugin failed.
        """
        time, problem = self._time, "no answer"
        hurry_until = self._executor.hurry_until + _HURRY_SECONDS
        with trio.CancelScope(deadline=min(time.deadline(time.now_ns() + _BALANCES_NS), hurry_until)):
            while True:
                try:
                    return self._differing(venue, await self._venues[venue].holdings())
                except VenueError as error:
                    problem = str(error)
                await time.sleep(SECOND_NS, Turn.VENUE.order(venue=venue, number=5))
        raise VenueError(f"{venue} did not say its balances, so the ledger could not be compared: {problem}")

    def book(self, difference: Difference) -> None:
        """Record a difference, and deposit it (or withdraw it, below zero)."""
        venue, asset = difference.venue, difference.asset
        self._journal.record(BalanceDiffered(venue=venue, asset=asset, held=difference.held, booked=difference.booked))
        self._journal.record(Deposited(venue=venue, asset=asset, amount=difference.amount, reason="difference"))

    async def look(self) -> Sequence[Difference]:
        """Compare all balances once, while orders go out; book what has differed for a while, and return it.

        Orders of which the venue has told less than it filled are asked about first.
        A venue that doesn't answer is left out, as is one whose books moved meanwhile. What differs for a moment may be
        an answer that lags behind its orders, however often it is looked at in that moment.
        """
        suspected: dict[tuple[str, str], tuple[Decimal, int]] = {}
        certain: list[Difference] = []
        for venue, exchange in self._venues.items():
            booked = self._ledger.held(venue)
            try:
                held = await exchange.holdings()
            except VenueError:
                continue
            if self.is_uncertain(venue) or self._ledger.held(venue) != booked:
                continue
            await self._explain(venue, held)
            if self.is_uncertain(venue) or self._ledger.held(venue) != booked:
                continue
            for one in self._differing(venue, held):
                now_ns = self._time.now_ns()
                amount, since_ns = self._suspected.get((venue, one.asset), (one.amount, now_ns))
                if amount != one.amount:
                    since_ns = now_ns
                if now_ns - since_ns >= _CERTAIN_NS:
                    certain.append(one)
                    self.book(one)
                else:
                    suspected[venue, one.asset] = one.amount, since_ns
        self._suspected = suspected
        return certain

    def _differing(self, venue: str, held: Mapping[str, Decimal]) -> Sequence[Difference]:
        booked = self._ledger.held(venue)
        rows = ((asset, held.get(asset, ZERO), booked.get(asset, ZERO)) for asset in sorted({*held, *booked}))
        return [
            Difference(venue=venue, asset=asset, held=there, booked=ours)
            for asset, there, ours in rows
            if there != ours
        ]


def _never_sent(opened: Intent) -> PairEnded:
    return PairEnded(
        pair_id=opened.pair_id,
        trade_id=opened.trade_id,
        symbol=opened.symbol,
        kind=opened.kind,
        outcome=PairOutcome.FLAT,
        bought=ZERO,
        sold=ZERO,
        pnl_usd=ZERO,
        fees_usd=ZERO,
    )
