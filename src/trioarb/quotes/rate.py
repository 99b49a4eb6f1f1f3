"""The rate of a quote asset, as its sources say it: looked at again when one of them quotes, or has become too old."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from math import nan

import attrs

from trioarb.model.fx import FxState, Said, agreed, deviation_bps, median
from trioarb.quotes.board import QuoteBoard

__all__ = ["Constant", "Rate", "Sourced"]

_NEVER = 2**63 - 1


class Rate:
    """What one unit of ``asset`` is sold (``bid``) and bought (``ask``) for in ``common``.

    They are those of the last time at which the sources agreed, ``counted`` are these sources, and both are absent
    before that; ``numbers`` are the same as floats, NaN then. ``state`` says whether entries may rely on it now.
    """

    asset: str
    common: str
    said: Said | None = None
    numbers: tuple[float, float] = (nan, nan)
    counted: Mapping[str, Said]
    state: FxState = FxState.AWAY
    #: When the oldest quote came that counts; ``None``: it doesn't age.
    since_ns: int | None = None
    #: How old the quotes may be that count, and how far apart.
    max_age_ns: int = 0
    outlier_bps: Decimal = Decimal(0)
    least_sources: int = 1

    def look(self, now_ns: int) -> None:
        """See to it that everything is as of now."""

    def age_ns(self, now_ns: int) -> int | None:
        """Return how old the oldest quote is that the rate is made of; ``None`` if it has no age."""
        return None if self.since_ns is None else now_ns - self.since_ns

    def of(self, *, is_bought: bool) -> Decimal:
        """Return what one unit costs if it is bought, or brings if it is sold."""
        assert self.said is not None
        return self.said.ask if is_bought else self.said.bid


class Constant(Rate):
    """A rate that was set, and doesn't move."""

    def __init__(self, asset: str, common: str, rate: Decimal) -> None:
        self.asset, self.common = asset, common
        self.said = Said(rate, rate)
        self.numbers = float(rate), float(rate)
        self.counted = {}
        self.state = FxState.GOOD


@attrs.define(eq=False)
class Source:
    """A venue's book of the asset's own symbol; ``is_inverted``: it is quoted in the asset, as USDTKRW is in KRW."""

    venue: str
    board: QuoteBoard
    index: int
    is_inverted: bool

    def said(self) -> Said | None:
        """Return what its latest quote says, if both sides are there."""
        touch = self.board.touch(self.venue)
        if touch is None or touch.bid is None or touch.ask is None:
            return None
        said = Said(touch.bid, touch.ask)
        return said.inverted if self.is_inverted else said

    @property
    def came_ns(self) -> int:
        return self.board.newest_ns(self.venue)


class Sourced(Rate):
    """A rate at markets. ``on_rate`` are told once it is another, and ``on_quote`` after that if a quote made it one;
    ``on_state`` is told that it can be relied on, or no more.

    A single source that counts is held against what was agreed on before: a jump beyond the band is disputed until it
    has lasted for ``max_age_ns``.
    """

    def __init__(
        self,
        asset: str,
        common: str,
        sources: tuple[Source, ...],
        *,
        max_age_ns: int,
        outlier_bps: Decimal,
        least_sources: int,
    ) -> None:
        self.asset, self.common = asset, common
        self.counted = {}
        self.sources = sources
        self.max_age_ns = max_age_ns
        self.outlier_bps = outlier_bps
        self.least_sources = least_sources
        self.on_rate: list[Callable[[], None]] = []
        self.on_quote: list[Callable[[int], None]] = []
        self.on_state: Callable[[int, str], None] = _nothing
        #: Sources that are too far from the others, or too old.
        self.outliers: tuple[str, ...] = ()
        self.old: tuple[str, ...] = ()
        self._agreed_ns = -1
        self._until_ns = -1

    @property
    def until_ns(self) -> int:
        """When it has to be looked at again, if no source quotes before."""
        return self._until_ns

    def resume(self, said: Said) -> None:
        """Begin with the rate that was known last; it is away until a source quotes."""
        self._take(said)
        for told in self.on_rate:
            told()

    def quoted(self, now_ns: int) -> None:
        """A source has quoted."""
        self._until_ns, before = -1, self.said
        self.look(now_ns)
        if self.said != before:
            for told in self.on_quote:
                told(now_ns)

    def look(self, now_ns: int) -> None:
        if now_ns < self._until_ns:
            return
        self._until_ns = _NEVER
        before, state = self.said, self.state
        self.state = self._judge(now_ns)
        if self.state is not state:
            self.on_state(now_ns, "state")
        if self.said != before:
            for told in self.on_rate:
                told()

    def _judge(self, now_ns: int) -> FxState:
        """Take the rate that the sources agree on; return whether they do."""
        said, came_ns, old = dict[str, Said](), dict[str, int](), list[str]()
        for source in self.sources:
            one = source.said()
            if one is None:
                continue
            if now_ns - source.came_ns > self.max_age_ns:
                old.append(source.venue)
                continue
            said[source.venue], came_ns[source.venue] = one, source.came_ns
            self._until_ns = min(self._until_ns, source.came_ns + self.max_age_ns + 1)
        self.old, self.outliers = tuple(old), ()
        if not said:
            return FxState.OLD if old else FxState.AWAY
        near = agreed(said, self.outlier_bps)
        self.outliers = tuple(name for name in said if name not in near)
        if not near or self._jumps(said, now_ns):
            return FxState.DISPUTED
        if len(near) < self.least_sources:
            return FxState.FEW
        self.counted, self._agreed_ns = near, now_ns
        self.since_ns = min(came_ns[name] for name in near)
        self._take(Said(median(one.bid for one in near.values()), median(one.ask for one in near.values())))
        return FxState.GOOD

    def _jumps(self, said: Mapping[str, Said], now_ns: int) -> bool:
        """Return whether the only source there is says something else than was agreed on just before."""
        until_ns = self._agreed_ns + self.max_age_ns
        if len(said) > 1 or self.said is None or self._agreed_ns < 0 or now_ns > until_ns:
            return False
        (only,) = said.values()
        if deviation_bps(only.middle, self.said.middle) <= self.outlier_bps:
            return False
        self._until_ns = min(self._until_ns, until_ns + 1)
        self.outliers = tuple(said)
        return True

    def _take(self, said: Said) -> None:
        self.said = said
        self.numbers = float(said.bid), float(said.ask)


def _nothing(now_ns: int, reason: str) -> None:
    """Nobody wants to know."""
