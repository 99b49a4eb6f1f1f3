"""No entry is decided on a book that isn't the venue's: each is held against what the venue really had at that time."""

from __future__ import annotations

import json
import sys
import time
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio

from trioarb.api import Side
from trioarb_sim.faults import Fault
from trioarb_sim.simulator import Simulator, open_simulator
from trioarb_sim.venue import BookChanged

CONFIG = Path(__file__).parents[3] / "configs" / "binance_upbit_paper.toml"
RUNTIME_SECONDS = 25
#: A quote that is older is none; and how long a message may be on its way to a busy process, beyond that.
AGE_SECONDS, ON_ITS_WAY_SECONDS = 1.0, 0.5
#: Each so often something goes wrong, in turn.
EVERY_SECONDS = 0.7
FAULTS = (
    ("binance", Fault.GAP, 3, ""),
    ("upbit", Fault.GAP, 3, ""),
    ("binance", Fault.SILENT, 1, "BTCUSDT"),
    ("upbit", Fault.SILENT, 1, "KRW-ETH"),
    ("binance", Fault.CUT, 1, ""),
    ("binance", Fault.GAP, 5, "XRPUSDT"),
    ("upbit", Fault.CUT, 1, ""),
)
Levels = list[tuple[Decimal, Decimal]]


@attrs.define
class Truth:
    """What a venue had, from when on; and when nobody was connected to it."""

    simulator: Simulator
    times: dict[str, list[int]] = attrs.field(factory=dict)
    books: dict[str, list[tuple[Levels, Levels]]] = attrs.field(factory=dict)
    alone: list[tuple[int, int]] = attrs.field(factory=list)
    #: How late this process came to do something, at worst: the other one shares the machine.
    late_seconds: float = 0.0

    @property
    def on_its_way_ns(self) -> int:
        return int((ON_ITS_WAY_SECONDS + 2 * self.late_seconds) * 1e9)

    def hear(self, told: object) -> None:
        if isinstance(told, BookChanged):
            _, bids, asks = self.simulator.venue.book(told.market, 5)
            self.times.setdefault(told.market, []).append(time.time_ns())
            self.books.setdefault(told.market, []).append((list(bids), list(asks)))

    async def watch(self) -> None:
        """Note when connections to it are cut, and when there is one again."""
        since: int | None = None
        while True:
            due = trio.current_time() + 0.005
            await trio.sleep_until(due)
            self.late_seconds = max(self.late_seconds, trio.current_time() - due)
            if not self.simulator.open_sockets:
                since = since or time.time_ns()
            elif since is not None:
                self.alone.append((since, time.time_ns()))
                since = None

    def lately(self, market: str, at_ns: int) -> Iterator[tuple[Levels, Levels]]:
        """Yield the books that somebody who is told in time may go by."""
        times = self.times[market]
        oldest_ns = at_ns - int(AGE_SECONDS * 1e9) - self.on_its_way_ns
        first = max(0, bisect_left(times, oldest_ns) - 1)
        yield from self.books[market][first : bisect_right(times, at_ns)]

    def had(self, market: str, at_ns: int, side: Side, limit: Decimal, quantity: Decimal) -> bool:
        """Say whether so much could be had for no worse than the limit, which was one of its prices."""
        for bids, asks in self.lately(market, at_ns):
            levels = asks if side is Side.BUY else bids
            prices = [price for price, _ in levels]
            if limit in prices and sum(size for _, size in levels[: prices.index(limit) + 1]) >= quantity:
                return True
        return False


async def misbehave(venues: dict[str, Simulator]) -> None:
    """Let one thing after the other go wrong, once the campaign listens to both."""
    while not all(venue.open_sockets for venue in venues.values()):  # noqa: ASYNC110  another process's doing
        await trio.sleep(0.05)
    while True:
        for name, fault, times, market in FAULTS:
            await trio.sleep(EVERY_SECONDS)
            venues[name].faults.switch_on(fault, times=times, market=market)
            if fault is Fault.SILENT:
                await trio.sleep(2 * AGE_SECONDS)
                venues[name].faults.clear()


def native(venue: str, symbol: str) -> str:
    return symbol if venue == "binance" else f"KRW-{symbol.removesuffix('USDT')}"


def legs(event: dict[str, Any]) -> Iterator[tuple[str, str, Side, Decimal]]:
    """Yield venue, market, side and limit of each leg."""
    for side, which in ((Side.BUY, "buy"), (Side.SELL, "sell")):
        venue = event[f"{which}_venue"]
        yield venue, native(venue, event["symbol"]), side, Decimal(event[f"{which}_limit"])


async def test_no_entry_is_on_a_book_that_the_venue_did_not_have(tmp_path: Path) -> None:
    pytest.importorskip("trioarb_binance")
    pytest.importorskip("trioarb_upbit")
    async with (
        open_simulator("binance", seed=3, every_seconds=0.1) as binance,
        open_simulator("upbit", seed=3, every_seconds=0.1) as upbit,
    ):
        venues = {"binance": binance, "upbit": upbit}
        truths = {name: Truth(venue) for name, venue in venues.items()}
        for truth in truths.values():
            truth.simulator.venue.listen(truth.hear)
        settings: dict[str, object] = {
            "engine.depth": 25,  # Binance by changes and snapshots
            "strategy.max_quote_age_ms": int(AGE_SECONDS * 1000),
            "guards.symbol.cooldown_seconds": "0.1",
            "strategy.entry_bps": 1,
        }
        for name, venue in venues.items():
            settings |= {
                f"exchanges.{name}.rest_url": venue.rest_url,
                f"exchanges.{name}.stream_url": venue.socket_url,
            }
        given = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
        command = [sys.executable, "-m", "trioarb", "run", str(CONFIG), "--runtime", str(RUNTIME_SECONDS), *given]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(misbehave, venues)
            for truth in truths.values():
                nursery.start_soon(truth.watch)
            done = await trio.run_process(command, cwd=tmp_path, capture_stdout=True, capture_stderr=True, check=False)
            nursery.cancel_scope.cancel()
        assert done.returncode == 0, done.stderr.decode()
        happened = {name: dict(venue.faults.happened) for name, venue in venues.items()}

    for name in venues:
        assert {"gap", "silent", "cut"} <= happened[name].keys()
    (journal,) = (tmp_path / "journals").glob("*.journal")
    events = [json.loads(line) for line in journal.read_text().splitlines()]
    entries = [one for one in events if one.get("type") == "pair_opened" and one["kind"] == "entry"]
    assert len(entries) >= 10
    wrong = list(_wrong(entries, truths))
    assert wrong == []


def _wrong(entries: list[dict[str, Any]], truths: dict[str, Truth]) -> Iterator[str]:
    for entry in entries:
        at_ns, quantity = entry["ts_ns"], Decimal(entry["quantity"])
        for venue, market, side, limit in legs(entry):
            truth = truths[venue]
            if not truth.had(market, at_ns, side, limit, quantity):
                yield f"{entry['pair_id']}: {venue} had no {market} at {limit}"
            if any(since + truth.on_its_way_ns < at_ns < until for since, until in truth.alone):
                yield f"{entry['pair_id']}: {venue} was cut"
