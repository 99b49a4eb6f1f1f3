"""What events mean to somebody who would be woken by them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import attrs

from trioarb.errors import cut
from trioarb.model.alert import Incident
from trioarb.model.event import (
    BalanceDiffered,
    CampaignEnded,
    ClockJumped,
    ContractsLiquidated,
    Decided,
    EntriesHeld,
    EntriesReleased,
    Event,
    FxRated,
    GuardTripped,
    KillSwitchPulled,
    MarketDown,
    MarketStale,
    MarketUp,
    Record,
    ResidualLeft,
    ResidualResolved,
    ResidualsNetted,
    ResidualsPaired,
    ResidualTaken,
    StopCleared,
    SymbolQuarantined,
    SymbolRestarted,
    SymbolRetired,
    UpdatesDown,
    UpdatesUp,
)
from trioarb.model.fx import FxState
from trioarb.model.number import text
from trioarb.model.trade import Answer, EndedBy
from trioarb.model.wire import event_type, to_json_object
from trioarb.time.campaign_time import SECOND_NS

__all__ = ["Seen", "as_it_is", "seen_in"]

_DETAIL_CHARACTERS = 200


@attrs.frozen(kw_only=True)
class Seen:
    """An incident begins (``lasts``), happens, or is over. ``key`` tells it from others of its kind.

    ``until_ns``: when what lasts is over, if no event will say so.
    ``about`` is what people read of the key; ``symbol``, ``venue`` and ``guard`` are what rules may ask for.
    """

    on: str
    key: str
    text: str
    about: str = ""
    lasts: bool = False
    until_ns: int | None = None
    is_over: bool = False
    symbol: str | None = None
    venue: str | None = None
    guard: str | None = None
    details: Mapping[str, str] = attrs.field(factory=dict)


def seen_in(record: Record) -> Iterator[Seen]:
    """Yield what an event means; most mean nothing."""
    look = _LOOKS.get(type(record.event))
    if look is not None:
        yield from look(record.event, record.ts_ns)


def as_it_is(record: Record) -> Seen:
    """Return an event as it is, for rules that name it."""
    event: Any = record.event
    on = event_type(type(event))
    symbol, venue = getattr(event, "symbol", None), getattr(event, "venue", None)
    about = " ".join(one for one in (symbol, venue) if isinstance(one, str))
    row = to_json_object(record)
    details = {name: cut(str(value), _DETAIL_CHARACTERS) for name, value in row.items() if name not in _PLACE}
    words = " ".join(f"{name}={value}" for name, value in details.items())
    return Seen(
        on=on,
        key=about,
        about=about,
        text=f"{on.replace('_', ' ')}{': ' if words else ''}{cut(words)}",
        symbol=symbol,
        venue=venue,
        details=details,
    )


_PLACE = ("seq", "ts_ns", "type")


def _decide(decided: Decided, _: int) -> Iterator[Seen]:
    if decided.answer is Answer.STOP:
        rule = f"{decided.tier}.{decided.rule}"
        yield Seen(
            on=Incident.EMERGENCY_STOP.value,
            key=rule,
            about=rule,
            text=f"emergency stop by {rule}: {decided.value} (limit {decided.limit}); the campaign ends",
            symbol=decided.symbol,
            guard=rule,
            details={"rule": rule, "value": str(decided.value), "limit": str(decided.limit)},
        )


def _clear(_: StopCleared, __: int) -> Iterator[Seen]:
    yield Seen(on=Incident.KILL_SWITCH.value, key="", text="the latched stop was lifted", is_over=True)


def _leave(left: ResidualLeft, _: int) -> Iterator[Seen]:
    fate = "; what became of its order is unknown" if left.unknown else ""
    what = f"{text(left.quantity)} {left.asset} at {left.venue}, {text(left.cost_usd)} USD"
    yield Seen(
        on=Incident.RESIDUAL.value,
        key=left.residual_id,
        about=left.residual_id,
        text=f"residual of {left.symbol}: {what}{fate}",
        lasts=True,
        symbol=left.symbol,
        venue=left.venue,
        details={
            "residual": left.residual_id,
            "trade": left.trade_id,
            "quantity": text(left.quantity),
            "asset": left.asset,
            "cost_usd": text(left.cost_usd),
        },
    )


def _gone(residual_id: str, symbol: str, why: str) -> Seen:
    return Seen(
        on=Incident.RESIDUAL.value,
        key=residual_id,
        about=residual_id,
        text=f"residual {residual_id} of {symbol}: {why}",
        is_over=True,
        symbol=symbol,
    )


def _resolve(resolved: ResidualResolved, _: int) -> Iterator[Seen]:
    yield _gone(resolved.residual_id, resolved.symbol, resolved.reason)


def _take(taken: ResidualTaken, _: int) -> Iterator[Seen]:
    if taken.residual_id is not None and not taken.rest:
        yield _gone(taken.residual_id, taken.symbol, "traded away with a pair")


def _net(netted: ResidualsNetted | ResidualsPaired, _: int) -> Iterator[Seen]:
    for residual_id, rest, _value, _cost in netted.rests:
        if not rest:
            yield _gone(residual_id, netted.symbol, "hedged by another residual")


def _trip(tripped: GuardTripped, _: int) -> Iterator[Seen]:
    if tripped.answer is Answer.STOP:  # the decision that follows says it
        return
    rule = f"{tripped.tier}.{tripped.rule}"
    about = " ".join(one for one in (rule, tripped.venue, tripped.symbol) if one)
    is_over = tripped.answer is Answer.ALLOW
    said = "allows entries again" if is_over else "denies entries"
    yield Seen(
        on=Incident.GUARD_TRIPPED.value,
        key=about,
        about=about,
        text=f"guard {about} {said}: {tripped.value} (limit {tripped.limit})",
        lasts=not is_over,
        until_ns=tripped.until_ns,
        is_over=is_over,
        symbol=tripped.symbol,
        venue=tripped.venue,
        guard=rule,
        details={"rule": rule, "value": str(tripped.value), "limit": str(tripped.limit)},
    )


def _stale(stale: MarketStale, ts_ns: int) -> Iterator[Seen]:
    silent = (ts_ns - stale.last_quote_ns) / SECOND_NS
    yield _of_venue(Incident.MARKET_STALE, stale.venue, f"no quotes from {stale.venue} for {silent:.1f} s", lasts=True)


def _down(down: MarketDown, _: int) -> Iterator[Seen]:
    said = f"market data of {down.venue} is down: {down.reason}"
    yield _of_venue(Incident.VENUE_DOWN, down.venue, said, lasts=True, what="market")


def _up(up: MarketUp, _: int) -> Iterator[Seen]:
    said = f"quotes come from {up.venue} again"
    yield _of_venue(Incident.MARKET_STALE, up.venue, said, is_over=True)
    yield _of_venue(Incident.VENUE_DOWN, up.venue, said, is_over=True, what="market")


def _updates_down(down: UpdatesDown, _: int) -> Iterator[Seen]:
    said = f"order updates of {down.venue} are down: {down.reason}"
    yield _of_venue(Incident.VENUE_DOWN, down.venue, said, lasts=True, what="updates")


def _updates_up(up: UpdatesUp, _: int) -> Iterator[Seen]:
    said = f"order updates of {up.venue} are up again"
    yield _of_venue(Incident.VENUE_DOWN, up.venue, said, is_over=True, what="updates")


def _of_venue(
    incident: Incident, venue: str, said: str, *, lasts: bool = False, is_over: bool = False, what: str = ""
) -> Seen:
    key = f"{venue} {what}".rstrip()
    return Seen(on=incident.value, key=key, about=venue, text=said, lasts=lasts, is_over=is_over, venue=venue)


def _hold(held: EntriesHeld, _: int) -> Iterator[Seen]:
    said = f"no entries at {held.venue}: its {held.by.value} plugin says {held.reason}"
    yield _of_venue(Incident.ENTRIES_HELD, held.venue, said, lasts=True, what=f"{held.by.value} {held.reason}")


def _release(released: EntriesReleased, _: int) -> Iterator[Seen]:
    said = f"entries at {released.venue} are allowed again; it was: {released.reason}"
    what = f"{released.by.value} {released.reason}"
    yield _of_venue(Incident.ENTRIES_HELD, released.venue, said, is_over=True, what=what)


def _rate(rated: FxRated, _: int) -> Iterator[Seen]:
    if rated.reason == "start":  # nobody has quoted yet; if that stays so, the first minute says it
        return
    is_over = rated.state is FxState.GOOD
    far = f"; too far from the others: {', '.join(rated.outliers)}" if rated.outliers else ""
    old = f"; too old: {', '.join(rated.old)}" if rated.old else ""
    said = f"the rate of {rated.asset} can be relied on again"
    if not is_over:
        why = f"{rated.state.value}{far}{old}"
        said = f"the rate of {rated.asset} can't be relied on ({why}); nothing that needs it is entered"
    yield Seen(
        on=Incident.FX_DISPUTED.value,
        key=rated.asset,
        about=rated.asset,
        text=said,
        lasts=not is_over,
        is_over=is_over,
    )


def _pull(pulled: KillSwitchPulled, _: int) -> Iterator[Seen]:
    yield Seen(on=Incident.KILL_SWITCH.value, key="", text=f"kill switch pulled by {pulled.source}", lasts=True)


def _liquidate(done: ContractsLiquidated, _: int) -> Iterator[Seen]:
    said = f"{done.venue} closed {text(done.quantity)} {done.symbol} by force, value {text(done.value)} {done.asset}"
    about = f"{done.symbol} {done.venue}"
    yield Seen(on=Incident.LIQUIDATION.value, key=about, about=about, text=said, symbol=done.symbol, venue=done.venue)


def _differ(differed: BalanceDiffered, _: int) -> Iterator[Seen]:
    said = f"{differed.venue} holds {text(differed.held)} {differed.asset}, the books say {text(differed.booked)}"
    about = f"{differed.venue} {differed.asset}"
    yield Seen(on=Incident.BALANCE_DIFFERED.value, key=about, about=about, text=said, venue=differed.venue)


def _jump(jumped: ClockJumped, _: int) -> Iterator[Seen]:
    said = f"late by {text(jumped.late_seconds)} s, the wall clock moved by {text(jumped.wall_step_seconds)} s"
    yield Seen(on=Incident.CLOCK_JUMP.value, key="", text=f"the clock jumped: {said}")


def _quarantine(failed: SymbolQuarantined, _: int) -> Iterator[Seen]:
    said = f"{failed.symbol} is in quarantine after {failed.failures} failures: {failed.error}"
    yield _of_symbol(failed.symbol, said, lasts=True)


def _restart(restarted: SymbolRestarted, _: int) -> Iterator[Seen]:
    yield _of_symbol(restarted.symbol, f"{restarted.symbol} runs again", is_over=True)


def _retire(retired: SymbolRetired, _: int) -> Iterator[Seen]:
    yield _of_symbol(retired.symbol, f"{retired.symbol} failed too often; it trades no more", lasts=True)


def _of_symbol(symbol: str, said: str, *, lasts: bool = False, is_over: bool = False) -> Seen:
    return Seen(
        on=Incident.SYMBOL_FAILED.value,
        key=symbol,
        about=symbol,
        text=said,
        lasts=lasts,
        is_over=is_over,
        symbol=symbol,
    )


def _end(ended: CampaignEnded, _: int) -> Iterator[Seen]:
    problems = "; ".join(ended.problems)
    if ended.ended_by is EndedBy.ERROR or ended.error or problems:
        said = "; ".join(filter(None, (ended.error, problems))) or "an error"
        yield Seen(on=Incident.CAMPAIGN_FAILED.value, key="", text=f"the campaign has failed: {said}")
    said = f"the campaign has ended ({ended.ended_by.value})"
    yield Seen(on=Incident.CAMPAIGN_ENDED.value, key="", text=said)


_LOOKS: Mapping[type[Event], Callable[[Any, int], Iterator[Seen]]] = {
    BalanceDiffered: _differ,
    CampaignEnded: _end,
    ClockJumped: _jump,
    ContractsLiquidated: _liquidate,
    Decided: _decide,
    EntriesHeld: _hold,
    EntriesReleased: _release,
    FxRated: _rate,
    GuardTripped: _trip,
    KillSwitchPulled: _pull,
    MarketDown: _down,
    MarketStale: _stale,
    MarketUp: _up,
    ResidualLeft: _leave,
    ResidualResolved: _resolve,
    ResidualTaken: _take,
    ResidualsNetted: _net,
    ResidualsPaired: _net,
    StopCleared: _clear,
    SymbolQuarantined: _quarantine,
    SymbolRestarted: _restart,
    SymbolRetired: _retire,
    UpdatesDown: _updates_down,
    UpdatesUp: _updates_up,
}
