"""Carry out, on simulated venues, what `trioarb plan` plans: stock that has drifted is sent back to where it lacks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from decimal import Decimal
from hashlib import blake2b

import structlog
import trio
from attrs import evolve

from trioarb.config.schema import Config
from trioarb.engine.campaign import Campaign
from trioarb.errors import PluginError, VenueError
from trioarb.model.event import TransferArrived, TransferSent
from trioarb.model.fx import Said
from trioarb.model.number import EXACT, ZERO, floor_to
from trioarb.model.trade import Account, Phase
from trioarb.plugin.exchange_border import CheckedExchange
from trioarb.strategy.rebalance import Transfer, rebalanced
from trioarb.strategy.transfer_costs import TransferCosts
from trioarb.time.campaign_time import SECOND_NS, Turn, seconds_to_ns

__all__ = ["require_simulation", "take_up_transfers", "transfer_periodically"]

_ORDER = Turn.SERVICE.order(number=10)
#: Amounts are cut here, as those of a plan are.
_STEP = Decimal("0.00000001")
#: A venue that did not take note of a transfer is told again after so long.
_RETRY_NS = SECOND_NS
#: How long a venue is waited for, whatever ends the campaign.
_SHIELD_SECONDS = 5


def require_simulation(config: Config, exchanges: Mapping[str, CheckedExchange]) -> None:
    """See that every venue whose stock could be moved simulates that.

    Raises:
        PluginError: one doesn't.
    """
    for venue, exchange in exchanges.items():
        if exchange.account is Account.SPOT and not exchange.simulates_transfers:
            plugin = config.exchanges[venue].exchange.plugin
            raise PluginError(
                f"transfers.simulate: the plugin {plugin!r} of [exchanges.{venue}] doesn't simulate transfers, and "
                "nothing is withdrawn from a real venue; leave it out, or name paper venues only"
            )


async def transfer_periodically(campaign: Campaign) -> None:
    """Let arrive what is under way, and look at intervals for what has to be sent; nothing leaves at the end."""
    settings, time, transfers = campaign.config.transfers, campaign.parts.time, campaign.state.transfers
    check_ns = seconds_to_ns(settings.check_seconds)
    next_check_ns = time.now_ns() + check_ns
    told = set[tuple[str, str]]()
    while True:
        arrival_ns = transfers.next_arrival_ns
        await time.sleep_until(next_check_ns if arrival_ns is None else min(next_check_ns, arrival_ns), _ORDER)
        due = [one for one in transfers.in_transit.values() if one.arrives_at_ns <= time.now_ns()]
        for sent in due:
            await _arrive(campaign, sent)
        if time.now_ns() >= next_check_ns:
            next_check_ns = time.now_ns() + check_ns
            if campaign.state.statistics.phase is Phase.RUNNING and not campaign.parts.journal.is_failing:
                for transfer in _wanted(campaign, told):
                    await _send(campaign, transfer)


async def take_up_transfers(campaign: Campaign) -> None:
    """Tell venues again, after a crash, what left and what arrived; what they know already changes nothing."""
    transfers = campaign.state.transfers
    for sent in tuple(transfers.in_transit.values()):
        await _book(campaign, sent.source, sent.transfer_id, sent.asset, EXACT.minus(sent.amount))
    for arrived in tuple(transfers.arrived_lately):
        await _book(campaign, arrived.target, arrived.transfer_id, arrived.asset, arrived.amount)


async def _send(campaign: Campaign, transfer: Transfer) -> None:
    """Record a transfer, then have its source let go of it."""
    transfers, time = campaign.state.transfers, campaign.parts.time
    costs = _costs(campaign)
    price = costs.price(transfer)
    assert price is not None
    transfer_id = f"m{transfers.count + 1}"
    way_ns = seconds_to_ns(transfer.minutes * 60)
    longer_ns = _drawn(f"{campaign.config.session.seed}:{transfer_id}", int(way_ns * campaign.config.transfers.spread))
    campaign.parts.journal.record(
        TransferSent(
            transfer_id=transfer_id,
            asset=transfer.asset,
            source=transfer.source,
            target=transfer.target,
            amount=transfer.amount,
            fee=transfer.fee,
            arrives_at_ns=time.now_ns() + way_ns + longer_ns,
            value_usd=EXACT.multiply(transfer.arrives, price),
            fee_usd=EXACT.multiply(transfer.fee, price),
            symbol=costs.symbol_of(transfer),
        )
    )
    await _book(campaign, transfer.source, transfer_id, transfer.asset, EXACT.minus(transfer.amount))


def _drawn(seed: str, most: int) -> int:
    """Return a whole number from 0 to ``most``, the same from one seed, on every machine."""
    return int.from_bytes(blake2b(seed.encode(), digest_size=8).digest()) * most >> 64


async def _arrive(campaign: Campaign, sent: TransferSent) -> None:
    """Record that a transfer has arrived, then have its target take it in."""
    campaign.parts.journal.record(
        TransferArrived(
            transfer_id=sent.transfer_id,
            asset=sent.asset,
            source=sent.source,
            target=sent.target,
            amount=sent.arrives,
        )
    )
    await _book(campaign, sent.target, sent.transfer_id, sent.asset, sent.arrives)


async def _book(campaign: Campaign, venue: str, transfer_id: str, asset: str, amount: Decimal) -> None:
    """Have a venue take note of what left or arrived, once that is in the journal. Not ended by cancellation."""
    parts = campaign.parts
    with trio.CancelScope(shield=True, deadline=trio.current_time() + _SHIELD_SECONDS):
        if not parts.journal.is_durable():
            await parts.journal.durable()
        while True:
            try:
                parts.venues[venue].transfer(transfer_id, asset, amount)
                return
            except VenueError as error:
                log = structlog.get_logger("trioarb.engine")
                log.warning("a venue takes no note of a transfer", venue=venue, transfer=transfer_id, error=str(error))
            await parts.time.sleep(_RETRY_NS, _ORDER)


def _wanted(campaign: Campaign, told: set[tuple[str, str]]) -> Iterator[Transfer]:
    """Yield what is to be sent now: what a plan would have moved, as far as it is free and worth its fee.

    ``told``: venues and assets of which it was said that their withdrawals aren't configured.
    """
    config = campaign.config
    found = rebalanced(_holdings(campaign), config.withdrawals, tolerance=config.transfers.tolerance)
    for venue, asset in found.unknown:
        if (venue, asset) not in told:
            told.add((venue, asset))
            structlog.get_logger("trioarb.engine").warning(
                "stock has drifted, and what moving it costs is not configured",
                key=f"withdrawals.{venue}.{asset}",
            )
    costs = _costs(campaign)
    for planned in found.transfers:
        terms = config.withdrawals[planned.source][planned.asset]
        amount = min(planned.amount, floor_to(max(_free(campaign, planned), ZERO), _STEP))
        transfer = evolve(planned, amount=amount)
        if (
            amount > terms.fee
            and amount >= terms.least
            and costs.is_worth_it(
                transfer,
                most_fee_bps=config.transfers.most_fee_bps,
                least_gain_bps=config.transfers.least_gain_bps,
            )
        ):
            yield transfer


def _free(campaign: Campaign, transfer: Transfer) -> Decimal:
    """Return what no order, no entry that was allowed and no open position needs there."""
    funds = campaign.parts.funds
    spendable = funds.spendable(transfer.source, transfer.asset)
    return EXACT.subtract(spendable, funds.kept(transfer.source, transfer.asset))


def _holdings(campaign: Campaign) -> Mapping[str, Mapping[str, Decimal]]:
    """Return by asset and venue what is held, and under way there, where a symbol of that asset is listed.

    Stock is moved between spot accounts; money in an asset that is converted stays where it is.
    """
    parts, transfers = campaign.parts, campaign.state.transfers
    held: defaultdict[str, dict[str, Decimal]] = defaultdict(dict)
    for symbol in campaign.symbols:
        for venue, instrument in parts.instruments[symbol].items():
            if campaign.world.exchanges[venue].account is not Account.SPOT:
                continue
            for asset in (instrument.base, *(() if instrument.counts_as else (instrument.quote,))):
                coming = transfers.under_way(asset).get(venue, ZERO)
                held[asset][venue] = EXACT.add(parts.ledger.stock(asset, venue), coming)
    return held


def _costs(campaign: Campaign) -> TransferCosts:
    """Return what transfers cost at the prices that venues show now."""
    world = campaign.world
    prices = {}
    for symbol, board in world.boards.items():
        for venue in world.instruments.get(symbol, ()):
            touch = board.touch(venue)
            prices[symbol, venue] = (None, None) if touch is None else (touch.bid, touch.ask)
    fx, rates = campaign.config.fx, campaign.state.marks.present_rates()
    said = {
        asset: Said(EXACT.multiply(rates[asset].bid, fx[one.common]), EXACT.multiply(rates[asset].ask, fx[one.common]))
        for asset, one in campaign.state.fx.rates.items()
        if asset in rates
    }
    return TransferCosts(fx=fx, instruments=world.instruments, prices=prices, said=said)
