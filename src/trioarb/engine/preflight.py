"""What is looked at before real orders are sent: keys, clocks, money, fees, and what is at the venues already."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from decimal import Decimal
from enum import Enum

import attrs

from trioarb.config.schema import Config
from trioarb.engine.accounts import at_risk_elsewhere
from trioarb.engine.campaign import Campaign
from trioarb.errors import PluginFault, VenueError
from trioarb.model.account import AccountStanding
from trioarb.model.market import Instrument, InstrumentStatus
from trioarb.model.number import ZERO, text
from trioarb.plugin.exchange_border import CheckedExchange
from trioarb.risk.capital import SharesUnknown

__all__ = ["Finding", "Verdict", "preflight"]

#: From here on a clock is worth a look: requests are signed with the venue's time, but who reads a log goes by ours.
_CLOCK_MS = 1_000
#: More of a limit that is used before anything was traded is somebody else's doing.
_BUSY_SHARE = 0.5
_MOST_NAMED = 5


class Verdict(Enum):
    GOOD = "good"
    WARN = "warning"
    REFUSE = "refused"


@attrs.frozen(kw_only=True)
class Finding:
    """What was found at a venue ``about`` something, and what it means for trading there."""

    venue: str
    about: str
    verdict: Verdict
    said: str

    def __str__(self) -> str:
        return f"{self.venue}: {self.about}: {self.said}"


async def preflight(campaign: Campaign, exchanges: Mapping[str, CheckedExchange]) -> list[Finding]:
    """Look at every venue that real orders are to be sent to; nothing is changed there."""
    found = list[Finding]()
    for venue, exchange in exchanges.items():
        instruments = {
            symbol: by_venue[venue] for symbol, by_venue in campaign.world.instruments.items() if venue in by_venue
        }
        try:
            found += [one async for one in _look(campaign, venue, exchange, instruments)]
        except (VenueError, PluginFault) as error:
            # Also a bug in its plugin: a campaign that is resumed may have something to close there.
            found.append(Finding(venue=venue, about="answers", verdict=Verdict.REFUSE, said=str(error)))
    return found


async def _look(
    campaign: Campaign, venue: str, exchange: CheckedExchange, instruments: Mapping[str, Instrument]
) -> AsyncIterator[Finding]:
    def finding(about: str, verdict: Verdict, said: str) -> Finding:
        return Finding(venue=venue, about=about, verdict=verdict, said=said)

    standing = await exchange.standing()
    for about, verdict, said in (*_key(standing), *_clock(standing), *_limits(standing)):
        yield finding(about, verdict, said)
    for about, verdict, said in (*_balances(await exchange.balances(), instruments), *_rules(instruments)):
        yield finding(about, verdict, said)
    for about, verdict, said in _fees(campaign.config, venue, instruments):
        yield finding(about, verdict, said)
    open_ids = [one.client_order_id for one in await exchange.open_orders(list(instruments))]
    strange = [one for one in open_ids if one not in campaign.state.trades.orders]
    yield (
        finding("open orders", Verdict.WARN, f"{_some(strange)}: not of this campaign; they lock money, and may fill")
        if strange
        else finding("open orders", Verdict.GOOD, "none of anybody else")
    )
    for about, verdict, said in _capital(campaign, exchange):
        yield finding(about, verdict, said)


_Found = Iterator[tuple[str, Verdict, str]]


def _key(standing: AccountStanding) -> _Found:
    if standing.can_withdraw:
        yield (
            "key",
            Verdict.REFUSE,
            "it may withdraw: whoever gets hold of it can take the money away; make a key that may trade only",
        )
    elif standing.can_withdraw is None:
        yield "key", Verdict.WARN, "the venue doesn't say whether it may withdraw; see that it may trade only"
    if standing.can_trade is False:
        yield "key", Verdict.REFUSE, "it may not trade; allow that where the venue lists its keys"
    elif standing.can_trade is None:
        yield "key", Verdict.WARN, "the venue doesn't say whether it may trade"
    if standing.is_bound is False:
        yield "key", Verdict.WARN, "it works from any address; bind it to that of this machine"
    if standing.can_trade and standing.can_withdraw is False:
        yield "key", Verdict.GOOD, "it may trade, and not withdraw"


def _clock(standing: AccountStanding) -> _Found:
    offset = standing.clock_offset_ms
    if offset is None:
        return
    said = f"the venue's is {abs(offset):,.0f} ms {'ahead of' if offset > 0 else 'behind'} this machine's"
    if abs(offset) < _CLOCK_MS:
        yield "clock", Verdict.GOOD, said
    else:
        yield "clock", Verdict.WARN, f"{said}; requests have the venue's time, but have the machine's set by NTP"


def _limits(standing: AccountStanding) -> _Found:
    busy = [one for one in standing.limits if one.used > one.count * _BUSY_SHARE]
    for one in busy:
        said = f"{one.name}: {one.used:,} of {one.count:,} in {one.seconds:g} s are used already, by somebody else"
        yield "rate limits", Verdict.WARN, said
    if standing.limits and not busy:
        listed = ", ".join(f"{one.name} {one.used:,} of {one.count:,} in {one.seconds:g} s" for one in standing.limits)
        yield "rate limits", Verdict.GOOD, listed


def _balances(held: Mapping[str, Decimal], instruments: Mapping[str, Instrument]) -> _Found:
    wanted = {asset: None for one in instruments.values() for asset in (one.quote, one.base)}
    missing = [asset for asset in wanted if held.get(asset, ZERO) <= 0]
    there = [f"{text(held[asset])} {asset}" for asset in wanted if asset not in missing]
    if not there:
        yield "balances", Verdict.REFUSE, f"nothing is there of what is traded ({_some(list(wanted))})"
        return
    yield "balances", Verdict.GOOD, _some(there)
    if missing:
        yield (
            "balances",
            Verdict.WARN,
            f"there is no {_some(missing)}: what would sell it, or buy for it, can't be done",
        )


def _rules(instruments: Mapping[str, Instrument]) -> _Found:
    halted = [symbol for symbol, one in instruments.items() if one.status is not InstrumentStatus.TRADING]
    if len(halted) == len(instruments):
        yield "symbols", Verdict.REFUSE, f"none of them is traded now ({_some(halted) or 'there is none'})"
        return
    yield "symbols", Verdict.GOOD, f"{len(instruments) - len(halted)} are traded"
    if halted:
        yield "symbols", Verdict.WARN, f"{_some(halted)}: not traded now"


def _fees(config: Config, venue: str, instruments: Mapping[str, Instrument]) -> _Found:
    paper = config.exchanges[venue].paper
    fees = sorted({one.taker_fee_bps for one in instruments.values()})
    said = " and ".join(f"{text(fee)}" for fee in fees) + " bps as taker"
    assumed = None
    if paper is not None and attrs.has(type(paper.settings)):
        fields = [one.name for one in attrs.fields(type(paper.settings)) if one.metadata.get("concerns") == "taker_fee"]
        assumed = getattr(paper.settings, fields[0]) if fields else None
    if isinstance(assumed, Decimal) and fees and max(fees) > assumed:
        yield (
            "fees",
            Verdict.WARN,
            f"{said}; on paper {text(assumed)} were assumed: what earned there may not earn here",
        )
    else:
        yield "fees", Verdict.GOOD, said


def _capital(campaign: Campaign, exchange: CheckedExchange) -> _Found:
    if campaign.course.is_told:  # what is at risk elsewhere now has nothing to do with it
        return
    cap = campaign.config.live.capital_cap_usd
    if cap is None:
        return
    if not exchange.account_id:
        said = "its plugin doesn't say whose account it is (account_id), so nothing can be counted across campaigns"
        yield "capital", Verdict.REFUSE, said
        return
    try:
        others = at_risk_elsewhere(exchange.account_id, campaign.campaign_id)
    except SharesUnknown as error:
        yield "capital", Verdict.REFUSE, str(error)
        return
    used = sum((share.usd for share in others.values()), ZERO)
    held = "".join(f"; {text(share.usd)} USD by {share.journal or name}" for name, share in others.items())
    verdict = Verdict.GOOD if used < cap else Verdict.WARN
    yield "capital", verdict, f"{text(used)} of {text(cap)} USD are at risk in other campaigns of the key{held}"


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more
