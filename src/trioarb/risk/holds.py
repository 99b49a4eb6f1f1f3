"""Why nothing is entered for now: reasons that are held and released one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import attrs

from trioarb.model.market import Route
from trioarb.model.trade import Answer, Refusal

__all__ = ["Held", "Holds"]


@attrs.frozen(kw_only=True)
class Held:
    """A reason, and what it concerns: entries with a leg at a ``venue``, those of a ``symbol``, or all of them.

    ``rule`` is what a decision names, ``value`` what it says beside. ``name`` tells reasons of one rule apart.
    """

    rule: str
    value: str
    venue: str | None = None
    symbol: str | None = None
    name: str = ""

    @property
    def place(self) -> tuple[str | None, str | None, str, str]:
        """What it is released by."""
        return self.venue, self.symbol, self.rule, self.name

    def concerns(self, route: Route) -> bool:
        return self.symbol in (None, route.symbol) and self.venue in (None, route.buy_venue, route.sell_venue)

    @property
    def refusal(self) -> Refusal:
        value = self.value if self.venue is None else f"{self.venue}: {self.value}"
        return Refusal(answer=Answer.DENY, rule=self.rule, value=value, limit="")


class Holds:
    """All reasons that are held. Nobody who releases one lifts another; which came first is the one that is named."""

    def __init__(self) -> None:
        self._held: dict[tuple[str | None, str | None, str, str], Held] = {}
        #: Called when entries are denied from now on: all of them, or those at a venue, or of a symbol.
        self.on_hold: Callable[[str | None, str | None], None] = lambda venue, symbol: None

    def __iter__(self) -> Iterator[Held]:
        return iter(tuple(self._held.values()))

    def hold(
        self, rule: str, value: str, *, venue: str | None = None, symbol: str | None = None, name: str = ""
    ) -> None:
        """Deny the entries that it concerns, until the same is released; held again, it says another ``value``."""
        held = Held(rule=rule, value=value, venue=venue, symbol=symbol, name=name)
        self._held[held.place] = held
        self.on_hold(venue, symbol)

    def release(self, rule: str, *, venue: str | None = None, symbol: str | None = None, name: str = "") -> None:
        """Hold a reason no more; nothing is done where it isn't held."""
        self._held.pop((venue, symbol, rule, name), None)

    def refusal(self, route: Route) -> Refusal | None:
        """Return why a route must not be entered, if that is held."""
        for held in self._held.values():
            if held.concerns(route):
                return held.refusal
        return None
