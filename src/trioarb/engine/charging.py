"""Learn what venues do by themselves with what is held there: what they charge and pay, and what they liquidate."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import structlog

from trioarb.engine.campaign import Campaign
from trioarb.errors import PluginFault, VenueError
from trioarb.model.contract import Charge
from trioarb.model.event import FundingPaid, OrderFilled, Record
from trioarb.model.number import EXACT, ZERO, share
from trioarb.model.trade import Account
from trioarb.time.campaign_time import SECOND_NS, Turn

__all__ = ["charge_periodically", "learn_all_charges"]

_ORDER = Turn.SERVICE.order(number=6)


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


async def _learn(campaign: Campaign, venue: str) -> None:
    """Ask a venue what it did since it was asked last, and record it. One that doesn't say is asked again."""
    await _learn_charges(campaign, venue)
    if campaign.world.exchanges[venue].liquidating:
        await _learn_liquidations(campaign, venue)


async def _learn_charges(campaign: Campaign, venue: str) -> None:
    if not campaign.world.exchanges[venue].charging:
        return
    ledger = campaign.parts.ledger
    since_ns, known = ledger.charged(venue)
    try:
        charges = await campaign.world.exchanges[venue].charges(max(since_ns, campaign.world.start_ns))
    except (PluginFault, VenueError) as error:
        _tell(campaign, venue, error, "a venue does not say what it charged")
        return
    for charge in charges:
        if charge.ts_ns > since_ns or (charge.ts_ns == since_ns and charge.charge_id not in known):
            for paid in _parts(campaign, venue, charge):
                campaign.parts.journal.record(paid)


async def _learn_liquidations(campaign: Campaign, venue: str) -> None:
    margins = campaign.state.margins
    since_ns, known = margins.liquidated(venue)
    try:
        found = await campaign.world.exchanges[venue].liquidations(max(since_ns, campaign.world.start_ns))
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
