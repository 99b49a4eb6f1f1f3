"""A simulated venue behind its protocol: markets, accounts, orders, and everybody who listens to them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import ROUND_DOWN, Decimal
from itertools import count

import attrs

from trioarb.api import ZERO, Side
from trioarb_sim.account import Account, Balance, Key
from trioarb_sim.book import Book, LevelChange, Levels, Match, Outcome
from trioarb_sim.market import FeeIn, MarketRules
from trioarb_sim.order import Execution, OrderState, OrderTerms, Refusal, Refused, VenueOrder

__all__ = ["BalancesChanged", "BookChanged", "OrderChanged", "Private", "Public", "Traded", "Venue"]

_FEE_UNIT = Decimal("1e-8")


@attrs.frozen(kw_only=True)
class BookChanged:
    """Levels of a market stand otherwise; each change has a number, from ``first_id`` to ``last_id``."""

    market: str
    first_id: int
    last_id: int
    changes: tuple[LevelChange, ...]
    at_ms: int


@attrs.frozen(kw_only=True)
class Traded:
    """A trade, as everybody sees it. ``side`` is the taker's."""

    market: str
    trade_id: int
    price: Decimal
    quantity: Decimal
    side: Side
    at_ms: int


@attrs.frozen(kw_only=True)
class OrderChanged:
    """An order of an account was taken, filled (``execution``), or ended."""

    order: VenueOrder
    state: OrderState
    execution: Execution | None
    filled: Decimal
    at_ms: int


@attrs.frozen(kw_only=True)
class BalancesChanged:
    account: str
    balances: Mapping[str, Balance]
    at_ms: int


Public = BookChanged | Traded
Private = OrderChanged | BalancesChanged


@attrs.define(eq=False)
class _Market:
    rules: MarketRules
    book: Book = attrs.field(factory=Book)
    update_id: int = 0
    last_price: Decimal | None = None


class Venue:
    """Everything is synchronous: what a request changes, and who is told of it, happens at once, in one order.

    ``now_ms`` is the venue's clock. ``ids_for_ever``: a client id is never taken twice; else it is taken again once the
    order that had it has ended.
    """

    def __init__(
        self,
        markets: Iterable[MarketRules],
        *,
        now_ms: Callable[[], int],
        ids_for_ever: bool = False,
        max_open_orders: int = 200,
    ) -> None:
        self._markets = {rules.name: _Market(rules) for rules in markets}
        self._now_ms = now_ms
        self._ids_for_ever = ids_for_ever
        self._max_open_orders = max_open_orders
        self._accounts: dict[str, Account] = {}
        self._keys: dict[str, tuple[Key, str]] = {}
        self._orders: dict[int, VenueOrder] = {}
        self._by_client_id: dict[tuple[str, str], VenueOrder] = {}
        self._order_ids, self._trade_ids = count(1), count(1)
        self._public: list[Callable[[Public], None]] = []
        self._private: list[tuple[str, Callable[[Private], None]]] = []

    # Who and what there is

    def add_account(self, name: str, owned: Mapping[str, Decimal], keys: Sequence[Key]) -> None:
        """Open an account that owns something, with keys to it."""
        self._accounts[name] = Account(name, owned)
        self._keys |= {key.api_key: (key, name) for key in keys}

    def key(self, api_key: str) -> tuple[Key, str] | None:
        """Return a key and the name of its account; ``None``: there is no such key."""
        return self._keys.get(api_key)

    @property
    def markets(self) -> Sequence[MarketRules]:
        return [market.rules for market in self._markets.values()]

    def rules(self, market: str) -> MarketRules:
        """Return a market's rules.

        Raises:
            Refused: there is no such market.
        """
        return self._market(market).rules

    def change(self, rules: MarketRules) -> None:
        """Let a market have other rules, or another state, from now on."""
        self._markets[rules.name].rules = rules

    def balances(self, account: str) -> Mapping[str, Balance]:
        return self._accounts[account].balances

    def book(self, market: str, depth: int | None = None) -> tuple[int, Levels, Levels]:
        """Return the number of the last change, bids and asks, best first.

        Raises:
            Refused: there is no such market.
        """
        found = self._market(market)
        return found.update_id, found.book.levels(Side.BUY, depth), found.book.levels(Side.SELL, depth)

    def last_price(self, market: str) -> Decimal | None:
        """Return the price of the last trade; before the first, the middle of the book."""
        return self._reference(self._market(market))

    # Listeners

    def listen(self, told: Callable[[Public], None]) -> Callable[[], None]:
        """Have books and trades told, as they happen; return what ends that."""
        self._public.append(told)
        return lambda: self._public.remove(told)

    def listen_to(self, account: str, told: Callable[[Private], None]) -> Callable[[], None]:
        """Have an account's orders and balances told, as they change; return what ends that."""
        entry = (account, told)
        self._private.append(entry)
        return lambda: self._private.remove(entry)

    # Strangers

    def show(self, market: str, bids: Levels, asks: Levels) -> None:
        """Let strangers show these levels, best first, instead of those that they showed."""
        found = self._markets[market]
        self._settle(found, found.book.show(bids, asks))

    def strike(self, market: str, side: Side, quantity: Decimal) -> None:
        """Let a stranger buy or sell at the best price; orders that rest there fill after strangers' own."""
        found = self._markets[market]
        self._settle(found, found.book.strike(side, quantity))

    # Orders

    def place(self, account: str, terms: OrderTerms) -> VenueOrder:
        """Take an order, match it, and return it as it stands then.

        Raises:
            Refused: nothing has changed.
        """
        market = self._market(terms.market)
        market.rules.check(terms, self._reference(market))
        earlier = self._by_client_id.get((account, terms.client_id)) if terms.client_id else None
        if earlier is not None and (self._ids_for_ever or earlier.is_open):
            raise Refused(Refusal.DUPLICATE_ID)
        if len(self.open_orders(account, terms.market)) >= self._max_open_orders:
            raise Refused(Refusal.TOO_MANY_ORDERS)
        asset, amount = market.rules.needs(terms, self._worst(market, terms))
        self._accounts[account].lock(asset, amount)
        now = self._now_ms()
        order = VenueOrder(
            order_id=next(self._order_ids), account=account, terms=terms, created_ms=now, updated_ms=now, locked=amount
        )
        try:
            outcome = market.book.place(order)
        except Refused:
            self._accounts[account].release(asset, amount)
            raise
        self._orders[order.order_id] = order
        if terms.client_id:
            self._by_client_id[account, terms.client_id] = order
        self._tell_order(order, OrderState.OPEN, None, ZERO)
        self._settle(market, outcome, {account: {asset}})
        return order

    def take_and_cancel(self, account: str, terms: OrderTerms) -> VenueOrder:
        """Take a post-only order that would take, as some venues do, and end it at once."""
        now = self._now_ms()
        order = VenueOrder(order_id=next(self._order_ids), account=account, terms=terms, created_ms=now, updated_ms=now)
        self._orders[order.order_id] = order
        if terms.client_id:
            self._by_client_id[account, terms.client_id] = order
        self._tell_order(order, OrderState.OPEN, None, ZERO)
        why = Refusal.WOULD_TAKE.value
        self._settle(self._markets[terms.market], Outcome(ended=[(order, OrderState.CANCELLED, why)]))
        return order

    def cancel(self, order: VenueOrder, *, request_id: str = "") -> None:
        """Take an order off its book; ``request_id`` is the client id of what asks for it.

        Raises:
            Refused: it has ended.
        """
        if not order.is_open:
            raise Refused(Refusal.ENDED_ORDER)
        order.cancelled_by = request_id
        market = self._markets[order.terms.market]
        self._settle(market, market.book.cancel(order))

    def find(self, account: str, *, order_id: int | None = None, client_id: str = "") -> VenueOrder:
        """Return an account's order, by either id; the venue's own goes first.

        Raises:
            Refused: it has none.
        """
        order = self._by_client_id.get((account, client_id)) if order_id is None else self._orders.get(order_id)
        if order is None or order.account != account:
            raise Refused(Refusal.UNKNOWN_ORDER)
        return order

    def orders(self, account: str, market: str | None = None) -> Sequence[VenueOrder]:
        """Return all orders of an account, in the order in which they came."""
        return [one for one in self._orders.values() if one.account == account and market in (None, one.terms.market)]

    def open_orders(self, account: str, market: str | None = None) -> Sequence[VenueOrder]:
        return [order for order in self.orders(account, market) if order.is_open]

    # What follows from a match

    def _settle(self, market: _Market, outcome: Outcome, touched: dict[str, set[str]] | None = None) -> None:
        """Book what a request came to. ``touched``: of which accounts which assets it has changed already."""
        now = self._now_ms()
        touched = touched or {}
        filled: dict[int, Decimal] = {}
        for match in outcome.matches:
            trade_id = next(self._trade_ids)
            market.last_price = match.price
            for order, is_maker in ((match.taker, False), (match.maker, True)):
                if order is not None:
                    execution = self._execute(market.rules, order, match, trade_id, is_maker, now)
                    filled[order.order_id] = filled.get(order.order_id, self._before(order, outcome)) + match.quantity
                    self._tell_order(order, OrderState.OPEN, execution, filled[order.order_id])
                    touched.setdefault(order.account, set()).update((market.rules.base, market.rules.quote))
            self._tell(
                Traded(
                    market=market.rules.name,
                    trade_id=trade_id,
                    price=match.price,
                    quantity=match.quantity,
                    side=match.side,
                    at_ms=now,
                )
            )
        for order, state, why in outcome.ended:
            asset, _ = market.rules.needs(order.terms, ZERO)
            self._accounts[order.account].release(asset, order.locked)
            order.locked, order.state, order.why, order.updated_ms = ZERO, state, why, now
            touched.setdefault(order.account, set()).add(asset)
            self._tell_order(order, state, None, order.filled)
        for account, assets in touched.items():
            balances = self._accounts[account].balances
            told = {asset: balances.get(asset, Balance()) for asset in sorted(assets)}
            self._tell_account(account, BalancesChanged(account=account, balances=told, at_ms=now))
        if outcome.changes:
            first = market.update_id + 1
            market.update_id += len(outcome.changes)
            self._tell(
                BookChanged(
                    market=market.rules.name,
                    first_id=first,
                    last_id=market.update_id,
                    changes=tuple(outcome.changes),
                    at_ms=now,
                )
            )

    def _execute(
        self, rules: MarketRules, order: VenueOrder, match: Match, trade_id: int, is_maker: bool, now: int
    ) -> Execution:
        """Book one fill of an order: what it pays, what it gets, and the fee."""
        account = self._accounts[order.account]
        value = match.price * match.quantity
        is_buy = order.terms.side is Side.BUY
        paid, paid_asset = (value, rules.quote) if is_buy else (match.quantity, rules.base)
        got, got_asset = (match.quantity, rules.base) if is_buy else (value, rules.quote)
        rate = rules.maker_fee if is_maker else rules.taker_fee
        is_on_top = rules.fee_in is FeeIn.QUOTE and is_buy
        of, fee_asset = (value, rules.quote) if rules.fee_in is FeeIn.QUOTE else (got, got_asset)
        fee = (of * rate).quantize(_FEE_UNIT, rounding=ROUND_DOWN)
        cost = paid + fee if is_on_top else paid
        account.spend(paid_asset, cost)
        account.receive(got_asset, got if is_on_top else got - fee)
        order.locked -= cost
        order.fees[fee_asset] = order.fees.get(fee_asset, ZERO) + fee
        order.updated_ms = now
        execution = Execution(
            trade_id=trade_id,
            price=match.price,
            quantity=match.quantity,
            is_maker=is_maker,
            fee=fee,
            fee_asset=fee_asset,
            at_ms=now,
        )
        order.executions.append(execution)
        return execution

    @staticmethod
    def _before(order: VenueOrder, outcome: Outcome) -> Decimal:
        """Return how much of an order was filled before these matches."""
        return order.filled - sum(
            (match.quantity for match in outcome.matches if order in (match.taker, match.maker)), ZERO
        )

    def _market(self, name: str) -> _Market:
        found = self._markets.get(name)
        if found is None:
            raise Refused(Refusal.NO_SUCH_MARKET)
        return found

    def _reference(self, market: _Market) -> Decimal | None:
        if market.last_price is not None:
            return market.last_price
        bid, ask = market.book.best(Side.BUY), market.book.best(Side.SELL)
        return (bid + ask) / 2 if bid is not None and ask is not None else bid or ask

    def _worst(self, market: _Market, terms: OrderTerms) -> Decimal | None:
        """Return the highest price that a market buy can meet."""
        levels = market.book.levels(Side.SELL)
        return levels[-1][0] if levels and terms.side is Side.BUY else None

    def _tell(self, event: Public) -> None:
        for told in list(self._public):
            told(event)

    def _tell_order(self, order: VenueOrder, state: OrderState, execution: Execution | None, filled: Decimal) -> None:
        event = OrderChanged(order=order, state=state, execution=execution, filled=filled, at_ms=self._now_ms())
        self._tell_account(order.account, event)

    def _tell_account(self, account: str, event: Private) -> None:
        for name, told in list(self._private):
            if name == account:
                told(event)
