"""What a plugin may answer: each value is checked for its type, and whether it can be."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from enum import Enum
from functools import partial
from itertools import islice
from math import isfinite
from typing import Any, TypeVar

from trioarb.errors import clean, cut, shown
from trioarb.model.account import AccountStanding, LimitUsed
from trioarb.model.contract import Charge, ChargeKind, Contracts, ContractTerms
from trioarb.model.event import GuardTripped
from trioarb.model.given import FACTOR_DIGITS, MOST_AFTER, MOST_BEFORE, MOST_DIGITS, is_too_long
from trioarb.model.liquidation import Liquidation
from trioarb.model.market import Instrument, InstrumentStatus, Listing, TradingRules, Triangle
from trioarb.model.number import BPS, EXACT, ZERO, text
from trioarb.model.order import Fill, Offer, Order, OrderReport, OrderStatus, OrderUpdate, Side, VenueOrder
from trioarb.model.rules import TickRange, check_ticks
from trioarb.model.trade import Account, Answer, Opportunity, OrderSize, Quoting, Refusal
from trioarb.plugin.contract.market import Levels
from trioarb.plugin.contract.strategy import ExitBand

__all__ = [
    "MOST_ANSWERS",
    "Nonsense",
    "check_account_id",
    "check_amount",
    "check_balances",
    "check_band",
    "check_charges",
    "check_contracts",
    "check_edge",
    "check_fees",
    "check_float",
    "check_instruments",
    "check_limits",
    "check_levels",
    "check_liquidations",
    "check_listings",
    "check_names",
    "check_offers",
    "check_order_size",
    "check_orders",
    "check_positions",
    "check_refusal",
    "check_report",
    "check_rules",
    "check_standing",
    "check_stats",
    "check_texts",
    "check_triangles",
    "check_tripped",
    "check_update",
    "check_updates",
    "check_whole",
    "is_a",
]

T = TypeVar("T")

#: So short a text without an exponent has no more digits than any number may have, before the point and after it.
_FEW_CHARACTERS = 30
_LONGEST_NAME, _LONGEST_TEXT = 200, 500
_ACCOUNT_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
#: How much a guard may trip at a time, and how many lines of warnings it may have.
MOST_ANSWERS = 1_000
#: The largest venues list some four thousand.
_MOST_ASSETS = 10_000
#: Figures that a guard tier may say of itself: some for each symbol.
_MOST_FIGURES = 1_000_000
#: What a venue may take of a fill, or give for it: as the settings of the paper venue allow.
_LEAST_FEE_BPS, _MOST_FEE_BPS = Decimal(-100), Decimal(1000)


class Nonsense(ValueError):
    """An answer that can't be: which field, what it is, and what was expected."""


def _nonsense(field: str, value: object, expected: str) -> Nonsense:
    return Nonsense(
        f"{field} = {shown(value)}; expected {expected}" if field else f"{shown(value)}; expected {expected}"
    )


def is_a(value: object, kind: type[T] | tuple[type[T], ...], field: str = "") -> T:
    """Return the value if it is of that kind.

    Raises:
        Nonsense: it isn't.
    """
    if isinstance(value, kind):
        return value
    kinds = kind if isinstance(kind, tuple) else (kind,)
    raise _nonsense(field, value, " or ".join(one.__name__ for one in kinds))


def check_amount(
    value: object,
    field: str = "",
    *,
    above: Decimal | None = None,
    at_least: Decimal | None = None,
    digits: int = MOST_DIGITS,
    after: int = MOST_AFTER,
) -> Decimal:
    """Return an amount of money or of an asset: a finite Decimal within the bounds, of no more digits than can be."""
    expected = "a finite Decimal"
    if above is not None or at_least is not None:
        expected += f" > {above}" if above is not None else f" ≥ {at_least}"
    if isinstance(value, float):
        expected += ", not a float: `decimal_of`, `Fill.of` and the like make one, exactly"
    if not isinstance(value, Decimal) or not value.is_finite():
        raise _nonsense(field, value, expected)
    if not _is_plain(value) and is_too_long(value, digits, after):
        raise _nonsense(field, value, f"no more than {MOST_BEFORE} digits before the point and {after} after it")
    if (above is not None and value <= above) or (at_least is not None and value < at_least):
        raise _nonsense(field, value, expected)
    return value


#: A price, a size or a fill.
_factor = partial(check_amount, digits=FACTOR_DIGITS, after=FACTOR_DIGITS)


def _is_plain(value: object) -> bool:
    """Whether it is a Decimal that is not negative, and short enough to be any number; seen at little cost."""
    if type(value) is not Decimal:
        return False
    digits = str(value)
    return len(digits) <= _FEW_CHARACTERS and digits.replace(".", "").isdigit()


def check_float(value: object, field: str) -> float:
    """Return a number of market data. NaN and infinity are some, too: the sinks know what they mean."""
    if isinstance(value, bool) or not isinstance(value, float | int):
        raise _nonsense(field, value, "a float")
    try:
        return float(value)
    except OverflowError:
        raise _nonsense(field, value, "a float") from None


def check_levels(value: object, most: int, field: str) -> Levels:
    """Return levels beyond the best as tuples of floats, at most so many a side."""
    parts = tuple(_items(value, field))
    if len(parts) != 4:
        raise _nonsense(field, value, "prices and sizes of bids, and of asks")
    bids, bid_sizes, asks, ask_sizes = (_floats(part, f"{field}[{number}]") for number, part in enumerate(parts))
    if len(bids) != len(bid_sizes) or len(asks) != len(ask_sizes):
        raise _nonsense(field, value, "as many sizes as prices")
    return bids[:most], bid_sizes[:most], asks[:most], ask_sizes[:most]


def _floats(value: object, field: str) -> tuple[float, ...]:
    if hasattr(value, "tolist"):  # of numpy, or of the standard library
        value = value.tolist()
    numbers = tuple(_items(value, field))
    if not set(map(type, numbers)) <= {float}:
        numbers = tuple(check_float(one, f"{field}[{number}]") for number, one in enumerate(numbers))
    return numbers


def check_whole(value: object, field: str = "") -> int:
    """Return a whole number of 64 bits that isn't negative."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**63:
        raise _nonsense(field, value, "a whole number ≥ 0")
    return value


def _name(value: object, field: str, *, may_be_empty: bool = False) -> str:
    """Return a name or an id: printable text, so that it can be written, read back, and shown."""
    if not isinstance(value, str) or not value.isprintable() or len(value) > _LONGEST_NAME:
        raise _nonsense(field, value, f"printable text of no more than {_LONGEST_NAME} characters")
    if not value and not may_be_empty:
        raise _nonsense(field, value, "a name that isn't empty")
    return value


def check_reason(value: object) -> str:
    """Return why a plugin wants something: recorded, and compared with what it says later."""
    return _name(value, "reason")


def _text(value: object, field: str) -> str:
    """Return what is only shown, made printable."""
    text = is_a(value, str, field)
    if not text.isprintable():
        text = clean(text).replace("\n", " ")
    return cut(text, _LONGEST_TEXT)


def _items(value: object, field: str = "") -> Sequence[Any]:
    if type(value) is tuple:
        return value
    if isinstance(value, str | bytes) or not isinstance(value, Sequence):
        raise _nonsense(field, value, "a list or a tuple")
    return value


def check_texts(value: object) -> list[str]:
    """Return lines to show."""
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        raise _nonsense("", value, "lines of text")
    return [_text(one, f"line {number}") for number, one in enumerate(islice(value, MOST_ANSWERS), 1)]


def check_names(value: object, field: str, known: frozenset[str]) -> tuple[str, ...]:
    """Return names, each of them known."""
    names = tuple(_items(value, field))
    for number, name in enumerate(names):
        if not isinstance(name, str) or name not in known:
            raise _nonsense(f"{field}[{number}]", name, "one of the symbols that were asked for")
    return names


def check_listings(value: object) -> Sequence[Listing]:
    listings = tuple(_items(value))
    for number, one in enumerate(listings):
        listing = is_a(one, Listing, f"[{number}]")
        where = f"[{number}]"
        _name(listing.symbol, f"{where}.symbol")
        _name(listing.base, f"{where}.base")
        _name(listing.quote, f"{where}.quote")
        if listing.volume_24h_quote is not None:
            check_amount(listing.volume_24h_quote, f"{where}.volume_24h_quote", at_least=ZERO)
        if listing.price_step is not None:
            _factor(listing.price_step, f"{where}.price_step", above=ZERO)
        for name in ("venue_quote", "venue_name"):
            if getattr(listing, name) is not None:
                _name(getattr(listing, name), f"{where}.{name}")
    return listings


def check_rules(value: object, field: str = "") -> TradingRules:
    rules, prefix = is_a(value, TradingRules, field), f"{field}." if field else ""
    for name in ("tick_size", "lot_size"):
        if getattr(rules, name) is not None:
            _factor(getattr(rules, name), f"{prefix}{name}", above=ZERO)
    for name in ("min_notional", "min_quantity"):
        if getattr(rules, name) is not None:
            _factor(getattr(rules, name), f"{prefix}{name}", at_least=ZERO)
    if rules.ticks:
        _check_ticks(is_a(rules.ticks, tuple, f"{prefix}ticks"), f"{prefix}ticks")
    return rules


def _check_ticks(ticks: Sequence[object], field: str) -> None:
    checked = [is_a(one, TickRange, f"{field}[{number}]") for number, one in enumerate(ticks)]
    for number, one in enumerate(checked):
        _factor(one.step, f"{field}[{number}].step", above=ZERO)
        _factor(one.at_least, f"{field}[{number}].at_least", at_least=ZERO)
        if one.below is not None:
            _factor(one.below, f"{field}[{number}].below", above=ZERO)
    try:
        check_ticks(checked)
    except ValueError as error:
        raise Nonsense(str(error)) from None


def check_instruments(value: object, venue: str, listings: Sequence[Listing]) -> dict[str, Instrument]:
    """Return instruments by symbol: those of some of the ``listings``."""
    offered = {listing.symbol: listing for listing in listings}
    instruments = dict(is_a(value, Mapping).items())
    for symbol, one in instruments.items():
        listing = offered.get(symbol) if isinstance(symbol, str) else None
        if listing is None:
            raise _nonsense("a symbol", symbol, "one of the listings that were asked about")
        instrument = check_instrument(one, venue, symbol)
        for name, known in (("symbol", symbol), ("base", listing.base), ("quote", listing.quote)):
            if getattr(instrument, name) != known:
                raise _nonsense(f"{symbol}.{name}", getattr(instrument, name), repr(known))
        if instrument.counts_as is not None:
            raise _nonsense(f"{symbol}.counts_as", instrument.counts_as, "None: the key same_as says that")
    return instruments


def check_instrument(value: object, venue: str, symbol: str = "") -> Instrument:
    """Return an instrument of a venue."""
    instrument = is_a(value, Instrument, symbol)
    symbol = symbol or _name(instrument.symbol, "symbol")
    if instrument.venue != venue:
        raise _nonsense(f"{symbol}.venue", instrument.venue, repr(venue))
    for name in ("native_id", "base", "quote"):
        _name(getattr(instrument, name), f"{symbol}.{name}")
    check_rules(instrument.rules, f"{symbol}.rules")
    is_a(instrument.status, InstrumentStatus, f"{symbol}.status")
    if instrument.fee_asset is not None:
        _name(instrument.fee_asset, f"{symbol}.fee_asset")
    if instrument.contract is not None:
        _check_terms(is_a(instrument.contract, ContractTerms, f"{symbol}.contract"), f"{symbol}.contract")
    for name in ("maker_fee_bps", "taker_fee_bps"):
        fee = _factor(getattr(instrument, name), f"{symbol}.{name}")
        if not _LEAST_FEE_BPS <= fee <= _MOST_FEE_BPS:
            raise _nonsense(f"{symbol}.{name}", fee, f"from {_LEAST_FEE_BPS} to {_MOST_FEE_BPS}")
    return instrument


def _check_terms(terms: ContractTerms, field: str) -> None:
    _factor(terms.leverage, f"{field}.leverage", above=ZERO)
    kept = _factor(terms.maintenance_margin_bps, f"{field}.maintenance_margin_bps", at_least=ZERO)
    if kept >= BPS:
        raise _nonsense(f"{field}.maintenance_margin_bps", kept, f"below {BPS}")
    for name in ("funding_bps", "funding_interval_hours"):
        if getattr(terms, name) is not None:
            _factor(getattr(terms, name), f"{field}.{name}")


def check_contracts(instruments: Mapping[str, Instrument], account: Account) -> None:
    """See that a perpetual account lists contracts, and no other does."""
    for symbol, instrument in instruments.items():
        contract = instrument.contract
        if (contract is not None) != (account is Account.PERPETUAL):
            what = (
                "that of a perpetual account: how it is margined" if contract is None else f"None, on {account.value}"
            )
            raise _nonsense(f"{symbol}.contract", contract, what)


def check_positions(value: object, instruments: Mapping[str, Instrument]) -> Mapping[str, Contracts]:
    """Return what is held of contracts that are listed."""
    positions = dict(islice(is_a(value, Mapping).items(), _MOST_ASSETS + 1))
    if len(positions) > _MOST_ASSETS:
        raise Nonsense(f"more than {_MOST_ASSETS:,} positions")
    found: dict[str, Contracts] = {}
    for symbol, one in positions.items():
        _name(symbol, "a symbol")
        held = is_a(one, Contracts, symbol)
        quantity = check_amount(held.quantity, f"{symbol}.quantity")
        cost = check_amount(held.cost, f"{symbol}.cost")
        if symbol in instruments and quantity:
            found[symbol] = Contracts(quantity, cost)
    return found


def check_charges(value: object, instruments: Mapping[str, Instrument]) -> Sequence[Charge]:
    """Return what a venue charged for symbols that are listed, in the order of its times."""
    charges = [is_a(one, Charge, f"[{number}]") for number, one in enumerate(_items(value, "charges"))]
    last_ns = 0
    for number, one in enumerate(charges):
        _name(one.charge_id, f"[{number}].charge_id")
        is_a(one.kind, ChargeKind, f"[{number}].kind")
        if check_whole(one.ts_ns, f"[{number}].ts_ns") < last_ns:
            raise _nonsense(f"[{number}].ts_ns", one.ts_ns, f"in the order of time, {last_ns} or later")
        last_ns = one.ts_ns
        instrument = instruments.get(_name(one.symbol, f"[{number}].symbol"))
        if instrument is None:
            raise _nonsense(f"[{number}].symbol", one.symbol, "one that is listed")
        if one.asset != instrument.quote:
            raise _nonsense(f"[{number}].asset", one.asset, repr(instrument.quote))
        _factor(one.quantity, f"[{number}].quantity")
        _factor(one.mark, f"[{number}].mark", above=ZERO)
        _factor(one.rate_bps, f"[{number}].rate_bps")
        check_amount(one.amount, f"[{number}].amount")
        if not one.quantity:
            raise _nonsense(f"[{number}].quantity", one.quantity, "what was held, not 0")
    return charges


def check_liquidations(value: object, instruments: Mapping[str, Instrument]) -> Sequence[Liquidation]:
    """Return which contracts a venue closed by force, of those that are listed, in the order of its times."""
    found = [is_a(one, Liquidation, f"[{number}]") for number, one in enumerate(_items(value, "liquidations"))]
    last_ns = 0
    for number, one in enumerate(found):
        field = f"[{number}]"
        _name(one.liquidation_id, f"{field}.liquidation_id")
        is_a(one.side, Side, f"{field}.side")
        if check_whole(one.ts_ns, f"{field}.ts_ns") < last_ns:
            raise _nonsense(f"{field}.ts_ns", one.ts_ns, f"in the order of time, {last_ns} or later")
        last_ns = one.ts_ns
        instrument = instruments.get(_name(one.symbol, f"{field}.symbol"))
        if instrument is None or instrument.contract is None:
            raise _nonsense(f"{field}.symbol", one.symbol, "a contract that is listed")
        fills = _items(one.fills, f"{field}.fills")
        for place, fill in enumerate(fills):
            _check_fill(is_a(fill, Fill, f"{field}.fills[{place}]"), f"{field}.fills[{place}]")
        if not fills or len({fill.fill_id for fill in fills}) < len(fills):
            raise Nonsense(f"{field} without fills, or one fill twice")
        check_fees(fills, instrument)
        if one.mark is not None:
            _factor(one.mark, f"{field}.mark", above=ZERO)
        for name in ("balance", "maintenance"):
            if getattr(one, name) is not None:
                check_amount(getattr(one, name), f"{field}.{name}")
    return found


def check_balances(value: object, account: Account) -> Mapping[str, Decimal]:
    """Return what is owned by asset; a spot account can't owe anything."""
    balances = dict(islice(is_a(value, Mapping).items(), _MOST_ASSETS + 1))
    if len(balances) > _MOST_ASSETS:
        raise Nonsense(f"more than {_MOST_ASSETS:,} assets; leave out those of which nothing is owned")
    for asset, amount in balances.items():
        _name(asset, "an asset")
        check_amount(amount, asset, at_least=ZERO if account is Account.SPOT else None)
    return balances


def check_account_id(value: object) -> str:
    """Return what tells an account from others: a name that a file can have, or ''."""
    found = is_a(value, str, "account_id")
    if found and not _ACCOUNT_ID.fullmatch(found):
        raise _nonsense("account_id", found, "up to 64 letters, digits, - and _")
    return found


def check_standing(value: object) -> AccountStanding:
    """Return what a venue says of an account."""
    found = is_a(value, AccountStanding)
    for name in ("can_trade", "can_withdraw", "is_bound"):
        if getattr(found, name) is not None:
            is_a(getattr(found, name), bool, name)
    if found.clock_offset_ms is not None:
        _finite(found.clock_offset_ms, "clock_offset_ms")
    check_limits(found.limits, "limits")
    return found


def check_limits(value: object, field: str = "") -> tuple[LimitUsed, ...]:
    """Return what is used of a venue's limits."""
    limits = tuple(_items(value, field))
    for number, one in enumerate(limits):
        place = f"{field}[{number}]"
        is_a(one, LimitUsed, place)
        _name(one.name, f"{place}.name")
        check_whole(one.count, f"{place}.count")
        check_whole(one.used, f"{place}.used")
        _finite(one.seconds, f"{place}.seconds")
    return limits


def _finite(value: object, field: str) -> float:
    found = check_float(value, field)
    if not isfinite(found):
        raise _nonsense(field, value, "a finite number")
    return found


def check_report(value: object, order: Order | None, instrument: Instrument | None) -> OrderReport:
    """Return a report, its reason made printable; held against ``order`` and ``instrument``, if known."""
    report = is_a(value, OrderReport)
    fills = tuple(_items(report.fills, "fills"))
    reason = _text(report.reason, "reason")
    if type(report) is not OrderReport or fills is not report.fills or reason != report.reason:
        report = OrderReport(  # from here on nothing is read of theirs again
            client_order_id=report.client_order_id,
            venue_order_id=report.venue_order_id,
            status=report.status,
            fills=fills,
            reason=reason,
        )
    _name(report.client_order_id, "client_order_id")
    _name(report.venue_order_id, "venue_order_id", may_be_empty=True)
    is_a(report.status, OrderStatus, "status")
    for number, one in enumerate(fills):
        _check_fill(is_a(one, Fill, f"fills[{number}]"), f"fills[{number}]")
    if len(fills) > 1 and len({fill.fill_id for fill in fills}) < len(fills):
        raise Nonsense("one fill twice")
    if report.status is OrderStatus.REJECTED and fills:
        raise Nonsense("fills of an order that it rejected")
    if order is not None:
        _check_against(report, order)
    if instrument is not None:
        check_fees(fills, instrument)
    return report


def check_update(value: object, field: str = "") -> OrderUpdate:
    """Return a message about an order, its reason made printable. Whether it fits its order, the order's life says."""
    update, prefix = is_a(value, OrderUpdate, field), f"{field}." if field else ""
    fills = tuple(_items(update.fills, f"{prefix}fills"))
    reason = _text(update.reason, f"{prefix}reason")
    if type(update) is not OrderUpdate or fills is not update.fills or reason != update.reason:
        update = OrderUpdate(  # from here on nothing is read of theirs again
            client_order_id=update.client_order_id,
            venue_order_id=update.venue_order_id,
            status=update.status,
            fills=fills,
            filled=update.filled,
            quantity=update.quantity,
            reason=reason,
        )
    _name(update.client_order_id, f"{prefix}client_order_id")
    _name(update.venue_order_id, f"{prefix}venue_order_id", may_be_empty=True)
    status = is_a(update.status, OrderStatus, f"{prefix}status")
    for number, one in enumerate(fills):
        _check_fill(is_a(one, Fill, f"{prefix}fills[{number}]"), f"{prefix}fills[{number}]")
    if update.filled is not None:
        _factor(update.filled, f"{prefix}filled", at_least=ZERO)
    elif status.is_final and status is not OrderStatus.REJECTED:
        raise _nonsense(f"{prefix}filled", None, f"how much was filled, of an order that is {status.value}")
    if update.quantity is not None:
        _factor(update.quantity, f"{prefix}quantity", at_least=ZERO)
    if status is OrderStatus.REJECTED and (fills or update.filled):
        raise Nonsense("fills of an order that it rejected")
    return update


def check_updates(value: object) -> Sequence[OrderUpdate]:
    """Return messages about orders."""
    return [check_update(one, f"[{number}]") for number, one in enumerate(_items(value))]


def check_fees(fills: Sequence[Fill], instrument: Instrument) -> None:
    """See that fees can be those of fills of an instrument."""
    for number, fill in enumerate(fills):
        _check_fee(fill, number, instrument)


def check_offers(value: object, field: str = "offers") -> frozenset[Offer]:
    """Return what a venue offers, or is asked for."""
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        raise _nonsense(field, value, "a set of Offer")
    return frozenset(is_a(one, Offer, field) for one in islice(value, MOST_ANSWERS))


def _check_fill(fill: Fill, field: str) -> None:
    _name(fill.fill_id, f"{field}.fill_id")
    _name(fill.fee_asset, f"{field}.fee_asset")
    if not (
        _is_plain(fill.quantity) and fill.quantity and _is_plain(fill.price) and fill.price and _is_plain(fill.fee)
    ):
        _factor(fill.quantity, f"{field}.quantity", above=ZERO)
        _factor(fill.price, f"{field}.price", above=ZERO)
        check_amount(fill.fee, f"{field}.fee")


def _check_against(report: OrderReport, order: Order) -> None:
    if report.client_order_id != order.client_order_id:
        raise _nonsense("client_order_id", report.client_order_id, f"that of the order, {order.client_order_id}")
    filled = report.fills[0].quantity if len(report.fills) == 1 else report.filled
    if filled > order.quantity and not order.amount:
        raise Nonsense(f"{text(filled)} filled of {text(order.quantity)}")
    limit, is_buy = order.limit_price, order.side is Side.BUY
    for number, fill in enumerate(report.fills):
        if limit and (fill.price > limit if is_buy else fill.price < limit):
            raise _nonsense(f"fills[{number}].price", fill.price, f"no worse than the limit {text(limit)}")


def _check_fee(fill: Fill, number: int, instrument: Instrument) -> None:
    if fill.fee_asset == instrument.quote:
        value = EXACT.multiply(fill.quantity, fill.price)
    elif fill.fee_asset == instrument.base:
        value = fill.quantity
    else:
        return  # what it is worth is found out by who knows the prices
    if not _LEAST_FEE_BPS * value <= fill.fee * BPS <= _MOST_FEE_BPS * value:
        raise _nonsense(
            f"fills[{number}].fee", fill.fee, f"from {_LEAST_FEE_BPS} to {_MOST_FEE_BPS} bps of what was traded"
        )


def check_orders(value: object, instruments: Mapping[str, Instrument]) -> Sequence[VenueOrder]:
    """Return a venue's orders, each of one of its instruments."""
    checked = []
    for number, one in enumerate(_items(value)):
        field = f"[{number}].order"
        order = is_a(is_a(one, VenueOrder, f"[{number}]").order, Order, field)
        _name(order.client_order_id, f"{field}.client_order_id")
        if order.symbol not in instruments or order.venue != instruments[order.symbol].venue:
            raise _nonsense(f"{field}.symbol", order.symbol, "a symbol that it was asked about")
        is_a(order.side, Side, f"{field}.side")
        for name in ("quantity", "limit_price", "amount"):
            _factor(getattr(order, name), f"{field}.{name}", at_least=ZERO)
        if one.report is not None:  # what became of the orders of others keeps to no rules of ours
            is_a(one.report, OrderReport, f"[{number}].report")
        checked.append(one)
    return checked


def check_refusal(value: object, asked: Opportunity) -> Refusal:
    """Return why an entry must not be made as it was asked about, its texts made printable."""
    if not isinstance(value, Refusal) or value.answer not in (Answer.REDUCE, Answer.DENY, Answer.STOP):
        raise _nonsense("", value, "a Refusal with REDUCE, DENY or STOP, or None")
    _name(value.rule, "rule")
    if value.answer is Answer.REDUCE:
        _check_largest(value.largest, asked)
    elif value.largest is not None:
        raise _nonsense("largest", value.largest, f"None, since the answer is {value.answer.value}")
    return _printable(value)


def check_doubt(value: object) -> Refusal:
    """Return why prices can't be relied on, its texts made printable."""
    if not isinstance(value, Refusal) or value.answer is not Answer.DENY:
        raise _nonsense("", value, "a Refusal with DENY, or None")
    _name(value.rule, "rule")
    if value.largest is not None:
        raise _nonsense("largest", value.largest, "None, since the answer is DENY")
    return _printable(value)


def _printable(refusal: Refusal) -> Refusal:
    refused, limit = _text(refusal.value, "value"), _text(refusal.limit, "limit")
    if (refused, limit) == (refusal.value, refusal.limit):
        return refusal
    return Refusal(answer=refusal.answer, rule=refusal.rule, value=refused, limit=limit, largest=refusal.largest)


def _check_largest(value: object, asked: Opportunity) -> None:
    """Check the size that is left by a guard: less than was asked about, and something."""
    largest = is_a(value, OrderSize, "largest")
    if largest.entry_bps is not None:
        raise _nonsense("largest.entry_bps", largest.entry_bps, "None: a guard bounds sizes only")
    sizes = {"usd": (largest.usd, asked.notional_usd), "base": (largest.base, asked.quantity)}
    for name, (size, _) in sizes.items():
        if size is not None:
            _factor(size, f"largest.{name}", above=ZERO)
    if not any(size is not None and size < of for size, of in sizes.values()):
        raise _nonsense(
            "largest", largest, f"less than was asked about, {asked.quantity} or {asked.notional_usd} USD; or None"
        )


def check_tripped(value: object) -> Sequence[GuardTripped]:
    """Return what a guard trips; no endless sequence."""
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        raise _nonsense("", value, "GuardTripped events")
    if type(value) in (tuple, list) and not value:
        return ()
    tripping = tuple(islice(value, MOST_ANSWERS + 1))
    if len(tripping) > MOST_ANSWERS:
        raise Nonsense(f"more than {MOST_ANSWERS} events at a time")
    for number, one in enumerate(tripping):
        field = f"[{number}]"
        tripped = is_a(one, GuardTripped, field)
        is_a(tripped.answer, Answer, f"{field}.answer")
        for name in ("tier", "rule"):
            _name(getattr(tripped, name), f"{field}.{name}")
        for name in ("value", "limit"):
            if _text(said := getattr(tripped, name), f"{field}.{name}") != said:
                raise _nonsense(f"{field}.{name}", said, f"printable text of no more than {_LONGEST_TEXT} characters")
        for name in ("symbol", "venue"):
            if getattr(tripped, name) is not None:
                _name(getattr(tripped, name), f"{field}.{name}")
        if tripped.until_ns is not None:
            check_whole(tripped.until_ns, f"{field}.until_ns")
    return tripping


def check_stats(value: object) -> Mapping[str, Any]:
    """Return figures for the summary: what JSON holds, and decimals."""
    if not isinstance(value, Mapping):
        raise _nonsense("", value, "a table of figures")
    return _Figures().table(value, "")


class _Figures:
    """Checks figures of a tier: all of them together are no more than what somebody could look at."""

    def __init__(self) -> None:
        self._left = _MOST_FIGURES

    def table(self, value: Mapping[object, object], field: str, depth: int = 0) -> dict[str, Any]:
        of = f" of {field}" if field else ""
        return {
            (name := _name(key, f"a key{of}")): self._figure(item, f"{field}.{name}".lstrip("."), depth)
            for key, item in value.items()
        }

    def _figure(self, value: object, field: str, depth: int) -> Any:
        self._left -= 1
        if self._left < 0:
            raise Nonsense(f"more than {_MOST_FIGURES:,} figures")
        if value is None or isinstance(value, bool | Enum):
            return value
        if isinstance(value, int):
            if abs(value) >= 10**MOST_DIGITS:
                raise Nonsense(f"{field} has more than {MOST_DIGITS} digits")
            return value
        if isinstance(value, Decimal):
            return check_amount(value, field)
        if isinstance(value, float):
            if value - value != 0:
                raise _nonsense(field, value, "a finite number")
            return value
        if isinstance(value, str):
            return _text(value, field)
        if depth < 8 and isinstance(value, Mapping):
            return self.table(value, field, depth + 1)
        if depth < 8 and isinstance(value, Sequence):
            return [self._figure(item, f"{field}[{number}]", depth + 1) for number, item in enumerate(value)]
        raise _nonsense(field, value, "a number, text, a list or a table of these")


def check_order_size(value: object, *, holds: bool = True) -> OrderSize:
    size = is_a(value, OrderSize)
    if size.usd is None and size.base is None:
        raise Nonsense("neither usd nor base; expected one of them")
    if size.usd is not None:
        _factor(size.usd, "usd", at_least=ZERO)
    if size.base is not None:
        _factor(size.base, "base", at_least=ZERO)
    if size.entry_bps is not None:
        check_amount(size.entry_bps, "entry_bps")
    if size.quoting is not None:
        _check_quoting(size.quoting, holds=holds)
    return size


def _check_quoting(value: object, *, holds: bool) -> None:
    quoting = is_a(value, Quoting, "quoting")
    if holds:
        raise Nonsense("quoting by a strategy that holds positions; expected holds = False")
    _text(quoting.venue, "quoting.venue")
    check_amount(quoting.entry_bps, "quoting.entry_bps")
    check_amount(quoting.reach_bps, "quoting.reach_bps", at_least=ZERO)
    check_amount(quoting.requote_bps, "quoting.requote_bps", at_least=ZERO)
    check_whole(quoting.least_ns, "quoting.least_ns")


def check_edge(value: object, field: str = "") -> float:
    """Return an edge to be asked from: any number, infinities too."""
    if type(value) is float and value == value:
        return value
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        raise _nonsense(field, value, "a number")
    return float(value)


def check_band(value: object) -> ExitBand:
    band = is_a(value, ExitBand)
    for name in ("edge_from_bps", "net_from_bps", "net_to_bps"):
        check_edge(getattr(band, name), name)
    if band.from_ns is not None:
        check_whole(band.from_ns, "from_ns")
    return band


def check_triangles(value: object, *, holds: bool) -> tuple[Triangle, ...]:
    """Return the triangles that a strategy goes around, each once."""
    found = tuple(is_a(one, Triangle, "triangles") for one in is_a(value, (tuple, list), "triangles"))
    if found and holds:
        raise Nonsense("triangles of a strategy that holds; expected holds = False: a loop leaves no position")
    return tuple(dict.fromkeys(found))
