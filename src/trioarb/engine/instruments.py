"""Instruments that change while a campaign runs: other rules, or halted and trading again."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import attrs

from trioarb.errors import PluginFault
from trioarb.model.event import Event, InstrumentChanged, terms_of
from trioarb.model.market import Instrument, InstrumentStatus
from trioarb.plugin.answer import Nonsense, check_instrument
from trioarb.quotes.board import QuoteBoard

__all__ = ["Changes"]


@attrs.define(eq=False)
class Changes:
    """What venues say of their instruments. It is kept until the campaign has begun, and acted upon from then on.

    ``instruments`` (by symbol and venue) and ``boards`` are the campaign's own.
    """

    instruments: Mapping[str, dict[str, Instrument]]
    boards: Mapping[str, QuoteBoard]
    _record: Callable[[Event], object] | None = None
    _early: list[Instrument] = attrs.field(factory=list)

    def begin(self, record: Callable[[Event], object]) -> None:
        """Record what changes, from now on and since venues were opened."""
        self._record = record
        for instrument in self._early:
            self._change(instrument)
        self._early.clear()

    def told_by(self, venue: str) -> Callable[[Instrument], None]:
        """Return what a venue's exchange calls. Raises `PluginFault` in it, if that is no instrument of its own."""

        def changed(instrument: Instrument) -> None:
            try:
                check_instrument(instrument, venue)
            except Nonsense as error:
                raise PluginFault(f"[exchanges.{venue}]: changed was given {error}") from None
            if self._record is None:
                self._early.append(instrument)
            else:
                self._change(instrument)

        return changed

    def _change(self, instrument: Instrument) -> None:
        symbol, venue = instrument.symbol, instrument.venue
        before = self.instruments.get(symbol, {}).get(venue)
        if before is None or self._record is None:
            return
        instrument = attrs.evolve(instrument, counts_as=before.counts_as)  # which the configuration says, not the venue
        if before == instrument:
            return
        if (before.base, before.quote) != (instrument.base, instrument.quote):
            raise PluginFault(f"[exchanges.{venue}]: changed was given other assets of {symbol}; they never change")
        if (before.maker_fee_bps, before.taker_fee_bps) != (instrument.maker_fee_bps, instrument.taker_fee_bps):
            raise PluginFault(f"[exchanges.{venue}]: changed was given other fees of {symbol}; they stay while it runs")
        if (before.contract is None) != (instrument.contract is None):
            raise PluginFault(f"[exchanges.{venue}]: changed was given {symbol} as what it isn't: a contract, or none")
        self._record(InstrumentChanged(**terms_of(instrument)))
        self.instruments[symbol][venue] = instrument
        if instrument.status is InstrumentStatus.HALTED:
            board = self.boards[symbol]
            board.take_off(board.venues.index(venue))
