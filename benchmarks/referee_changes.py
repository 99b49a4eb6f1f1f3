"""What was changed on purpose since the streams of before were taken: `CHANGES`.

Each is a function on one event of before. It returns the events that stand for it now: itself, changed, several, or
none. `compare` counts in each campaign how many events a change made others; one that is no longer needed goes when the
streams of before are taken anew.

Where a change turns a campaign's whole course (other quotes are accepted, so other trades follow), no function on the
old stream says so. Such a campaign is named in `OTHER_COURSE` with the reason, and is not compared.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

__all__ = ["ADDED", "ADDED_EVENTS", "CHANGES", "OTHER_COURSE", "Event", "Rounded"]


class Event(NamedTuple):
    """An event as it is compared; among its fields is ``ts_ns``."""

    type: str
    fields: Mapping[str, Any]


class Rounded:
    """Limits beyond the touch are rounded to the tick within the slippage bound now, and were rounded beyond it.

    By one tick, or not at all, which the event doesn't say: so limits of forced exits and of remedies, and what they
    lock, are compared in neither stream.
    """

    def __init__(self) -> None:
        self._forced: set[str] = set()

    def fields(self, event: Event) -> frozenset[str]:
        """Return the fields of an event that aren't compared."""
        fields = event.fields
        if event.type == "pair_opened" and fields.get("reason") not in (None, "edge", "take_profit"):
            self._forced.add(fields["pair_id"])
            return frozenset({"buy_limit", "sell_limit"})
        if event.type == "order_submitted" and (
            fields.get("purpose", "leg") != "leg" or fields.get("pair_id") in self._forced
        ):
            return frozenset({"limit_price", "locked"})
        return frozenset()


def a_failing_strategy_is_named(event: Event) -> Iterable[Event]:
    """An error of a strategy names plugin, symbol and method; the referee's only one that fails is its own."""
    if event.type == "symbol_quarantined":
        symbol, error = event.fields["symbol"], event.fields["error"]
        method = error.rpartition(" ")[2]  # it says "no entry" or "no exit"
        named = f"[strategy]: plugin 'fragile' ({symbol}): {method} raised {error.rpartition(' raised ')[2]}"
        event = event._replace(fields={**event.fields, "error": named})
    return (event,)


def no_pair_is_found_again(event: Event) -> Iterable[Event]:
    """The journal loses no order that was sent, so no pair is put together from what venues say."""
    if event.type == "pair_opened" and event.fields.get("recovered") is False:
        event = event._replace(fields={name: event.fields[name] for name in event.fields if name != "recovered"})
    return (event,)


def a_text_has_no_trailing_zeros(event: Event) -> Iterable[Event]:
    """A guard's or a venue's text says a decimal as a journal does, so that it is the same after a resume."""
    shorter = {
        field: _TRAILING_ZEROS.sub(r"\1", event.fields[field])
        for field in _TEXTS.get(event.type, ())
        if isinstance(event.fields.get(field), str)
    }
    return (event._replace(fields={**event.fields, **shorter}),)


_TEXTS = {
    "decided": ("value", "limit"),
    "guard_tripped": ("value", "limit"),
    "order_rejected": ("reason",),
}
#: What is measured (seconds, milliseconds, a share) always has three digits after its point.
_TRAILING_ZEROS = re.compile(r"(?<![\d.])(\d+(?:\.\d*[1-9])?)\.?0*(?![\d.]| m?s\b)")

CHANGES: Sequence[Callable[[Event], Iterable[Event]]] = (
    a_failing_strategy_is_named,
    no_pair_is_found_again,
    a_text_has_no_trailing_zeros,
)

_A_KILL_LOSES_NOTHING = "a kill takes no step from the journal now, so the campaign goes on later"

_TICK = "where the tick is too coarse for a limit within the slippage bound, nothing is entered that it would keep open"

_DUST = "dust counts as exposure, so a limit that is reached to the cent is now exceeded"

OTHER_COURSE: Mapping[str, str] = {
    "withdrawn": "a side that is withdrawn leaves the board; before, the quote before it stayed and was traded on",
    "crossed": "a quote that is refused takes its venue's off the board; before, the one before it stayed",
    "refused": "a quote that is refused takes its venue's off the board; before, the one before it stayed",
    "chaos": "its crossed quotes take the venue's off the board; without them (chaos-uncrossed) it is compared",
    "little-money": "an entry is as small as its closing can be paid for; before, some could not be closed",
    "three-venues": _TICK,
    **dict.fromkeys(("slow-venue", "residuals"), "residuals of one trade that hedge each other count once, not twice"),
    "lunc-free": "a rest that one of two venues would take is no dust, but stays open",
    **dict.fromkeys(("paced", "every-quote-2", "holding", "fee-received", "global-limits"), _DUST),
    "killed": _A_KILL_LOSES_NOTHING,
    "killed-order": _A_KILL_LOSES_NOTHING,
    "killed-chaos": _A_KILL_LOSES_NOTHING,
}

#: Fields that events have got since, by their types: what `trioarb summary` and `resume` need of a journal, and at what
#: a residual is valued whose side was withdrawn. No old event says what would have been in them, so they are not
#: compared.
ADDED: Mapping[str, frozenset[str]] = {
    "campaign_opened": frozenset({"loss_basis", "listed", "margin", "warnings"}),
    "instrument_listed": frozenset({"maker_fee_bps", "status"}),
    # Why an answer is none names plugin, venue, method and field now, and the old event doesn't say the venue.
    "order_unknown": frozenset({"reason"}),
    "campaign_resumed": frozenset({"config", "durability", "warnings"}),
    "funnel_counted": frozenset({"highest_edge_bps", "withdrawn"}),
    "campaign_ended": frozenset({"problems", "recovered"}),
    "residual_left": frozenset({"last_price"}),
    "order_cancelled": frozenset({"reason"}),
    "instrument_changed": frozenset({"maker_fee_bps"}),
    "pair_opened": frozenset({"holds"}),
}

#: Types of events that there were none of: they say more of what the others say.
ADDED_EVENTS: frozenset[str] = frozenset({"dust_left", "equity_stated", "markets_marked", "route_counted"})
