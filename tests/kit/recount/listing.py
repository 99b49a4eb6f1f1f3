"""What venues list, and what each asset is worth in USD where that was set."""

from __future__ import annotations

from fractions import Fraction

from recount.exact import NONE, Event, average, number

__all__ = ["Listings", "Place"]

#: Symbol and venue.
Place = tuple[str, str]


class Listings:
    """``usd`` by quote asset; ``venues`` in the order in which they listed something."""

    def __init__(self) -> None:
        self.usd: dict[str, Fraction] = {}
        self.of: dict[Place, Event] = {}
        self.venues: list[str] = []
        #: The symbols that an asset is the base of, in the order in which they were listed.
        self.symbols_of: dict[str, list[str]] = {}
        #: Converted quote assets, and in which asset they are counted.
        self.common: dict[str, str] = {}

    def apply(self, event: Event) -> None:
        if event["type"] == "campaign_opened":
            self.usd = {asset: number(worth) for asset, worth in event["fx"].items()}
        elif event["type"] in ("instrument_listed", "instrument_changed"):
            self.of[event["symbol"], event["venue"]] = event
            if event["venue"] not in self.venues:
                self.venues.append(event["venue"])
            symbols = self.symbols_of.setdefault(event["base"], [])
            if self.usd_of(event["symbol"], event["venue"]) is not None and event["symbol"] not in symbols:
                symbols.append(event["symbol"])
            if event.get("counts_as"):
                self.common[event["quote"]] = event["counts_as"]

    def usd_of(self, symbol: str, venue: str) -> Fraction | None:
        """Return what a unit of what a symbol is counted in is worth."""
        listed = self.of[symbol, venue]
        return self.usd.get(listed.get("counts_as") or listed["quote"])

    def usd_of_symbol(self, symbol: str) -> Fraction:
        for one, venue in self.of:
            if one == symbol and (usd := self.usd_of(symbol, venue)) is not None:
                return usd
        return NONE

    def base(self, symbol: str) -> str:
        """Return what is traded; every venue calls it the same."""
        return next(str(one["base"]) for (name, _), one in self.of.items() if name == symbol)

    def fee_bps(self, symbol: str, venue: str) -> Fraction:
        return number(self.of[symbol, venue]["taker_fee_bps"])

    def to_tick(self, place: Place, price: Fraction, *, up: bool) -> Fraction:
        """Return the next price up or down that a venue takes."""
        listed = self.of[place]
        steps = {number(least): number(step) for least, step in (listed.get("ticks") or {}).items()}
        tick = steps[max(least for least in steps if least <= price)] if steps else number(listed["tick_size"])
        return -(-price // tick) * tick if up else price // tick * tick

    def is_contract(self, symbol: str, venue: str) -> bool:
        return self.of[symbol, venue].get("leverage") is not None

    def converted(self, symbol: str, venue: str) -> str | None:
        """Return the venue's quote asset, if the symbol is counted in another."""
        listed = self.of[symbol, venue]
        return str(listed["quote"]) if listed.get("counts_as") else None

    def constant(self, asset: str) -> Fraction | None:
        """Return what a converted asset is in the other, if that was set."""
        usd = self.usd.get(asset)
        return None if usd is None else average(usd, self.usd[self.common[asset]])
