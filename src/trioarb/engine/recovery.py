"""Go on with a campaign that a crash cut off, or that had ended: learn what happened meanwhile, and finish it."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import structlog
import trio

from trioarb import __version__
from trioarb.engine.balances import differing_balances
from trioarb.engine.campaign import Campaign, describe
from trioarb.engine.opening import record_instruments
from trioarb.engine.pairs import finish_pairs, learn_late_orders
from trioarb.engine.past import Past
from trioarb.errors import CampaignError, VenueError
from trioarb.execution.sender import intent_of
from trioarb.model.event import (
    BalanceDiffered,
    CampaignResumed,
    Deposited,
    PairOpened,
    StopCleared,
)
from trioarb.model.number import EXACT, ZERO
from trioarb.model.order import Order, Purpose, Side
from trioarb.model.trade import EndedBy, ExitReason, PairKind
from trioarb.state.trades import PairFlows
from trioarb.time.campaign_time import SECOND_NS, Turn

__all__ = ["find_lost_orders", "recover", "resume"]

#: How far before the journal's last event venues are asked for orders that it may have lost.
_LOOK_BACK_NS = 3600 * SECOND_NS
#: How often, and how long after each other, a venue that does not answer is asked for its orders.
_ATTEMPTS = 10
_PAUSE_NS = 3 * SECOND_NS
#: How long venues may take to say what became of orders whose pair had ended; they are asked again later.
_LEARNING_SECONDS = 60


async def find_lost_orders(campaign: Campaign, past: Past) -> list[Order]:
    """Return our orders that venues know and the journal doesn't, by their numbers. Nothing is recorded or sent.

    Raises:
        CampaignError: a venue doesn't say, and the journal may have lost some.
    """
    prefix, lost = f"{campaign.campaign_id}-", list[Order]()
    for venue, exchange in campaign.world.exchanges.items():
        symbols = [symbol for symbol in campaign.symbols if venue in campaign.world.instruments[symbol]]
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                orders = await exchange.orders(symbols, past.last_ts_ns - _LOOK_BACK_NS)
                break
            except Exception as error:
                problem = describe(error)
            if past.every_order:
                # Every order that was sent stands in the journal; nothing can have been lost.
                _log().warning("a venue does not say its orders", venue=venue, error=problem)
                orders = ()
                break
            if attempt == _ATTEMPTS:
                raise CampaignError(
                    f"{venue} does not say which orders there were ({problem}), and the journal may have lost some; "
                    "nothing was traded: try again when the venue can be asked"
                )
            await campaign.parts.time.sleep(_PAUSE_NS, Turn.VENUE.order(venue=venue, number=4))
        ours = {one.order.client_order_id: one for one in orders if one.order.client_order_id.startswith(prefix)}
        past.told.update(ours)
        lost += (one.order for order_id, one in ours.items() if order_id not in past.known_orders)
    return sorted(lost, key=lambda order: _place(order.client_order_id))


async def resume(campaign: Campaign, past: Past) -> None:
    """Record that the campaign goes on. Orders get ids that no earlier order can have had."""
    journal, before = campaign.parts.journal, campaign.state.statistics.resumed
    number = 1 if before is None else before.number + 1
    journal.record(
        CampaignResumed(
            number=number,
            version=__version__,
            config_digest=campaign.config.digest,
            last_seq=journal.seq,
            last_ts_ns=journal.last_ns,
            close_only=past.close_only,
            warnings=campaign.warnings,
        )
    )
    # A resume that the journal lost may have sent some too.
    stretch = max([number, *(_place(order_id)[0] + 1 for order_id in past.told)])
    campaign.parts.executor.order_prefix = f"{campaign.campaign_id}-r{stretch}-"
    if past.clear_stop:
        journal.record(StopCleared())
    record_instruments(campaign)
    _book_lost_grants(campaign)
    # Virtual time has moved already; without this, market data would not let it stand while the others begin.
    campaign.parts.time.yield_soon()


def _book_lost_grants(campaign: Campaign) -> None:
    """Record inventory that a simulated venue granted, and the journal lost."""
    parts = campaign.parts
    for symbol, by_venue in parts.instruments.items():
        for venue, instrument in by_venue.items():
            if (venue, symbol) not in parts.ledger.granted:
                amount = parts.venues[venue].seed_inventory(instrument, None)
                if amount:
                    deposited = Deposited(
                        venue=venue, asset=instrument.base, amount=amount, reason="inventory", symbol=symbol
                    )
                    parts.journal.record(deposited)


async def recover(campaign: Campaign, past: Past, lost: Sequence[Order]) -> None:
    """Bring everything that was in flight to its end, and compare the books with the venues. Market data runs.

    Also when the campaign ends meanwhile: without it the books would be wrong.
    """
    # Every step has a deadline of its own: one for all of them would leave pairs in flight, or orders unknown.
    while lost:
        lost = _adopt(campaign, past, lost)
        await finish_pairs(campaign)
    await finish_pairs(campaign)
    with trio.move_on_after(_LEARNING_SECONDS):
        await learn_late_orders(campaign)
    await _compare_balances(campaign)
    if campaign.state.statistics.is_stopped:
        campaign.end(EndedBy.EMERGENCY_STOP)
    elif past.close_only:
        campaign.end(EndedBy.CLOSE_ONLY)


async def _compare_balances(campaign: Campaign) -> None:
    """Hold the ledger against what the venues say they hold; record what differs, and book it.

    Orders of unknown fate may explain a difference: then it is only named, since it is booked when their fate is known.
    """
    journal = campaign.parts.journal
    for venue in campaign.world.exchanges:
        try:
            found = await differing_balances(campaign, venue)
        except (CampaignError, VenueError) as error:
            campaign.end(EndedBy.ERROR, str(error))
            continue
        is_certain = not any(order.submitted.venue == venue for order in campaign.parts.trades.orders.values())
        for one in found:
            says = f"{venue} held {one.held} {one.asset} when the campaign was resumed, the ledger said {one.booked}"
            if not is_certain:
                campaign.problems.append(f"{says}; an order there had no last word yet")
                continue
            journal.record(BalanceDiffered(venue=venue, asset=one.asset, held=one.held, booked=one.booked))
            difference = EXACT.subtract(one.held, one.booked)
            journal.record(Deposited(venue=venue, asset=one.asset, amount=difference, reason="difference"))
            campaign.problems.append(f"{says}; the difference is booked as a deposit")


def _adopt(campaign: Campaign, past: Past, lost: Sequence[Order]) -> list[Order]:
    """Record orders that the journal lost, for each symbol those of one pair; return those whose turn comes later.

    That pair is the one in flight, if there is one: it has to end before the next.
    """
    trades, rest = campaign.parts.trades, list[Order]()
    for symbol in dict.fromkeys(order.symbol for order in lost):
        orders = [order for order in lost if order.symbol == symbol]
        flows = next((one for one in trades.pairs.values() if one.opened.symbol == symbol), None)
        if flows is None:
            flows = trades.pairs[_reconstruct(campaign, past, orders).pair_id]
        count = _adopt_into(campaign, past, flows, orders)
        rest += orders[count:]
        if count:
            campaign.findings.append(
                f"{symbol}: the venues knew {count} orders that the journal had lost; booked as {flows.opened.pair_id}"
            )
    return rest


def _adopt_into(campaign: Campaign, past: Past, flows: PairFlows, orders: Sequence[Order]) -> int:
    """Record the first of these orders of a symbol, as many as can be of this pair; return how many.

    Its legs go out together, with numbers that follow each other. All that comes after them evens out what they left.
    """
    trades, opened = campaign.parts.trades, flows.opened
    bought, sold = flows.bought, flows.sold
    for one in trades.orders.values():
        told = past.told.get(one.submitted.client_order_id)
        if one.pair is flows and told is not None and told.report is not None:
            late = EXACT.subtract(told.report.filled, one.filled)
            bought, sold = _filled(opened, one.submitted.venue, one.submitted.side, late, bought, sold)
    expects_legs = any(unsent.pair_id == opened.pair_id for unsent in trades.unsent)
    for count, order in enumerate(orders):
        imbalance = EXACT.subtract(bought, sold)
        if expects_legs and _is_leg(opened, order) and (not count or (count == 1 and _are_legs(orders[0], order))):
            purpose = Purpose.LEG
        elif (
            order.venue in (opened.buy_venue, opened.sell_venue)
            and order.quantity <= abs(imbalance)
            and order.side is (Side.SELL if imbalance > 0 else Side.BUY)
            and (remedy := _remedy(opened, order)) is not None
        ):
            purpose = remedy
        else:
            return count
        _record_submitted(campaign, opened, order, purpose)
        report = past.told[order.client_order_id].report
        if report is not None:
            bought, sold = _filled(opened, order.venue, order.side, report.filled, bought, sold)
    return len(orders)


def _filled(
    opened: PairOpened, venue: str, side: Side, quantity: Decimal, bought: Decimal, sold: Decimal
) -> tuple[Decimal, Decimal]:
    """Return what a pair bought and sold, net, with a fill at one of its venues."""
    signed = quantity if side is Side.BUY else EXACT.minus(quantity)
    if venue == opened.buy_venue:
        return EXACT.add(bought, signed), sold
    return bought, EXACT.subtract(sold, signed)


def _is_leg(opened: PairOpened, order: Order) -> bool:
    venue = opened.buy_venue if order.side is Side.BUY else opened.sell_venue
    return order.venue == venue and order.quantity == opened.quantity


def _are_legs(first: Order, second: Order) -> bool:
    """Whether two orders of a symbol went out together."""
    (stretch, number), place = _place(first.client_order_id), _place(second.client_order_id)
    return (
        place == (stretch, number + 1)
        and first.side is not second.side
        and first.venue != second.venue
        and first.quantity == second.quantity
    )


def _remedy(opened: PairOpened, order: Order) -> Purpose | None:
    """Return what an order was for that evened out a pair; ``None``: no such pair sends it, for no exit is unwound."""
    lagging = opened.buy_venue if order.side is Side.BUY else opened.sell_venue
    if opened.kind is PairKind.EXIT:
        return Purpose.COMPLETE if order.venue == lagging else None
    return Purpose.HEDGE if order.venue == lagging else Purpose.UNWIND


def _is_unwound(past: Past, orders: Sequence[Order]) -> bool:
    """Whether these orders begin with legs of which one was unwound, as only an entry's are."""
    legs = orders[:2] if len(orders) > 1 and _are_legs(orders[0], orders[1]) else orders[:1]
    if len(orders) == len(legs):
        return False
    follows, filled = orders[len(legs)], ZERO
    for leg in legs:
        report = past.told[leg.client_order_id].report
        if report is not None:
            is_opposite = leg.venue == follows.venue and leg.side is not follows.side
            filled = EXACT.add(filled, report.filled if is_opposite else EXACT.minus(report.filled))
    return follows.quantity <= filled


def _reconstruct(campaign: Campaign, past: Past, orders: Sequence[Order]) -> PairOpened:
    """Record the pair that the first of these orders must have been a leg of: an exit, if a position fits it."""
    trades, first = campaign.parts.trades, orders[0]
    other = next((order for order in orders if order.venue != first.venue and order.side is not first.side), None)
    buy, sell = (first, other) if first.side is Side.BUY else (other, first)
    fitting = [
        one
        for one in trades.positions(first.symbol)
        if (buy is None or buy.venue == one.route.sell_venue)
        and (sell is None or sell.venue == one.route.buy_venue)
        and one.quantity >= first.quantity
        and not _is_unwound(past, orders)
    ]
    position = next((one for one in fitting if one.quantity == first.quantity), fitting[0] if fitting else None)
    if position is not None:
        buy_venue, sell_venue = position.route.sell_venue, position.route.buy_venue
    else:
        elsewhere = next(venue for venue in campaign.world.instruments[first.symbol] if venue != first.venue)
        buy_venue = buy.venue if buy else elsewhere
        sell_venue = sell.venue if sell else elsewhere
    number = trades.next_number
    higher = max(order.limit_price for order in (first, other) if order is not None)
    usd = campaign.symbols[first.symbol].market.usd_per_quote
    opened = PairOpened(
        pair_id=f"p{number}",
        trade_id=f"t{number}" if position is None else position.trade_id,
        kind=PairKind.ENTRY if position is None else PairKind.EXIT,
        symbol=first.symbol,
        buy_venue=buy_venue,
        sell_venue=sell_venue,
        quantity=first.quantity,
        buy_limit=(buy or first).limit_price,
        sell_limit=(sell or first).limit_price,
        reserved_usd=EXACT.multiply(EXACT.multiply(first.quantity, higher), usd) if position is None else ZERO,
        reason=None if position is None else ExitReason.RECOVERY,
        recovered=True,
    )
    campaign.parts.journal.record(opened)
    return opened


def _record_submitted(campaign: Campaign, opened: PairOpened, order: Order, purpose: Purpose) -> None:
    instrument = campaign.parts.instruments[order.symbol][order.venue]
    campaign.parts.journal.record(intent_of(order, instrument, opened.pair_id, purpose))


def _place(client_order_id: str) -> tuple[int, int]:
    """Return an order's place in time: the stretch it was sent in (0 before the first resume), and its number."""
    stretch, _, number = client_order_id.rpartition("-")
    resumed = stretch.rpartition("-r")[2] if "-r" in stretch else ""
    return int(resumed) if resumed.isdigit() else 0, int(number) if number.isdigit() else 0


def _log() -> structlog.stdlib.BoundLogger:
    log: structlog.stdlib.BoundLogger = structlog.get_logger("trioarb.recovery")
    return log
