"""Strategies that fail: one where a symbol would enter or leave, and one that kills its process."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from trioarb.api import Strategy, StrategyContext, StrategySpec, hookimpl
from trioarb.builtin.spread import SpreadSettings, SpreadStrategy

NO_ENTRY, NO_EXIT = "SOLUSDT", "XRPUSDT"
KILL_AT = Path("kill-at")
wanted_entries = 0


class Fragile(SpreadStrategy):
    """Sends two symbols into quarantine."""

    symbol: str

    def entry(self, *asked: Any, **how: Any) -> Any:
        wanted = super().entry(*asked, **how)
        if wanted is not None and self.symbol == NO_ENTRY:
            raise RuntimeError("no entry")
        return wanted

    def exit(self, *asked: Any, **how: Any) -> Any:
        reason = super().exit(*asked, **how)
        if reason is not None and self.symbol == NO_EXIT:
            raise RuntimeError("no exit")
        return reason


class Mortal(SpreadStrategy):
    """Kills its process at the entry whose number a file says, so that it is always at the same event; once."""

    def entry(self, *asked: Any, **how: Any) -> Any:
        global wanted_entries
        wanted = super().entry(*asked, **how)
        if wanted is not None and KILL_AT.exists():
            wanted_entries += 1
            if wanted_entries == int(KILL_AT.read_text()):
                KILL_AT.unlink()
                os.kill(os.getpid(), signal.SIGKILL)
        return wanted


@asynccontextmanager
async def _open_fragile(settings: SpreadSettings, context: StrategyContext) -> AsyncIterator[Strategy]:
    strategy = Fragile(settings)
    strategy.symbol = context.symbol
    yield strategy


@asynccontextmanager
async def _open_mortal(settings: SpreadSettings, context: StrategyContext) -> AsyncIterator[Strategy]:
    yield Mortal(settings)


@hookimpl
def trioarb_strategies() -> list[StrategySpec]:
    return [
        StrategySpec(name="fragile", doc="fails", settings=SpreadSettings, open=_open_fragile),
        StrategySpec(name="mortal", doc="kills its process", settings=SpreadSettings, open=_open_mortal),
    ]
