"""Hold a live campaign's journal against the simulated venues' own books, to the last digit."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path

import attrs
from aftermath import verified

from trioarb.api import ClientIds
from trioarb.model.event import BalanceDiffered, OrderFilled, OrderSubmitted, Record
from trioarb.state.state import State
from trioarb_binance.wire.client_ids import CLIENT_IDS as BINANCE_IDS
from trioarb_bithumb.wire import CLIENT_IDS as BITHUMB_IDS
from trioarb_sim.order import VenueOrder
from trioarb_sim.simulator import Simulator
from trioarb_upbit.wire import CLIENT_IDS as UPBIT_IDS

__all__ = ["Books", "audit", "state_of"]

_ACCOUNT = "main"
IDS: Mapping[str, ClientIds] = {"binance": BINANCE_IDS, "upbit": UPBIT_IDS, "bithumb": BITHUMB_IDS}


@attrs.frozen(kw_only=True)
class Books:
    """What was found. ``wrong``: broken promises; ``orders`` and ``fills`` are the venues'."""

    orders: int
    fills: int
    trades: int
    residuals: int
    unknown: int
    wrong: tuple[str, ...]


@attrs.define
class _Sums:
    """What the fills of one order come to."""

    count: int = 0
    quantity: Decimal = Decimal(0)
    value: Decimal = Decimal(0)
    fees: dict[str, Decimal] = attrs.field(factory=lambda: defaultdict(Decimal))

    def add(self, quantity: Decimal, price: Decimal, fee: Decimal, asset: str) -> None:
        self.count += 1
        self.quantity += quantity
        self.value += quantity * price
        if fee:
            self.fees[asset] += fee


def state_of(journal: Path) -> tuple[State, list[Record], list[str]]:
    """Return what a journal folds to, its records, and what `trioarb verify` has against it."""
    records, verification = verified(journal)
    state = State()
    for record in records:
        state.apply(record)
    return state, records, [f"verify: {one}" for one in verification.violations]


def audit(journal: Path, venues: Mapping[str, Simulator], *, differs: bool = False) -> Books:
    """Compare orders, fills and balances. ``differs``: a difference of balances may have been booked."""
    state, records, wrong = state_of(journal)
    told = {venue: dict[str, _Sums]() for venue in venues}
    submitted = {venue: set[str]() for venue in venues}
    seen = set[tuple[str, str, str]]()
    for record in records:
        event = record.event
        if isinstance(event, OrderSubmitted):
            submitted[event.venue].add(event.client_order_id)
        elif isinstance(event, OrderFilled):
            key = (event.venue, event.client_order_id, event.fill_id)
            if key in seen:
                wrong.append(f"{event.venue}: fill {event.fill_id} of {event.client_order_id} is in the journal twice")
            seen.add(key)
            sums = told[event.venue].setdefault(event.client_order_id, _Sums())
            sums.add(event.quantity, event.price, event.fee, event.fee_asset)
        elif isinstance(event, BalanceDiffered) and not differs:
            wrong.append(f"a difference was booked at {event.venue}: {event.held} {event.asset}, not {event.booked}")
    orders = fills = 0
    for name, simulator in venues.items():
        ids = IDS[simulator.name]
        there = dict[str, VenueOrder]()
        for order in simulator.venue.orders(_ACCOUNT):
            ours = ids.decode(order.terms.client_id)
            if ours is None:
                continue
            if ours in there:
                wrong.append(f"{name} was sent {ours} twice")
            there[ours] = order
        orders += len(there)
        fills += sum(len(order.executions) for order in there.values())
        wrong += _orders(name, there, submitted[name], told[name], state)
        wrong += _balances(name, simulator, state)
    return Books(
        orders=orders,
        fills=fills,
        trades=state.statistics.trades_executed if hasattr(state.statistics, "trades_executed") else 0,
        residuals=len(state.trades.residuals),
        unknown=len(state.trades.orders),
        wrong=tuple(wrong),
    )


def _orders(
    name: str, there: Mapping[str, VenueOrder], submitted: set[str], told: Mapping[str, _Sums], state: State
) -> Iterator[str]:
    for ours, order in there.items():
        if ours not in submitted:
            yield f"{name} has {ours}, which the journal doesn't know"
        if order.is_open:
            yield f"{name} still has {ours} open"
        sums = _Sums()
        for one in order.executions:
            sums.add(one.quantity, one.price, one.fee, one.fee_asset)
        heard = told.get(ours, _Sums())
        if (heard.count, heard.quantity, heard.value) != (sums.count, sums.quantity, sums.value):
            yield (
                f"{name} filled {sums.quantity} of {ours} in {sums.count}, worth {sums.value}; the journal has "
                f"{heard.quantity} in {heard.count}, worth {heard.value}"
            )
        elif dict(heard.fees) != dict(sums.fees):
            yield f"{name} took fees of {dict(sums.fees)} for {ours}; the journal has {dict(heard.fees)}"
    for ours in told.keys() - there.keys():
        yield f"the journal has fills of {ours}, which {name} never had"
    for ours in sorted(state.ledger.open_orders):
        if ours in submitted:
            yield f"the journal still waits for the last word of {ours}"


def _balances(name: str, simulator: Simulator, state: State) -> Iterator[str]:
    held = {asset: one.free + one.locked for asset, one in simulator.venue.balances(_ACCOUNT).items()}
    booked = state.ledger.held(name)
    for asset in sorted(held.keys() | booked.keys()):
        there, ours = held.get(asset, Decimal(0)), booked.get(asset, Decimal(0))
        if there != ours:
            yield f"{name} holds {there} {asset}, and the ledger says {ours}"
    for asset, one in simulator.venue.balances(_ACCOUNT).items():
        if one.locked and not simulator.venue.open_orders(_ACCOUNT):
            yield f"{name} has {one.locked} {asset} locked without an order"
