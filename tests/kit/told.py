"""Campaigns in virtual time that are told something at certain times, and may be cut off and gone on with."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import attrs
import msgspec
import trio

from trioarb.cli.journal import keep_anew, keep_on
from trioarb.cli.resume import _stored, _table
from trioarb.config.load import load_table
from trioarb.control.message import Answer, Request
from trioarb.engine.campaign import Campaign
from trioarb.engine.desk import Desk
from trioarb.engine.run import run_campaign
from trioarb.errors import TrioarbError
from trioarb.journal.recorded import claim, open_journal
from trioarb.model.command import Command
from trioarb.model.event import Record
from trioarb.model.wire import decode, to_json_object
from trioarb.plugin.registry import load_plugins
from trioarb.testing import ScriptedTape, listing, scripted_market, two_venues
from trioarb.time.campaign_time import SECOND_NS, Turn
from trioarb.time.virtual import VirtualClock
from trioarb.verify.verification import Verifier

__all__ = ["ANA", "Told", "ask", "table", "telling", "violations"]

ANA = "ana (uid 1000)"
Row = tuple[float, str, float, float, float, float]


def ask(word: str, **fields: Any) -> Request:
    return Request(command=Command(word), **fields)


def rows(symbols: Sequence[str], seconds: int, period: int) -> dict[str, list[Row]]:
    """Return quotes each quarter of a second: a gap between a and b that opens and closes each ``period`` seconds."""
    found: dict[str, list[Row]] = {"a": [], "b": []}
    for tick in range(4 * seconds):
        opens = tick // 4 % period < period / 2
        for venue, told in found.items():
            gap = 1.0 if venue == "b" and opens else 0.0
            told += [(tick / 4, symbol, 100.0 + gap, 50.0, 100.1 + gap, 50.0) for symbol in symbols]
    return found


def table(**strategy: object) -> dict[str, Any]:
    config: dict[str, Any] = two_venues()
    for venue in config["exchanges"].values():
        venue |= {"tick_size": "0.1", "lot_size": "0.01"}
    config["strategy"] = {"entry_bps": 20, "exit_bps": -20, "order_size_usd": 100, **strategy}
    config["guards"]["symbol"] = {"cooldown_seconds": 1, "max_position_count": 5, "circuit_breaker_loss_count": 0}
    return config


@attrs.frozen(kw_only=True)
class Told:
    """A stretch that was told things. ``answers`` are what was said to each of them, or why it was refused."""

    campaign: Campaign
    events: Sequence[Mapping[str, Any]]
    answers: Sequence[Answer | TrioarbError]

    def of_type(self, name: str) -> list[Mapping[str, Any]]:
        return [event for event in self.events if event["type"] == name]

    def seconds(self, event: Mapping[str, Any]) -> float:
        return float((event["ts_ns"] - self.events[0]["ts_ns"]) / SECOND_NS)

    def entries(self, symbol: str = "") -> list[float]:
        """Return when entries were opened."""
        opened = self.of_type("pair_opened") + self.of_type("transaction_opened")
        wanted = [one for one in opened if one["kind"] == "entry" and symbol in ("", one["symbol"])]
        return [self.seconds(one) for one in wanted]

    def exits(self) -> list[tuple[float, str, str]]:
        """Return when exits were opened, of which symbol, and why."""
        wanted = [one for one in self.of_type("pair_opened") if one["kind"] == "exit"]
        return [(self.seconds(one), one["symbol"], one["reason"]) for one in wanted]


def telling(
    folder: Path,
    config: Mapping[str, Any],
    *told: tuple[float, Request],
    symbols: Sequence[str] = ("BTC",),
    seconds: int = 40,
    period: int = 10,
    resumed: bool = False,
    cut_off_at: float | None = None,
    as_stored: bool = False,
) -> Told:
    """Run a campaign, or go on with the one that is in the folder, and tell it things at these seconds of its stretch.

    ``cut_off_at``: the folder has in the end what a crash at that second would have left there. ``as_stored``: it goes
    on with the configuration that `trioarb resume` would take from the journal.
    """
    names = [f"{symbol}USDT" for symbol in symbols]
    tapes = {
        venue: ScriptedTape(found, listings=[listing(symbol) for symbol in symbols])
        for venue, found in rows(names, seconds, period).items()
    }
    plugins = load_plugins({"market": scripted_market(tapes)})
    loaded, records, clock = load_table(config, plugins), list[Record](), VirtualClock()
    answers, opened = list[Answer | TrioarbError](), list[Campaign]()
    journal, left, is_open = folder / "c.journal", folder / "left", trio.Event()

    def on_open(campaign: Campaign) -> None:
        opened.append(campaign)
        is_open.set()

    def cut_off() -> None:
        left.mkdir()
        for path in folder.glob("c.*"):
            shutil.copy(path, left)

    if as_stored:
        with claim(journal) as claimed:
            loaded = _stored(claimed, _table(claimed), plugins, force=False)

    async def tell() -> None:
        await is_open.wait()
        time, desk = opened[0].parts.time, Desk(opened[0], loaded.table)
        begin_ns = time.now_ns()
        acts: list[tuple[float, Request | None]] = [*told]
        if cut_off_at is not None:
            acts.append((cut_off_at, None))
        for number, (at, request) in enumerate(sorted(acts, key=lambda act: act[0])):
            await time.sleep_until(begin_ns + round(at * SECOND_NS), Turn.SERVICE.order(number=50 + number))
            if request is None:
                cut_off()
                continue
            try:
                answers.append(await desk.obey(request, ANA))
            except TrioarbError as error:
                answers.append(error)

    async def main() -> Campaign:
        with claim(journal) if resumed else nullcontext() as claimed:
            keeping = keep_anew(journal, loaded) if claimed is None else keep_on(claimed, loaded)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(tell)
                campaign = await run_campaign(
                    loaded.config,
                    plugins,
                    clock=clock,
                    observers=[records.append],
                    on_open=on_open,
                    keeping=keeping,
                )
                nursery.cancel_scope.cancel()
            return campaign

    campaign = trio.run(main, clock=clock)
    if cut_off_at is not None:
        for path in left.iterdir():
            shutil.copy(path, folder)
        shutil.rmtree(left)
    return Told(campaign=campaign, events=[to_json_object(one) for one in records], answers=answers)


def violations(source: Path | Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what `verify` finds in a folder's journal, or in events."""
    verifier = Verifier()
    if isinstance(source, Path):
        with open_journal(source / "c.journal") as stored:
            verifier.fold(stored.records())
    else:
        verifier.fold(decode(msgspec.json.encode(event)) for event in source)
    return [str(violation) for violation in verifier.result().violations]
