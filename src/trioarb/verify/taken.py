"""What pairs took along of what was left at their venues, and what of it was netted."""

from __future__ import annotations

from decimal import Decimal

from msgspec.structs import replace

from trioarb.journal.fold import Folding
from trioarb.model.event import CampaignOpened, Record, ResidualLeft, ResidualsNetted, ResidualTaken
from trioarb.model.number import ZERO, text
from trioarb.verify.findings import Check, Findings
from trioarb.verify.listings import Listings
from trioarb.verify.marks import Marks
from trioarb.verify.pairs import Pairs
from trioarb.verify.residuals import Residuals

__all__ = ["Taken"]

#: Shares are cut here.
_SHARE = Decimal("1e-15")


class Taken(Folding):
    """Holds what is taken against what was left, and against the fills of the pair that took it.

    Comes before the marks, which keep the dust. Decimal arithmetic has to be exact around it.
    """

    def __init__(
        self, findings: Findings, listings: Listings, pairs: Pairs, residuals: Residuals, marks: Marks
    ) -> None:
        self._findings = findings
        self._listings = listings
        self._pairs = pairs
        self._residuals = residuals
        self._marks = marks
        self._margin: frozenset[str] = frozenset()

    def _begin(self, event: CampaignOpened, _: Record) -> None:
        self._margin = frozenset(event.margin)

    def _net(self, event: ResidualsNetted, record: Record) -> None:
        add, residuals = self._findings.add, self._residuals
        residuals.pnl_usd += event.pnl_usd
        long, short = (residuals.open.pop(one, None) for one in (event.long_id, event.short_id))
        if long is None or short is None or long.client_order_id is not None or short.client_order_id is not None:
            add(Check.RESIDUALS, record, "nets a residual that isn't there, or waits for an order")
            return
        is_owed = long.venue != short.venue and bool({long.venue, short.venue} & self._margin)
        if (long.symbol, short.symbol) != (event.symbol, event.symbol) or not long.quantity > 0 > short.quantity:
            add(Check.RESIDUALS, record, "nets residuals that don't hedge each other")
        elif is_owed:
            add(Check.RESIDUALS, record, "nets what is owed at one venue with what is held at another")
        if event.quantity <= 0 or event.fees_usd or event.value != long.booked_value - event.long_booked_value:
            add(Check.RESIDUALS, record, "nets nothing, or for another value than was booked, or for fees")
        booked = long.booked_value + short.booked_value
        for one, sign, (_, rest, value, cost_usd) in zip((long, short), (1, -1), event.rests, strict=True):
            self.shrink(record, one, sign * event.quantity, rest, value, cost_usd)
        listed = self._listings.symbols.get(event.symbol)
        usd = listed.usd_per_quote if listed is not None else ZERO
        pnl_usd = (event.long_booked_value + event.short_booked_value - booked) * usd
        if event.pnl_usd != pnl_usd:
            what = f"says a PnL of {text(event.pnl_usd)} USD; what was booked changes by {text(pnl_usd)}"
            add(Check.PNL, record, what)

    def shrink(
        self, record: Record, one: ResidualLeft, gone: Decimal, rest: Decimal, value: Decimal, cost_usd: Decimal
    ) -> Decimal:
        """Hold what is left of a residual against what was; return how what is booked of it has changed."""
        self._residuals.open.pop(one.residual_id, None)
        if one.quantity - gone != rest or rest * gone < 0:
            what = f"nets {text(abs(gone))} of {text(one.quantity)}, and leaves {text(rest)}"
            self._findings.add(Check.RESIDUALS, record, what)
        self._check_shares(record, one.quantity, rest, value, one.booked_value, cost_usd, one.cost_usd)
        if rest:
            left = replace(one, quantity=rest, booked_value=value, cost_usd=cost_usd)
            self._residuals.open[one.residual_id] = left
        return value - one.booked_value

    def _take(self, event: ResidualTaken, record: Record) -> None:
        add, residuals, place = self._findings.add, self._residuals, (event.symbol, event.venue)
        residuals.pnl_usd += event.pnl_usd
        pair = self._pairs.in_flight.get(event.pair_id)
        if pair is None:
            what = f"is taken by no pair: {self._pairs.why_not_in_flight(event.pair_id)}"
            add(Check.RESIDUALS, record, what)
            return
        if event.residual_id is None:
            held, booked = self._marks.dust.get(place, (ZERO, ZERO))
            cost_usd = self._pairs.dust_cost_usd.get(place, ZERO)
            self._pairs.dust_cost_usd[place] = event.cost_usd if cost_usd > 0 else -event.cost_usd
            self._pairs.dust_usd += (event.booked_value - booked) * pair.listed.usd_per_quote
        else:
            residual = residuals.open.pop(event.residual_id, None)
            if residual is None or (residual.symbol, residual.venue) != place or residual.client_order_id is not None:
                add(Check.RESIDUALS, record, "takes a residual that isn't there, or waits for an order")
                return
            held, booked, cost_usd = residual.quantity, residual.booked_value, residual.cost_usd
            if event.rest:
                left = {"quantity": event.rest, "booked_value": event.booked_value, "cost_usd": event.cost_usd}
                residuals.open[event.residual_id] = replace(residual, **left)
        if event.quantity + event.rest != held or not event.quantity or event.rest * event.quantity < 0:
            add(Check.RESIDUALS, record, f"takes {text(event.quantity)} of {text(held)}, and leaves {text(event.rest)}")
            return
        self._check_shares(record, held, event.rest, event.booked_value, booked, event.cost_usd, abs(cost_usd))
        pnl_usd = (event.value - event.fees + event.booked_value - booked) * pair.listed.usd_per_quote
        if event.pnl_usd != pnl_usd or event.fees_usd != event.fees * pair.listed.usd_per_quote:
            what = f"says a PnL of {text(event.pnl_usd)} USD; what it brought and was booked at come to {text(pnl_usd)}"
            add(Check.PNL, record, what)
        flow = pair.taken.get(event.venue)
        if flow is None:
            add(Check.RESIDUALS, record, f"takes what {pair.opened.pair_id} did not trade beyond its own")
            return
        flow.add(is_buy=event.quantity < 0, quantity=-abs(event.quantity), value=-abs(event.value), fee=-event.fees)

    def _check_shares(
        self,
        record: Record,
        held: Decimal,
        rest: Decimal,
        booked_value: Decimal,
        booked: Decimal,
        rest_usd: Decimal,
        cost_usd: Decimal,
    ) -> None:
        """What is left keeps its share of what all of it was booked at, and of its exposure."""
        for name, said, before in (
            ("books the rest at", booked_value, booked),
            ("counts as exposure of the rest", rest_usd, cost_usd),
        ):
            if abs(said * held - before * rest) > _SHARE * abs(held) or (not rest and said):
                what = f"{name} {text(said)}, which isn't its share of {text(before)}"
                self._findings.add(Check.RESIDUALS, record, what)
