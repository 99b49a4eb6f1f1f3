"""Hold a journal against what the paper venues of its campaign remember: the orders, the fills and the money.

Whether a journal contradicts itself is for `trioarb verify` to say; a venue's memory is what it can't know. The
arithmetic is another one than the engine's: exact fractions.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from trioarb.model import event as model
from trioarb.model.event import Record
from trioarb.model.order import Purpose

__all__ = [
    "Books",
    "Lines",
    "Told",
    "contradictions",
    "doubled",
    "executed",
    "given_by",
    "lost",
    "money_of",
    "venue_lines",
]

Line = Mapping[str, Any]
Lines = Mapping[str, Sequence[Line]]
#: By venue and asset.
Books = defaultdict[tuple[str, str], Fraction]


class Told:
    """What a journal says of orders, and of what venues hold. ``differences`` are the deposits that make up for one."""

    def __init__(self, records: Iterable[Record]) -> None:
        self.submitted: dict[str, model.OrderSubmitted] = {}
        self.fills: defaultdict[str, list[model.OrderFilled]] = defaultdict(list)
        self.cancelled: set[str] = set()
        self.rejected: set[str] = set()
        #: What venues closed by force, and the orders that say what it did.
        self.liquidated: list[model.ContractsLiquidated] = []
        self.forced: set[str] = set()
        self.deposits = Books(Fraction)
        #: What left venues (below zero) and arrived at them, by venue, transfer and asset.
        self.moved: dict[tuple[str, str, str], Fraction] = {}
        self.differences: list[model.Deposited] = []
        for record in records:
            match record.event:
                case model.OrderSubmitted() as order:
                    self.submitted[order.client_order_id] = order
                    if order.purpose is Purpose.LIQUIDATION:
                        self.forced.add(order.client_order_id)
                case model.ContractsLiquidated() as liquidated:
                    self.liquidated.append(liquidated)
                case model.OrderFilled() as fill:
                    self.fills[fill.client_order_id].append(fill)
                case model.OrderCancelled(client_order_id=order_id):
                    self.cancelled.add(order_id)
                case model.OrderRejected(client_order_id=order_id):
                    self.rejected.add(order_id)
                case model.Deposited() as deposit:
                    self.deposits[deposit.venue, deposit.asset] += Fraction(deposit.amount)
                    if deposit.reason == "difference":
                        self.differences.append(deposit)
                case model.TransferSent(transfer_id=moved, asset=asset, source=venue, amount=amount):
                    self.moved[venue, moved, asset] = -Fraction(amount)
                case model.TransferArrived(transfer_id=moved, asset=asset, target=venue, amount=amount):
                    self.moved[venue, moved, asset] = Fraction(amount)
                case _:
                    pass


def venue_lines(journal: Path) -> dict[str, list[dict[str, Any]]]:
    """Return what each paper venue of the journal's campaign remembers: the whole lines of its file."""
    stem = journal.name.removesuffix(".journal")
    return {
        path.name.removeprefix(f"{stem}.").removesuffix(".venue"): [
            {"type": "opened", **json.loads(line)}  # the header has no type
            for line in path.read_bytes().splitlines(keepends=True)
            if line.endswith(b"\n")
        ]
        for path in sorted(journal.parent.glob(f"{stem}.*.venue"))
    }


def executed(venues: Lines) -> Iterator[tuple[str, str, Line]]:
    """Yield the venue, the order's id and the line of every order that was executed, with what it filled at rest."""
    for venue, lines in venues.items():
        rested = defaultdict[str, list[Line]](list)
        for line in lines:
            if line["type"] == "rested":
                rested[line["client_order_id"]].append(line)
        for line in lines:
            if line["type"] == "executed":
                order_id = line["order"]["client_order_id"]
                yield venue, order_id, _rested(line, rested[order_id])


def _rested(line: Line, later: Sequence[Line]) -> Line:
    """Return the line of an order as it stands after those that tell what became of it at rest."""
    if not later:
        return line
    report = line["report"]
    fills = [*report.get("fills", ()), *(fill for one in later for fill in one["fills"])]
    return {**line, "report": {**report, "fills": fills, "status": later[-1]["status"]}}


def lost(told: Told, venues: Lines, *, unknown: Collection[str] = (), is_altered: bool = False) -> Iterator[str]:
    """Yield what the venues executed and the journal holds otherwise. Of ``unknown`` orders it can't know the fills.

    ``is_altered``: what stands between cuts orders, and splits fills.
    """
    for venue, order_id, line in executed(venues):
        submitted = told.submitted.get(order_id)
        if submitted is None:
            yield f"{order_id} was executed at {venue}, and the journal doesn't know it"
            continue
        order = line["order"]
        quantity = Fraction(order["quantity"])
        is_cut = is_altered and quantity < submitted.quantity
        if (submitted.venue, submitted.symbol, submitted.side.value, Fraction(submitted.limit_price)) != (
            venue,
            order["symbol"],
            order["side"],
            Fraction(order["limit_price"]),
        ) or (quantity != submitted.quantity and not is_cut):
            yield f"{order_id} is another order at {venue} than in the journal"
        here, there = [_line(fill) for fill in told.fills[order_id]], line["report"].get("fills", ())
        same_ids = is_altered or {fill["fill_id"] for fill in here} == {fill["fill_id"] for fill in there}
        if order_id not in unknown and (_sum(here) != _sum(there) or not same_ids):
            yield f"{order_id}: {venue} executed {_sum(there)}, the journal says {_sum(here)}, or the ids differ"
        if line["report"]["status"] == "rejected" and order_id in told.cancelled:
            yield f"{order_id} was rejected at {venue}, but is cancelled in the journal"


def doubled(venues: Lines) -> Iterator[str]:
    """Yield the orders that were executed more than once."""
    counts = Counter(order_id for _, order_id, _ in executed(venues))
    yield from (f"{order_id} was executed {count} times" for order_id, count in counts.items() if count > 1)


def contradictions(told: Told, venues: Lines, *, unknown: Collection[str] = ()) -> Iterator[str]:
    """Yield what the journal knows and no venue does, and where the money at the venues is not what it says."""
    known = {order_id for _, order_id, _ in executed(venues)} | told.forced
    yield from _liquidations(told, venues)
    yield from _transfers(told, venues)
    yield from (f"{order_id} has fills, and no venue knows it" for order_id in sorted(told.fills.keys() - known))
    yield from (f"{order_id} is cancelled, and no venue knows it" for order_id in sorted(told.cancelled - known))
    booked, held = money_of(told, without=unknown), given_by(venues)
    for venue, order_id, line in executed(venues):
        for fill in line["report"].get("fills", ()):
            _book(held, venue, line["base"], line["quote"], line["order"]["side"], fill)
            if order_id in unknown:
                _book(booked, venue, line["base"], line["quote"], line["order"]["side"], fill)
    for venue, lines in venues.items():
        for line in lines:
            if line["type"] == "moved":
                held[venue, line["asset"]] += Fraction(line["amount"])
            elif line["type"] == "liquidated":
                for fill in line["liquidation"]["fills"]:
                    _book(held, venue, line["base"], line["quote"], line["liquidation"]["side"], fill)
    for venue, asset in sorted(booked.keys() | held.keys()):
        if booked[venue, asset] != held[venue, asset]:
            difference = float(held[venue, asset] - booked[venue, asset])
            yield f"{venue} holds {difference:g} {asset} more than the journal says"


def _liquidations(told: Told, venues: Lines) -> Iterator[str]:
    """Yield the liquidations that the journal doesn't tell of as their venue did them, or not once."""
    there = {
        (venue, one["liquidation_id"]): _sum(one["fills"])[:2]
        for venue, lines in venues.items()
        for one in (line["liquidation"] for line in lines if line["type"] == "liquidated")
    }
    here = {(one.venue, one.liquidation_id): (Fraction(one.quantity), Fraction(one.value)) for one in told.liquidated}
    if here != there or len(here) < len(told.liquidated):
        yield f"venues liquidated {sorted(there)}, the journal says {sorted(here)}, or not the same of them"


def _transfers(told: Told, venues: Lines) -> Iterator[str]:
    """Yield what left or reached a venue otherwise than the journal says, or more than once."""
    lines = [(venue, line) for venue, lines in venues.items() for line in lines if line["type"] == "moved"]
    there = {(venue, one["transfer_id"], one["asset"]): Fraction(one["amount"]) for venue, one in lines}
    for place in sorted(there.keys() | told.moved.keys()):
        here = told.moved.get(place), there.get(place)
        if here[0] != here[1]:
            yield f"{place}: the journal moves {here[0]}, the venue {here[1]}"
    if len(lines) > len(there):
        yield "a venue took note of a transfer twice"


def given_by(venues: Lines) -> Books:
    """Return what venues were opened with, and granted since."""
    given = Books(Fraction)
    for venue, lines in venues.items():
        for line in lines:
            match line["type"]:
                case "opened":
                    for asset, amount in line["balances"].items():
                        given[venue, asset] += Fraction(amount)
                case "granted":
                    given[venue, line["asset"]] += Fraction(line["amount"])
    return given


def money_of(told: Told, *, without: Collection[str] = ()) -> Books:
    """Return what deposits, transfers and fills come to, but for the fills of some orders."""
    booked = Books(Fraction, told.deposits)
    for (venue, _, asset), amount in told.moved.items():
        booked[venue, asset] += amount
    for order_id, fills in told.fills.items():
        for fill in fills if order_id not in without else ():
            _book(booked, fill.venue, fill.base, fill.quote, fill.side.value, _line(fill))
    return booked


def _line(fill: model.OrderFilled) -> Line:
    names = ("fill_id", "quantity", "price", "fee", "fee_asset")
    return {name: getattr(fill, name) for name in names}


def _book(books: Books, venue: str, base: str, quote: str, side: str, fill: Line) -> None:
    sign, quantity = 1 if side == "buy" else -1, Fraction(fill["quantity"])
    books[venue, base] += sign * quantity
    books[venue, quote] -= sign * quantity * Fraction(fill["price"])
    books[venue, fill["fee_asset"]] -= Fraction(fill["fee"])


def _sum(fills: Iterable[Line]) -> tuple[Any, ...]:
    """Return quantity, value and fees (by asset), however the fills are split."""
    quantity = value = Fraction(0)
    fees: defaultdict[str, Fraction] = defaultdict(Fraction)
    for fill in fills:
        quantity += Fraction(fill["quantity"])
        value += Fraction(fill["quantity"]) * Fraction(fill["price"])
        fees[fill["fee_asset"]] += Fraction(fill["fee"])
    return quantity, value, sorted(item for item in fees.items() if item[1])
