"""Learn what venues do by themselves with what is held there: what they charge and pay, and what they liquidate."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

import structlog

from trioarb.engine.campaign import Campaign
from trioarb.errors import PluginFault, VenueError
from trioarb.model.contract import Charge
from trioarb.model.event import FundingPaid, OrderFilled, Record
from trioarb.model.number import EXACT, ZERO, share
from trioarb.model.trade import Account
from trioarb.time.campaign_time import SECOND_NS, Turn, seconds_to_ns

__all__ = ["charge_periodically", "learn_all_charges", "learn_what_was_missed"]

_ORDER = Turn.SERVICE.order(number=22)


async def charge_periodically(campaign: Campaign) -> None:
    """Ask venues at whole seconds (UTC) as long as something is held there that they charge for, or liquidate."""
    time, exchanges = campaign.parts.time, campaign.world.exchanges
    venues = [one for one, at in exchanges.items() if at.charging or at.liquidating]
    if not venues:
        return
    bell = time.bell(_ORDER)

    def observe(record: Record) -> None:
        if isinstance(record.event, OrderFilled) and record.event.venue in venues:
            bell.ring()

    campaign.parts.journal.attach(observers=[observe])
    asked_ns = dict.fromkeys(venues, 0)
    while True:
        holding = [venue for venue in venues if _holds(campaign, venue)]
        if not holding:
            await bell.wait(None)
            continue
        now_ns = time.now_ns()
        await time.sleep_until((now_ns // SECOND_NS + 1) * SECOND_NS, _ORDER)
        now_ns = time.now_ns()
        for venue in holding:
            if now_ns - asked_ns[venue] >= campaign.world.exchanges[venue].charge_every_seconds * SECOND_NS:
                asked_ns[venue] = now_ns
                await _learn(campaign, venue)


async def _learn(campaign: Campaign, venue: str) -> Sequence[Charge]:
    """Ask a venue what it did since it was asked last, and record it; return what it charged.

    One that doesn't say is asked again.
    """
    charges = await _learn_charges(campaign, venue)
    if campaign.world.exchanges[venue].liquidating:
        await _learn_liquidations(campaign, venue)
    return charges


async def _learn_charges(campaign: Campaign, venue: str) -> Sequence[Charge]:
    if not campaign.world.exchanges[venue].charging:
        return ()
    ledger = campaign.parts.ledger
    since_ns, known = ledger.charged(venue)
    try:
        charges = await campaign.world.exchanges[venue].charges(max(since_ns, campaign.state.statistics.opened_ns))
    except (PluginFault, VenueError) as error:
        _tell(campaign, venue, error, "a venue does not say what it charged")
        return ()
    new = [one for one in charges if one.ts_ns > since_ns or (one.ts_ns == since_ns and one.charge_id not in known)]
    for charge in new:
        for paid in _parts(campaign, venue, charge):
            campaign.parts.journal.record(paid)
    return new


async def _learn_liquidations(campaign: Campaign, venue: str) -> None:
    margins = campaign.state.margins
    since_ns, known = margins.liquidated(venue)
    try:
        found = await campaign.world.exchanges[venue].liquidations(max(since_ns, campaign.state.statistics.opened_ns))
    except (PluginFault, VenueError) as error:
        _tell(campaign, venue, error, "a venue does not say what it liquidated")
        return
    for one in found:
        if one.ts_ns > since_ns or (one.ts_ns == since_ns and one.liquidation_id not in known):
            campaign.parts.executor.withdraw(venue=venue)
            campaign.parts.executor.liquidate(campaign.parts.markets[one.symbol], venue, one)


def _tell(campaign: Campaign, venue: str, error: PluginFault | VenueError, what: str) -> None:
    """Name what a venue doesn't say: a fault of its plugin among the problems, all else in the log."""
    if not isinstance(error, PluginFault):
        structlog.get_logger("trioarb.engine").warning(what, venue=venue, error=str(error))
    elif str(error) not in campaign.problems:
        campaign.problems.append(str(error))


async def learn_all_charges(campaign: Campaign) -> None:
    """Ask all venues that charge for what is held there, or liquidate it."""
    for venue, exchange in campaign.world.exchanges.items():
        if exchange.charging or exchange.liquidating:
            await _learn(campaign, venue)


async def learn_what_was_missed(campaign: Campaign, since_ns: int) -> None:
    """Ask all venues as `learn_all_charges` does, and say which fundings passed while nothing ran, since then."""
    held = {venue: tuple(campaign.parts.ledger.contracts_at(venue)) for venue in campaign.world.exchanges}
    for venue, exchange in campaign.world.exchanges.items():
        if not exchange.charging and not exchange.liquidating:
            continue
        charges = await _learn(campaign, venue)
        for symbol in held[venue]:
            terms = campaign.state.margins.terms(venue, symbol)
            if terms is None or not terms.funding_interval_hours:
                continue
            interval_ns = seconds_to_ns(terms.funding_interval_hours * 3_600)
            passed = campaign.parts.time.now_ns() // interval_ns - since_ns // interval_ns
            if passed:
                booked = sum(one.symbol == symbol and one.ts_ns > since_ns for one in charges)
                campaign.findings.append(
                    f"{venue}: {passed} funding{'s' * (passed > 1)} of {symbol} passed while the campaign didn't run; "
                    f"the venue booked {booked} of them"
                )


def _holds(campaign: Campaign, venue: str) -> bool:
    """Return whether contracts are held at a venue, or something is borrowed there."""
    ledger = campaign.parts.ledger
    if campaign.world.exchanges[venue].account is Account.PERPETUAL:
        return bool(ledger.contracts_at(venue))
    return any(amount < 0 for amount in ledger.held(venue).values())


def _parts(campaign: Campaign, venue: str, charge: Charge) -> Iterator[FundingPaid]:
    """Yield the parts of a charge: of each position what its leg there comes to, and of all else the rest."""
    usd_per_unit = campaign.parts.markets[charge.symbol].usd_per_quote
    rest, unpaid = charge.quantity, charge.amount
    for trade_id, quantity in [*_legs(campaign, venue, charge.symbol), (None, ZERO)]:
        if trade_id is None:
            quantity, amount = rest, unpaid
            if not quantity and not amount:
                return
        else:
            amount = share(charge.amount, quantity, charge.quantity)
            rest, unpaid = EXACT.subtract(rest, quantity), EXACT.subtract(unpaid, amount)
            if not rest:
                amount, unpaid = EXACT.add(amount, unpaid), ZERO
        yield FundingPaid(
            charge_id=charge.charge_id,
            charged_at_ns=charge.ts_ns,
            kind=charge.kind,
            venue=venue,
            symbol=charge.symbol,
            quantity=quantity,
            mark=charge.mark,
            rate_bps=charge.rate_bps,
            asset=charge.asset,
            amount=amount,
            amount_usd=EXACT.multiply(amount, usd_per_unit),
            trade_id=trade_id,
        )


def _legs(campaign: Campaign, venue: str, symbol: str) -> Iterator[tuple[str | None, Decimal]]:
    """Yield what open positions hold at a venue, below zero if short."""
    for position in campaign.parts.trades.positions(symbol):
        if position.route.buy_venue == venue:
            yield position.trade_id, position.quantity
        elif position.route.sell_venue == venue:
            yield position.trade_id, EXACT.minus(position.quantity)
