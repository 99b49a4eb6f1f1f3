"""Hold a journal against what the paper venues of its campaign remember: the orders, the fills and the money.

Nothing of the engine takes part but the reading of the file. The arithmetic is another one: exact fractions.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import attrs

from trioarb.journal.recorded import open_journal
from trioarb.model.wire import to_json_object
from trioarb.verify.verification import Verifier

__all__ = ["Aftermath", "AtKill", "at_kill", "events_of", "examine", "venue_lines"]

Row = Mapping[str, Any]
Books = defaultdict[tuple[str, str], Fraction]


@attrs.frozen(kw_only=True)
class AtKill:
    """How a campaign was when it was killed.

    ``in_flight`` orders were submitted, or executed by a venue, and have no last word in the journal; ``not_kept`` ones
    among them were executed, and the journal does not know them at all. ``ran_seconds``: over all stretches.
    """

    in_flight: int
    not_kept: int
    ran_seconds: float


@attrs.frozen(kw_only=True)
class Aftermath:
    """What became of a campaign. ``problems`` are broken promises; an empty list is what is hoped for.

    ``lost`` orders were executed and do not stand in the journal with exactly the venue's fills, ``doubled`` ones
    stand there or at a venue more than once. ``differences`` were booked as deposits.
    """

    orders: int
    lost: tuple[str, ...]
    doubled: tuple[str, ...]
    differences: tuple[str, ...]
    residuals: int
    problems: tuple[str, ...]


def events_of(journal: Path) -> list[dict[str, Any]]:
    """Return the journal's events as `--events` writes them."""
    with open_journal(journal) as stored:
        return [to_json_object(record) for record in stored.records()]


def venue_lines(journal: Path) -> dict[str, list[dict[str, Any]]]:
    """Return what each paper venue of the journal's campaign remembers: the whole lines of its file."""
    stem = journal.name.removesuffix(".journal")
    paths = sorted(journal.parent.glob(f"{stem}.*.venue"))
    return {
        path.name.removeprefix(f"{stem}.").removesuffix(".venue"): [
            {"type": "opened", **json.loads(line)}  # the header has no type
            for line in path.read_bytes().splitlines(keepends=True)
            if line.endswith(b"\n")
        ]
        for path in paths
    }


def at_kill(journal: Path) -> AtKill:
    """Return how a campaign was when it was killed."""
    events = events_of(journal)
    orders = _Orders(events)
    executed = {line["order"]["client_order_id"] for _, line in _executed(venue_lines(journal))}
    not_kept = executed - orders.submitted.keys()
    ran_ns = start_ns = last_ns = 0
    for event in events:
        if event["type"] in ("campaign_opened", "campaign_resumed"):
            ran_ns, start_ns = ran_ns + last_ns - start_ns, event["ts_ns"]
        last_ns = event["ts_ns"]
    return AtKill(
        in_flight=len(not_kept.union(orders.open)),
        not_kept=len(not_kept),
        ran_seconds=(ran_ns + last_ns - start_ns) / 1e9,
    )


def examine(journal: Path) -> Aftermath:
    """Examine a campaign that was killed, and brought to its end: a kill loses nothing, so no balance may differ."""
    events, venues = events_of(journal), venue_lines(journal)
    problems: list[str] = []
    _check_sequence(events, problems)
    orders = _Orders(events)
    problems += orders.problems
    lost = [*_lost(orders, venues)]
    doubled = [*orders.doubled, *_doubled_at(venues)]
    problems += [f"lost: {text}" for text in lost] + [f"doubled: {text}" for text in doubled]
    problems += _invented(orders, venues)
    problems += _money(events, venues)
    problems += _unfinished(events, orders)
    problems += _uneven(events)
    differences = [*_differences(events)]
    problems += [f"difference: {text}" for text in differences]
    problems += _violations(journal)
    return Aftermath(
        orders=len(orders.submitted),
        lost=tuple(lost),
        doubled=tuple(doubled),
        differences=tuple(differences),
        residuals=len(_residuals(events)),
        problems=tuple(problems),
    )


class _Orders:
    """The orders of a journal: as submitted, their fills, and their last words."""

    def __init__(self, events: Sequence[Row]) -> None:
        self.submitted: dict[str, Row] = {}
        self.fills: defaultdict[str, list[Row]] = defaultdict(list)
        self.last_word: dict[str, str] = {}
        self.doubled: list[str] = []
        self.problems: list[str] = []
        filled: Counter[str] = Counter()
        for event in events:
            order_id = event.get("client_order_id", "")
            match event["type"]:
                case "order_submitted":
                    if order_id in self.submitted:
                        self.doubled.append(f"{order_id} is submitted twice in the journal")
                    self.submitted[order_id] = event
                case "order_filled":
                    self.fills[order_id].append(event)
                    filled[order_id] += Fraction(event["quantity"])  # type: ignore[assignment]
                    if filled[order_id] == Fraction(self.submitted[order_id]["quantity"]):
                        self._end(order_id, "filled")
                case "order_cancelled" | "order_rejected" as word:
                    self._end(order_id, word)

    @property
    def open(self) -> list[str]:
        """The orders without a last word."""
        return [order_id for order_id in self.submitted if order_id not in self.last_word]

    def _end(self, order_id: str, word: str) -> None:
        if order_id in self.last_word:
            self.problems.append(f"{order_id} has two last words: {self.last_word[order_id]}, {word}")
        self.last_word[order_id] = word


def _executed(venues: Mapping[str, Sequence[Row]]) -> Iterator[tuple[str, Row]]:
    for venue, lines in venues.items():
        yield from ((venue, line) for line in lines if line["type"] == "executed")


def _check_sequence(events: Sequence[Row], problems: list[str]) -> None:
    if [event["seq"] for event in events] != list(range(1, len(events) + 1)):
        problems.append("the sequence has holes")
    if events[-1]["type"] != "campaign_ended":
        problems.append(f"the last event is {events[-1]['type']}")
    elif events[-1].get("error"):
        problems.append(f"it ended with an error: {events[-1]['error']}")
    numbers = [event["number"] for event in events if event["type"] == "campaign_resumed"]
    if numbers != list(range(1, len(numbers) + 1)):
        problems.append(f"it was resumed as {numbers}")


def _lost(orders: _Orders, venues: Mapping[str, Sequence[Row]]) -> Iterator[str]:
    for venue, line in _executed(venues):
        order, report = line["order"], line["report"]
        order_id = order["client_order_id"]
        submitted = orders.submitted.get(order_id)
        if submitted is None:
            yield f"{order_id} was executed at {venue}, and the journal doesn't know it"
            continue
        if venue != submitted["venue"] or any(
            order[key] != submitted[key] if key in ("symbol", "side") else Fraction(order[key]) != _of(submitted, key)
            for key in ("symbol", "side", "quantity", "limit_price")
        ):
            yield f"{order_id} is another order at {venue} than in the journal"
        there = sorted(map(_fill, report.get("fills", ())))
        here = sorted(map(_fill, orders.fills[order_id]))
        if there != here:
            yield f"{order_id} has {len(there)} fills at {venue}, {len(here)} in the journal, or they differ"
        if report["status"] == "rejected" and orders.last_word.get(order_id) not in (None, "order_rejected"):
            yield f"{order_id} was rejected at {venue}, but is {orders.last_word[order_id]} in the journal"


def _of(event: Row, key: str) -> Fraction:
    return Fraction(event[key])


def _fill(fill: Row) -> tuple[Any, ...]:
    return (
        fill["fill_id"],
        Fraction(fill["quantity"]),
        Fraction(fill["price"]),
        Fraction(fill["fee"]),
        fill["fee_asset"],
    )


def _doubled_at(venues: Mapping[str, Sequence[Row]]) -> Iterator[str]:
    counts = Counter(line["order"]["client_order_id"] for _, line in _executed(venues))
    yield from (f"{order_id} was executed {count} times" for order_id, count in counts.items() if count > 1)


def _invented(orders: _Orders, venues: Mapping[str, Sequence[Row]]) -> Iterator[str]:
    known = {line["order"]["client_order_id"] for _, line in _executed(venues)}
    for order_id in orders.submitted.keys() - known:
        if orders.fills[order_id]:
            yield f"{order_id} has fills in the journal, and no venue knows it"
        elif orders.last_word.get(order_id) == "order_cancelled":
            yield f"{order_id} is cancelled in the journal, and no venue knows it"


def _money(events: Sequence[Row], venues: Mapping[str, Sequence[Row]]) -> Iterator[str]:
    """Yield where the ledger, recomputed from deposits and fills, is not what the venue's own lines add up to."""
    booked, held = Books(Fraction), Books(Fraction)
    for event in events:
        if event["type"] == "deposited":
            booked[event["venue"], event["asset"]] += _of(event, "amount")
        elif event["type"] == "order_filled":
            _book(booked, event["venue"], event["base"], event["quote"], event["side"], event)
    for venue, lines in venues.items():
        for line in lines:
            match line["type"]:
                case "opened":
                    for asset, amount in line["balances"].items():
                        held[venue, asset] += Fraction(amount)
                case "granted":
                    held[venue, line["asset"]] += _of(line, "amount")
                case "executed":
                    for fill in line["report"].get("fills", ()):
                        _book(held, venue, line["base"], line["quote"], line["order"]["side"], fill)
    for venue, asset in sorted(booked.keys() | held.keys()):
        if booked[venue, asset] != held[venue, asset]:
            difference = float(held[venue, asset] - booked[venue, asset])
            yield f"{venue} holds {difference:g} {asset} more than the ledger says"


def _book(books: Books, venue: str, base: str, quote: str, side: str, fill: Row) -> None:
    sign = 1 if side == "buy" else -1
    books[venue, base] += sign * _of(fill, "quantity")
    books[venue, quote] -= sign * _of(fill, "quantity") * _of(fill, "price")
    books[venue, fill["fee_asset"]] -= _of(fill, "fee")


def _residuals(events: Sequence[Row]) -> dict[str, Row]:
    """Return the residuals that stay."""
    left = {event["residual_id"]: event for event in events if event["type"] == "residual_left"}
    for event in events:
        if event["type"] == "residual_resolved":
            left.pop(event["residual_id"], None)
    return left


def _positions(events: Sequence[Row]) -> dict[str, Row]:
    """Return the positions that stay open: how they were opened, with the quantity that is left."""
    still: dict[str, dict[str, Any]] = {}
    for event in events:
        match event["type"]:
            case "position_opened":
                still[event["trade_id"]] = dict(event)
            case "position_reduced":
                still[event["trade_id"]]["quantity"] = event["quantity"]
            case "position_closed":
                del still[event["trade_id"]]
    return dict(still)


def _unfinished(events: Sequence[Row], orders: _Orders) -> Iterator[str]:
    opened = Counter(event["pair_id"] for event in events if event["type"] == "pair_opened")
    ended = Counter(event["pair_id"] for event in events if event["type"] == "pair_ended")
    yield from (f"pair {pair_id} was opened {count} times" for pair_id, count in opened.items() if count > 1)
    yield from (f"pair {pair_id} ended {count} times" for pair_id, count in ended.items() if count > 1)
    yield from (f"pair {pair_id} has not ended" for pair_id in opened.keys() - ended.keys())
    named = {residual.get("client_order_id") for residual in _residuals(events).values()}
    yield from (f"{order_id} has no last word" for order_id in orders.open if order_id not in named)
    yield from (f"position {trade_id} is open" for trade_id in _positions(events))


def _uneven(events: Sequence[Row]) -> Iterator[str]:
    """Yield what was bought and sold one-sidedly, and is neither position nor residual nor dust."""
    net, dust = Books(Fraction), defaultdict[str, Fraction](Fraction)
    for event in events:
        if event["type"] == "order_filled":
            net[event["venue"], event["symbol"]] += (1 if event["side"] == "buy" else -1) * _of(event, "quantity")
        elif event["type"] == "pair_ended":
            dust[event["symbol"]] += Fraction(event.get("dust", 0))
    for residual in _residuals(events).values():
        if not residual.get("possible", False):
            net[residual["venue"], residual["symbol"]] -= _of(residual, "quantity")
    for position in _positions(events).values():
        net[position["buy_venue"], position["symbol"]] -= _of(position, "quantity")
        net[position["sell_venue"], position["symbol"]] += _of(position, "quantity")
    for (venue, symbol), quantity in net.items():
        if abs(quantity) > dust[symbol]:
            yield f"{float(quantity):g} of {symbol} at {venue} is neither position, residual nor dust"


def _differences(events: Sequence[Row]) -> Iterator[str]:
    """Yield the differences that were booked."""
    for event in events:
        if event["type"] == "deposited" and event["reason"] == "difference":
            yield f"{event['amount']} {event['asset']} at {event['venue']}"


def _violations(journal: Path) -> list[str]:
    """Return what `trioarb verify` finds."""
    verifier = Verifier()
    with open_journal(journal) as stored:
        verifier.fold(stored.records())
    return [f"verify: {one.check.value}: {one}" for one in verifier.result().violations[:5]]
