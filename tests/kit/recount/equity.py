"""Equity and its parts, and what is open at its marks: from what is held, at the prices that were recorded."""

from __future__ import annotations

from collections import defaultdict
from fractions import Fraction

from recount.exact import NONE, Event, number, optional
from recount.flow import counted_fee, counted_price
from recount.holding import Holdings, Position
from recount.ledger import Ledger
from recount.listing import Listings, Place

__all__ = ["Equity"]

_PARTS = ("arbitrage_usd", "inventory_usd", "fees_usd", "funding_usd", "residuals_usd")
_BPS = 10_000


class Equity:
    """``prices`` by symbol and venue: what was marked last, bid and ask."""

    def __init__(self, listings: Listings, ledger: Ledger, holdings: Holdings) -> None:
        self._listings = listings
        self._ledger = ledger
        self._holdings = holdings
        self.problems: list[str] = []
        self.prices: dict[Place, tuple[Fraction | None, Fraction | None]] = {}
        #: Positions that were marked at the prices that are recorded next.
        self._marked: list[Event] = []
        self._rates: dict[str, tuple[Fraction, Fraction]] = {}
        #: By venue and asset: what was put in and had a price, worth it then; and how much had none yet.
        self._start: defaultdict[tuple[str, str], Fraction] = defaultdict(Fraction)
        self._unpriced: defaultdict[tuple[str, str], Fraction] = defaultdict(Fraction)
        #: What came of a converted asset by trades, and went by fees, in USD at the rates of those moments.
        self._came: defaultdict[tuple[str, str], Fraction] = defaultdict(Fraction)
        self._went: defaultdict[tuple[str, str], Fraction] = defaultdict(Fraction)

    def apply(self, event: Event) -> None:
        kind = event["type"]
        if kind == "deposited":
            self._unpriced[event["venue"], event["asset"]] += number(event["amount"])
            self._value((event["venue"], event["asset"]))
        elif kind == "order_filled" and event.get("fx_rate"):
            self._convert(event)
        elif kind == "fx_rated" and event["state"] == "good":
            self._check_rate(event)
        elif kind == "contracts_liquidated":
            self._check_margin(event)
        elif kind == "position_marked":
            self._marked.append(event)
        elif kind == "markets_marked":
            self._mark(event)
        elif kind == "equity_stated":
            self._check(event)

    def _convert(self, fill: Event) -> None:
        place = fill["venue"], fill["quote"]
        usd = self._listings.usd[self._listings.common[fill["quote"]]]
        value = number(fill["quantity"]) * counted_price(fill) * usd
        self._came[place] += value if fill["side"] == "sell" else -value
        if fill["fee_asset"] == fill["quote"]:
            self._went[place] += counted_fee(fill) * usd

    def _mark(self, event: Event) -> None:
        for name in {*event["bids"], *event["asks"]}:
            symbol, _, venue = name.rpartition("@")
            bid, ask = (number(sides[name]) if name in sides else None for sides in (event["bids"], event["asks"]))
            self.prices[symbol, venue] = bid, ask
        for asset, bid in (event.get("fx_bids") or {}).items():
            self._rates[asset] = number(bid), number(event["fx_asks"][asset])
        for place in list(self._unpriced):
            self._value(place)
        said = {symbol: number(usd) for symbol, usd in event["unrealised_usd"].items()}
        ours = {symbol: self.unrealised_usd(symbol) for symbol in self._holdings.symbols}
        if said != ours:
            differing = {one for one in {*said, *ours} if said.get(one) != ours.get(one)}
            self.problems.append(f"seq {event['seq']}: what is open of {sorted(differing)} is worth {ours}, not {said}")

        for one in self._marked:
            self._check_position(one)
        self._marked.clear()

    def _check_rate(self, event: Event) -> None:
        """Hold a rate against the medians of its sources, where it has any."""
        for side in ("bid", "ask"):
            said = sorted(number(one) for one in event[f"{side}s"].values())
            if said and number(event[side]) != (said[(len(said) - 1) // 2] + said[len(said) // 2]) / 2:
                self.problems.append(f"seq {event['seq']}: fx_rated says {side} {event[side]}, of {event[f'{side}s']}")

    def _check_margin(self, event: Event) -> None:
        """Hold what an account was worth and needed against its wallet, if all it held was the contract at its mark.

        It is closed at the venue before this is told: where fills were told in between, nothing is known.
        """
        venue, listed = event["venue"], self._listings.of[event["symbol"], event["venue"]]
        held = {place: one for place, one in self._ledger.contracts.items() if one.quantity and place[1] == venue}
        contract = held.pop((event["symbol"], venue), None)
        account = self._ledger.accounts[venue, listed["quote"]]
        if contract is None or held or event.get("mark") is None:
            return
        if any(order.event["venue"] == venue for order in self._ledger.orders.values()):
            return
        mark = number(event["mark"])
        worth = account.final + contract.quantity * mark - contract.cost
        needed = abs(contract.quantity) * mark * number(listed["maintenance_margin_bps"]) / _BPS
        if (number(event["balance"]), number(event["maintenance"])) != (worth, needed):
            said = f"{event['balance']} of {event['maintenance']}"
            self.problems.append(
                f"seq {event['seq']}: contracts_liquidated says {said}, not {float(worth)} of {float(needed)}"
            )

    def _check_position(self, marked: Event) -> None:
        """Hold a position's mark against what it is worth."""
        position = self._holdings.positions[marked["trade_id"]]
        worth, said = self._unrealised(position), optional(marked, "unrealised_usd")
        if worth is not None:
            worth *= self._listings.usd_of_symbol(position.symbol)
        if said != worth or number(marked["quantity"]) != position.quantity:
            self.problems.append(
                f"seq {marked['seq']}: {marked['trade_id']} is worth {worth}, not {said}, or of another size"
            )

    def _unrealised(self, one: Position) -> Fraction | None:
        """Return what a position would bring, at executable prices and net of fees, beyond what it cost."""
        bid, ask = self._side((one.symbol, one.buy_venue), 1), self._side((one.symbol, one.sell_venue), -1)
        if bid is None or ask is None:
            return None
        bid *= 1 - self._listings.fee_bps(one.symbol, one.buy_venue) / _BPS
        ask *= 1 + self._listings.fee_bps(one.symbol, one.sell_venue) / _BPS
        return one.quantity * (bid - ask) + one.cash - one.fees

    def unrealised_usd(self, symbol: str) -> Fraction:
        """Return what is open of a symbol would bring beyond what it is booked at."""
        total = NONE
        for one in self._holdings.positions.values():
            if one.symbol == symbol:
                total += self._unrealised(one) or NONE
        for left in self._holdings.residuals.values():
            price = self._side((left.symbol, left.venue), left.quantity)
            if left.symbol == symbol and price is not None and not left.is_possible:
                total += left.quantity * price - left.booked
        for place, dust in self._holdings.dust.items():
            if place[0] == symbol and dust.quantity and (price := self._side(place, dust.quantity)) is not None:
                total += dust.quantity * price - dust.booked
        return total * self._listings.usd_of_symbol(symbol)

    def _side(self, place: Place, quantity: Fraction | int) -> Fraction | None:
        """Return what a long quantity brings for a unit, or a short one costs, as the symbol is counted."""
        price = self.prices.get(place, (None, None))[quantity <= 0]
        asset = self._listings.converted(*place) if place in self._listings.of else None
        if price is None or asset is None:
            return price
        rate = self._rate(asset, quantity)
        return None if rate is None else price * rate

    def _rate(self, asset: str, quantity: Fraction | int) -> Fraction | None:
        constant = self._listings.constant(asset)
        return constant if asset not in self._rates else self._rates[asset][quantity <= 0]

    def _price(self, place: tuple[str, str], quantity: Fraction) -> Fraction | None:
        """Return USD for one unit of an asset, at its venue or at the first that shows a price."""
        (venue, asset), listings = place, self._listings
        if asset in listings.usd:
            return listings.usd[asset]
        symbol = asset.removesuffix("-PERP")
        if symbol != asset and (symbol, venue) in listings.of:
            price = self._side((symbol, venue), quantity or 1)
            return None if price is None else price * listings.usd_of_symbol(symbol)
        if asset in listings.common:
            rate = self._rates.get(asset)
            return None if rate is None else rate[quantity < 0] * listings.usd[listings.common[asset]]
        for at in (venue, *listings.venues):
            for symbol in listings.symbols_of.get(asset, ()):
                price = self._side((symbol, at), quantity or 1)
                if price is not None:
                    return price * listings.usd_of_symbol(symbol)
        return None

    def _value(self, place: tuple[str, str]) -> None:
        amount = self._unpriced[place]
        price = self._price(place, amount)
        if price is not None:
            self._start[place] += amount * price
            self._unpriced[place] = NONE

    def figures(self) -> dict[str, Fraction]:
        """Return start, present, parts and (if assets are converted) ``fx_usd``."""
        of: defaultdict[str, Fraction] = defaultdict(Fraction)
        for place, one in self._ledger.accounts.items():
            price = self._price(place, one.final)
            if price is None:
                continue
            begun = self._start[place] + self._unpriced[place] * price
            of["start_usd"] += begun
            of["now_usd"] += (one.final + one.carried) * price
            of["funding_usd"] += one.funding * price
            if place[1] in self._listings.common:
                traded, paid = self._came[place], self._went[place]
                of["fx_usd"] += (one.initial + one.trades - one.fees) * price - begun - traded + paid
            else:
                traded, paid = one.trades * price, one.fees * price
                of["inventory_usd"] += (one.initial + one.moved) * price - begun
            of["arbitrage_usd"] += traded
            of["fees_usd"] -= paid
        for venue, asset, amount in self._ledger.under_way():
            price = self._price((venue, asset), amount)
            if price is not None:
                of["now_usd"] += amount * price
                of["inventory_usd"] += amount * price
        left = self._left_usd()
        of["residuals_usd"] = left
        of["arbitrage_usd"] -= left
        names = ("start_usd", "now_usd", *_PARTS, *(["fx_usd"] if self._listings.common else []))
        return {name: of[name] for name in names}

    def _left_usd(self) -> Fraction:
        """Return how residuals and dust stand against what they cost."""
        total = NONE
        for one in self._holdings.residuals.values():
            price = self._side((one.symbol, one.venue), one.quantity)
            if price is not None and not one.is_possible:
                total += one.quantity * (price - one.price) * self._listings.usd_of_symbol(one.symbol)
        for place, dust in self._holdings.dust.items():
            price = self._side(place, dust.quantity)
            if price is not None:
                total += (dust.quantity * price - dust.booked) * self._listings.usd_of_symbol(place[0])
        return total

    def _check(self, event: Event) -> None:
        ours = self.figures()
        for name, is_ in ours.items():
            said = number(event.get(name) or "0")
            if said != is_:
                self.problems.append(f"seq {event['seq']}: equity_stated says {name} {float(said)}, not {float(is_)}")
        if ours["now_usd"] - ours["start_usd"] != sum((ours.get(part, NONE) for part in (*_PARTS, "fx_usd")), NONE):
            self.problems.append(f"seq {event['seq']}: the parts of equity don't sum to its change")
