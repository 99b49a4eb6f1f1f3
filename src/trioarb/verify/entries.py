"""Entries: none without an ALLOW, none once the campaign drains or was stopped."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from fractions import Fraction

from trioarb.journal.fold import Folding
from trioarb.model.event import (
    CampaignResumed,
    Decided,
    DecisionsRepeated,
    EntriesHeld,
    EntriesReleased,
    Intent,
    Record,
    StopCleared,
    UpdatesDown,
    UpdatesUp,
)
from trioarb.model.market import VenuePart
from trioarb.model.number import ZERO, text
from trioarb.model.trade import Answer, ExitReason, PairKind
from trioarb.verify.commands import Commands
from trioarb.verify.course import Course
from trioarb.verify.findings import Check, Findings
from trioarb.verify.listings import Listings

__all__ = ["Answers", "Entries", "Venues", "answers"]

_BPS = 10_000
#: An edge is written with so many digits, and is that of doubles.
_EDGE_DIGITS, _OF_DOUBLES = Fraction(1, 10**6), Fraction(1, 10**12)

#: What a ratio of prices is said as, its limit, and that of an edge; how far a ratio may be rounded.
_NUMBER = r"(\d+(?:\.\d+)?)"
_RATIO = re.compile(rf"{_NUMBER} \({_NUMBER} / {_NUMBER}\) for \d+ s")
_BOUND, _EDGE = re.compile(rf"{_NUMBER} for {_NUMBER} s"), re.compile(rf"{_NUMBER} bps")
_ROUNDED = Fraction(1, 10**4)

#: Where a route buys, and where it sells.
Venues = tuple[str, str]
#: How often routes were answered, by symbol and venues: under '' what was sized, under its rule what was doubted.
Answers = defaultdict[str, defaultdict[Venues, Counter[str]]]


class Entries(Folding):
    """Folds decisions. ``decided`` counts the answers to each route."""

    def __init__(self, findings: Findings, course: Course, listings: Listings, commands: Commands) -> None:
        self._findings = findings
        self._course = course
        self._commands = commands
        self._listings = listings
        self._allowed: dict[str, tuple[Record, Decided]] = {}
        #: Of each route the last DENY, if the symbol had nothing else but DENY since.
        self._denied: defaultdict[str, dict[Venues, tuple[int, Decided]]] = defaultdict(dict)
        #: The REDUCE of each symbol whose ALLOW has to be next.
        self._reduced: dict[str, tuple[Record, Decided]] = {}
        self._stopped_by: Record | None = None
        self._resumed: CampaignResumed | None = None
        self._unheard: set[str] = set()
        #: By venue what its plugins hold of entries, and which of them.
        self._held: defaultdict[str, set[tuple[VenuePart, str]]] = defaultdict(set)
        self.decided: Answers = answers()

    def _decide(self, event: Decided, record: Record) -> None:
        add = self._findings.add
        self._check_reduced(record, event)
        if event.answer is Answer.REDUCE:
            self._reduced[event.symbol] = record, event
            largest = event.largest_usd or event.largest_base
            if event.rule is None or not largest or event.pair_id is not None:
                add(Check.ENTRIES, record, "reduces without a rule or a largest size, or names a pair")
            return
        if event.buy_venue is not None and event.sell_venue is not None:
            venues, denied = (event.buy_venue, event.sell_venue), self._denied[event.symbol]
            self.decided[event.symbol][venues][_counted_as(event)] += 1
            if event.answer is Answer.DENY:
                denied[venues] = record.seq, event
            else:
                denied.clear()
        if event.answer is Answer.ALLOW:
            self._check_allowed(event.symbol)
            if event.pair_id is None or event.rule is not None:
                add(Check.ENTRIES, record, "allows without a pair, or with a rule that refuses")
            self._allowed[event.symbol] = record, event
            return
        if event.rule is None or event.pair_id is not None:
            add(Check.ENTRIES, record, "refuses without a rule, or names a pair")
        if (event.tier, event.rule) == ("symbol", "price_ratio") and not _is_apart(event):
            add(Check.ENTRIES, record, f"refuses for a ratio that isn't one of its prices: {event.value}")
        if (event.tier, event.rule) == ("symbol", "edge_too_good") and not _is_too_good(event):
            add(Check.ENTRIES, record, f"refuses for an edge that isn't its own, or within the limit: {event.value}")
        if event.buy_venue is not None and event.quantity is None:
            self._check_doubted(record, event)
        if event.answer is Answer.STOP:
            self._stopped_by = self._stopped_by or record

    def _check_doubted(self, record: Record, event: Decided) -> None:
        """Check that what was not sized was denied, at the edge of the prices that it names."""
        if event.answer is not Answer.DENY:
            self._findings.add(Check.ENTRIES, record, "answers something else than DENY to what was not sized")
        listed = self._listings.symbols.get(event.symbol)
        at = {} if listed is None else listed.at
        buying, selling = at.get(str(event.buy_venue)), at.get(str(event.sell_venue))
        if not event.ask or event.bid is None or buying is None or selling is None:
            return  # a loop, or a venue that doesn't list the symbol, of which other rules say so
        received = Fraction(event.bid) * (_BPS - Fraction(selling.taker_fee_bps)) * Fraction(event.sell_fx or 1)
        paid = Fraction(event.ask) * (_BPS + Fraction(buying.taker_fee_bps)) * Fraction(event.buy_fx or 1)
        edge = _BPS * (received / paid - 1)
        if event.edge_bps is not None and abs(Fraction(event.edge_bps) - edge) > _EDGE_DIGITS + abs(edge) * _OF_DOUBLES:
            self._findings.add(Check.ENTRIES, record, f"its prices have an edge of {float(edge):.6f} bps")

    def _check_reduced(self, record: Record, event: Decided) -> None:
        """Check that what follows a REDUCE is allowed, or reduced again, and within what was left."""
        before, reduced = self._reduced.pop(event.symbol, (record, None))
        if reduced is None:
            return
        asked = event.quantity or ZERO, event.notional_usd or ZERO
        largest = reduced.quantity if reduced.largest_base is None else reduced.largest_base, reduced.largest_usd
        if (event.buy_venue, event.sell_venue) != (reduced.buy_venue, reduced.sell_venue) or event.answer not in (
            Answer.ALLOW,
            Answer.REDUCE,
        ):
            what = "reduces an opportunity of which nothing was allowed"
            self._findings.add(Check.ENTRIES, before, what)
        elif any(most is not None and size > most for size, most in zip(asked, largest, strict=True)):
            what = f"is about {text(asked[0])}, {text(asked[1])} USD, which is more than seq {before.seq} left of it"
            self._findings.add(Check.ENTRIES, record, what)

    def _repeat(self, event: DecisionsRepeated, record: Record) -> None:
        for venues, (seq, denied) in self._denied[event.symbol].items():
            if seq == event.decision_seq:
                self.decided[event.symbol][venues][_counted_as(denied)] += event.count
                is_same = (event.answer, event.tier, event.rule) == (denied.answer, denied.tier, denied.rule)
                if is_same and event.count >= 1:
                    return
        what = f"repeats seq {event.decision_seq}, which isn't the last answer to a route of the symbol, and a DENY"
        self._findings.add(Check.COUNTERS, record, what)

    def _open(self, event: Intent, record: Record) -> None:
        if event.kind is not PairKind.ENTRY or event.reason is ExitReason.LIQUIDATED:
            for why in self._commands.why_no_exit(event.symbol, event.reason):
                self._findings.add(Check.ENTRIES, record, why)
            return
        for why in self._commands.why_no_entry(event.symbol):
            self._findings.add(Check.ENTRIES, record, why)
        add, allowed = self._findings.add, self._allowed.pop(event.symbol, None)
        decided_seq = record.seq
        if allowed is None:
            add(Check.ENTRIES, record, "enters without an ALLOW")
        else:
            decided_seq, decision = allowed[0].seq, allowed[1]
            if (event.pair_id, event.buy_venue, event.sell_venue, event.quantity, event.reserved_usd) != (
                decision.pair_id,
                decision.buy_venue,
                decision.sell_venue,
                decision.quantity,
                decision.notional_usd,
            ):
                add(Check.ENTRIES, record, f"enters something else than seq {decided_seq} allowed")
        if unheard := self._unheard & {event.buy_venue, event.sell_venue}:
            add(Check.ENTRIES, record, f"enters at {', '.join(sorted(unheard))} while its order updates are down")
        for venue in sorted({event.buy_venue, event.sell_venue}):
            if held := self._held[venue]:
                reasons = "; ".join(sorted(reason for _, reason in held))
                add(Check.ENTRIES, record, f"enters at {venue}, whose plugin wants no entries: {reasons}")
        if self._course.is_draining:
            add(Check.ENTRIES, record, "enters while the campaign drains")
        if self._resumed is not None and self._resumed.close_only:
            add(Check.ENTRIES, record, "enters although the campaign was resumed to close only")
        if self._stopped_by is not None and self._stopped_by.seq < decided_seq:
            add(Check.ENTRIES, record, f"enters after the STOP of seq {self._stopped_by.seq}")

    def _resume(self, event: CampaignResumed, record: Record) -> None:
        self._resumed = event
        # What was decided when the campaign broke off, and what was said again since it was recorded, is lost.
        self._allowed.clear()
        self._reduced.clear()
        self._denied.clear()
        self._unheard.clear()
        self._held.clear()

    def _lose_updates(self, event: UpdatesDown, record: Record) -> None:
        self._unheard.add(event.venue)

    def _hear_again(self, event: UpdatesUp, record: Record) -> None:
        self._unheard.discard(event.venue)

    def _hold(self, event: EntriesHeld, record: Record) -> None:
        self._held[event.venue].add((event.by, event.reason))

    def _release(self, event: EntriesReleased, record: Record) -> None:
        held = self._held[event.venue]
        if (event.by, event.reason) not in held:
            self._findings.add(Check.ENTRIES, record, "takes back a reason that isn't held")
        held.discard((event.by, event.reason))

    def _clear(self, event: StopCleared, record: Record) -> None:
        self._stopped_by = None

    def finish(self) -> None:
        """Check that everything that was allowed was entered."""
        for symbol in tuple(self._allowed):
            self._check_allowed(symbol)
        for before, _ in self._reduced.values():
            self._findings.add(Check.ENTRIES, before, "reduces an opportunity of which nothing was allowed")

    def _check_allowed(self, symbol: str) -> None:
        allowed = self._allowed.pop(symbol, None)
        if allowed is not None:
            self._findings.add(Check.ENTRIES, allowed[0], "allows an entry that was never opened")


def answers() -> Answers:
    """Return what counts none yet."""
    return defaultdict(lambda: defaultdict(Counter))


def _counted_as(event: Decided) -> str:
    """Return under which name an answer is counted: its rule, where it was doubted before it was sized."""
    return "" if event.quantity is not None else f"{event.tier}.{event.rule}"


def _is_too_good(event: Decided) -> bool:
    """Return whether the edge that an answer says is its own, beyond its limit."""
    if event.edge_bps is None:
        return True  # beyond all numbers
    said = _EDGE.fullmatch(event.limit or "")
    return said is not None and event.value == f"{text(event.edge_bps)} bps" and event.edge_bps > Fraction(said[1])


def _is_apart(event: Decided) -> bool:
    """Return whether the ratio that an answer says is that of the two middles it names, beyond its limit.

    The middles have to fit the quotes: one is no higher than its ask, the other no lower than its bid.
    """
    said, bound = _RATIO.fullmatch(event.value or ""), _BOUND.fullmatch(event.limit or "")
    if said is None:
        return True  # of prices that have no middle to be compared
    if bound is None:
        return False
    ratio, dear, cheap = map(Fraction, said.groups())
    limit = Fraction(bound[1])
    if not cheap:
        return False
    is_ratio = abs(dear / cheap - ratio) <= _ROUNDED and dear / cheap > limit
    return is_ratio and cheap <= Fraction(event.ask or cheap) and dear >= Fraction(event.bid or dear)
