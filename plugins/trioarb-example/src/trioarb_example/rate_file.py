"""Market data that reads what one asset is worth in another from a file: a source of a rate, `[fx.KRW]`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from math import nan
from pathlib import Path

import attrs
import trio

from trioarb.api import (
    Feed,
    Listing,
    MarketContext,
    MarketDataError,
    MarketDataSpec,
    PositiveSeconds,
    QuoteSink,
    hookimpl,
    setting,
)

__all__ = ["RateFile", "RateFileSettings"]

#: What is displayed says nothing here: a rate is not traded at.
_SIZE = 1.0


@attrs.frozen(kw_only=True)
class RateFileSettings:
    path: Path = setting(doc="text file that holds bid and ask, separated by a space, and is written anew by others")
    base: str = setting(doc="the asset that is priced, such as USDT")
    quote: str = setting(doc="the asset that it is priced in, such as KRW")
    every_seconds: PositiveSeconds = setting(Decimal(1), doc="time between two looks at the file")


class RateFile(Feed):
    """Quotes one symbol, whenever its file was written anew; a quote is as old as the file.

    A file that is gone, or holds anything but two numbers, withdraws the quote: the rate goes without this source.
    """

    def __init__(self, settings: RateFileSettings) -> None:
        self._settings = settings
        self._path = trio.Path(settings.path)

    async def listings(self) -> Sequence[Listing]:
        return [Listing.of(base=self._settings.base, quote=self._settings.quote)]

    async def run(
        self, sinks: Mapping[str, QuoteSink], *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        task_status.started()
        written_ns = -1
        while True:
            for sink in sinks.values():
                before_ns, (written_ns, bid, ask) = written_ns, await self._read(written_ns)
                if bid != bid or written_ns != before_ns:
                    sink(bid, _SIZE, ask, _SIZE, written_ns)
            await trio.sleep(float(self._settings.every_seconds))

    async def _read(self, before_ns: int) -> tuple[int, float, float]:
        """Return when the file was written, and what it says: NaN where that is nothing."""
        try:
            written_ns = (await self._path.stat()).st_mtime_ns
            bid, ask = map(float, (await self._path.read_text(encoding="utf-8")).split())
        except (OSError, ValueError):
            return max(before_ns, 0), nan, nan
        return written_ns, bid, ask


@asynccontextmanager
async def _open(settings: RateFileSettings, context: MarketContext) -> AsyncIterator[RateFile]:
    if not await trio.Path(settings.path).is_file():
        raise MarketDataError(
            f"{settings.path}: no such file; a relative path starts at the working directory; correct path under "
            f"[exchanges.{context.venue}.market]"
        )
    yield RateFile(settings)


@hookimpl
def trioarb_market_data() -> list[MarketDataSpec]:
    return [
        MarketDataSpec(
            name="rate-file", doc="a rate that others write to a file", settings=RateFileSettings, open=_open, live=True
        )
    ]
