"""A try of an exchange: what stands behind it, and a context of the kit's to open it with."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import attrs
import trio

from trioarb.api import ExchangeContext, Listing
from trioarb.plugin.exchange_border import CheckedExchange
from trioarb.testing.conformance.case import Cases, expect
from trioarb.testing.conformance.exchange_desk import VENUE, Desk, Heard
from trioarb.testing.conformance.stage import QuotedStage, Stage
from trioarb.testing.conformance.subject import Trial

__all__ = ["CASES", "ExchangeTrial", "on_desk", "trial_of"]


@attrs.define(eq=False, kw_only=True)
class ExchangeTrial:
    """An exchange that can be opened, more than once, and what stands behind it.

    ``folder`` is where a simulated venue keeps its memory, if it is to have one.
    """

    trial: Trial
    stage: Stage
    listings: tuple[Listing, ...]
    folder: Path | None = None
    submitted: dict[str, int] = attrs.field(factory=dict)
    _opened: int = 0
    _numbers: Any = attrs.field(factory=partial(count, 1))

    @property
    def is_live(self) -> bool:
        return self.trial.clock is None

    @asynccontextmanager
    async def exchange(self) -> AsyncIterator[CheckedExchange]:
        """Open it; the second time it is told that it has been open before."""
        quoted = self.stage if isinstance(self.stage, QuotedStage) else None
        context = ExchangeContext(
            venue=VENUE,
            seed=1,
            time=self.trial.time,
            touch=quoted.touch if quoted else lambda symbol: None,
            book=quoted.book if quoted else lambda symbol: None,
            watch=quoted.watch if quoted else lambda symbol, see: None,
            follow=quoted.follow if quoted else lambda symbol, told: None,
            market_rules=lambda symbol: None,
            fx={one.quote: Decimal(1) for one in self.listings},
            state=None if self.folder is None else self.folder / "state",
            resumed=self.folder is not None and self._opened > 0,
            can_trade=True,
            submitted_ns=self.submitted.get,
        )
        async with self.trial.open(context, more=self.stage.settings, venue=VENUE) as opened:
            self._opened += 1
            yield opened

    @asynccontextmanager
    async def desk(self, *, listens: bool = True) -> AsyncIterator[Desk]:
        """Open it, list its instruments, show prices, and, if it has a stream, listen to that."""
        async with self.exchange() as exchange, trio.open_nursery() as nursery:
            with self.trial.in_time("instruments"):
                instruments = await exchange.instruments(self.listings)
            symbol = self.listings[0].symbol
            expect(symbol in instruments, f"an instrument of {symbol}", ", ".join(instruments) or "none")
            desk = Desk(
                owner=self, exchange=exchange, instruments=instruments, symbol=symbol, heard=Heard(), stage=self.stage
            )
            if exchange.streams and listens:
                with self.trial.in_time("updates"):
                    await nursery.start(desk.listen)
            yield desk
            nursery.cancel_scope.cancel()

    def new_id(self) -> str:
        """Return a client order id as campaigns have them."""
        return f"{self.trial.time.now_ns():x}-c0ffee-{next(self._numbers)}"


CASES = Cases[ExchangeTrial]()


def on_desk(run: Callable[[Desk], Awaitable[None]]) -> Callable[[ExchangeTrial], Awaitable[None]]:
    """Let a case have an exchange that is open, with prices, and listened to."""

    async def opened(trial: ExchangeTrial) -> None:
        async with trial.desk() as desk:
            await desk.quote()
            await run(desk)

    opened.__doc__ = run.__doc__
    return opened


@asynccontextmanager
async def trial_of(trial: Trial) -> AsyncIterator[ExchangeTrial]:
    """Open the stage that was given, or that of an exchange which fills by the quotes that it is shown."""
    without = Stage() if trial.subject.is_live else QuotedStage(trial.time.now_ns)
    async with trial.stage(without) as stage:
        yield ExchangeTrial(trial=trial, stage=stage, listings=tuple(stage.listings) or trial.subject.listings)
