"""`verify`, `explain`, `events` and `repair`: what a campaign's journal tells when it is over."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import sys
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from command import SPREAD, CommandLine, Ran

from trioarb.cli import progress, reading
from trioarb.journal.log import Log
from trioarb.journal.recorded import KIND, open_journal
from trioarb.model.event import PairEnded, Record
from trioarb.model.wire import encode

CAMPAIGN = ["--set=session.clock=virtual", "--set=universe.top_n=6", "--set=exchanges.*.market.size_usd=300"]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """A campaign with a journal and an events file."""
    trioarb = CommandLine(folder=tmp_path_factory.mktemp("campaign"))
    ran = trioarb.run(SPREAD, *CAMPAIGN, "--journal=run.journal")
    assert ran.code == 0, ran.err
    return ran


@pytest.fixture(scope="module")
def trioarb(ran: Ran) -> CommandLine:
    return CommandLine(folder=ran.folder)


@pytest.fixture
def damaged(ran: Ran, tmp_path: Path) -> Path:
    """A copy of the journal in which the 101st event is missing."""
    path = tmp_path / "damaged.journal"
    shutil.copy(ran.folder / "run.journal", path)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:101], *lines[102:]]))
    return path


def sound(path: Path) -> int:
    """Return the number of the last event of whose step nothing is missing: of those before the 101st."""
    lines = path.read_bytes().splitlines()[:101]
    return max(number for number, line in enumerate(lines) if b',"end":true,"hash":"' in line)


def records_of(path: Path) -> list[Record]:
    with open_journal(path) as stored:
        return list(stored.records())


def header_of(ran: Ran) -> dict[str, Any]:
    with open_journal(ran.folder / "run.journal") as stored:
        return {name: value for name, value in stored.header.items() if name != KIND}


# verify


def test_a_sound_journal_is_verified(trioarb: CommandLine, ran: Ran) -> None:
    verified = trioarb("verify", "run.journal")

    assert (verified.code, verified.err) == (0, "")
    lines = verified.out.splitlines()
    checks = lines[1 : lines.index("")]
    assert len(checks) == 15
    assert all(line.endswith(" ok") for line in checks)
    assert checks[0].split() == ["sequence", str(len(ran.events)), "events", "ok"]
    assert lines[-1] == "run.journal is sound."
    assert f"{len(ran.of_type('position_opened')):,} trades" in verified.out


def test_the_digest_is_that_of_the_plain_events(trioarb: CommandLine, ran: Ran) -> None:
    verified = trioarb("verify", "run.journal", "--digest")

    assert verified.code == 0
    lines = (ran.folder / "events.jsonl").read_bytes()
    plain = re.sub(rb'(,"end":true)?,"hash":"[0-9a-f]{32}"}$', b"}", lines, flags=re.MULTILINE)
    assert verified.out.splitlines()[0] == hashlib.sha256(plain).hexdigest()
    assert verified.out.splitlines()[-1] == "run.journal is sound."


def test_a_program_can_read_what_was_verified(trioarb: CommandLine, ran: Ran) -> None:
    verified = trioarb("verify", "run.journal", "--json", "--digest")

    result = json.loads(verified.out)
    assert result["ok"] is True
    assert result["violations"] == []
    assert len(result["digest"]) == 64
    assert "damage" not in result
    assert result["checks"]["double entry"]["violations"] == 0
    assert result["facts"]["events"] == len(ran.events)
    assert result["facts"]["ended_by"] == "iterations"
    assert result["facts"]["pnl_usd"] == ran.summary["pnl_usd"]


def test_a_journal_that_breaks_a_rule_is_not_sound(trioarb: CommandLine, ran: Ran, tmp_path: Path) -> None:
    records = records_of(ran.folder / "run.journal")
    index = next(i for i, record in enumerate(records) if isinstance(record.event, PairEnded))
    ended = records[index].event
    assert isinstance(ended, PairEnded)
    more = msgspec.structs.replace(ended, pnl_usd=ended.pnl_usd + Decimal("0.01"))
    records[index] = records[index]._replace(event=more)
    path = tmp_path / "wrong.journal"
    with closing(Log.create(path, KIND, header_of(ran))) as log:
        log.append([encode(record) for record in records])

    verified = trioarb("verify", path)

    assert (verified.code, verified.err) == (1, "")
    assert f"Violation: PnL: seq {index + 1}: pair_ended (pair_id {ended.pair_id}, " in verified.out
    assert verified.out.splitlines()[-1].startswith(f"{path} is not sound: ")
    result = json.loads(trioarb("verify", path, "--json").out)
    assert result["ok"] is False
    assert result["violations"][0]["seq"] == index + 1
    assert result["violations"][0]["ids"]["pair_id"] == ended.pair_id


def test_a_damaged_journal_is_verified_as_far_as_it_can_be_read(trioarb: CommandLine, damaged: Path) -> None:
    verified = trioarb("verify", damaged, "--digest")

    assert verified.code == 1
    assert "line 102 is not what was written" in verified.error
    assert f"trioarb repair {damaged} NEW" in verified.error
    assert verified.out.splitlines()[0].startswith("check")
    assert f"{sound(damaged)} events" in verified.out
    result = json.loads(trioarb("verify", damaged, "--json").out)
    assert result["ok"] is False
    assert "line 102 is not what was written" in result["damage"]


DEEP = b"[" * 100_000 + b"]" * 100_000


@pytest.mark.parametrize("command", [["verify"], ["summary"], ["explain"], ["resume"], ["export", "--out=out"]])
def test_a_made_up_line_with_a_right_hash_is_damage_that_names_it(
    trioarb: CommandLine, ran: Ran, tmp_path: Path, command: list[str]
) -> None:
    lines = [encode(record) for record in records_of(ran.folder / "run.journal")]
    deep, surrogate = b'{"seq":%d,"x":' + DEEP, b'{"type":"\\ud800","seq":"%d"'
    forged: list[tuple[dict[str, Any], list[bytes], str]] = [
        (header_of(ran), [*lines[:2], deep % 3, *lines[3:]], "line 4 can't be read (it is nested too deep)"),
        (header_of(ran), [*lines[:2], surrogate % 3, *lines[3:]], "line 4 can't be read (no event:"),
        (header_of(ran), [*lines[:-1], deep % len(lines)], f"line {len(lines) + 1} can't be read (it is nested"),
        ({**header_of(ran), "config": 5}, lines, "line 1: its config is no text"),
        ({**header_of(ran), "version": ["1"]}, lines, "line 1: its version is no text"),
    ]
    for number, (header, events, what) in enumerate(forged):
        path = tmp_path / f"{number}.journal"
        with closing(Log.create(path, KIND, header)) as log:
            log.append(events)
        for memory in ran.folder.glob("run.*.venue"):
            shutil.copy(memory, tmp_path / memory.name.replace("run", str(number)))

        told = trioarb(command[0], path, *command[1:])
        assert told.code in (1, 2)
        assert f"{path} is damaged: {what}" in told.error, told.err


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"config": ""}, "is damaged: line 1 holds no configuration that can be read"),
        ({"config": DEEP.decode()}, "is damaged: line 1 holds no configuration that can be read"),
        ({"config_digest": "0" * 64}, "it was changed, or a plugin has other settings now"),
    ],
)
def test_a_header_whose_configuration_is_not_the_one_it_names_is_not_sound(
    trioarb: CommandLine, ran: Ran, tmp_path: Path, change: dict[str, Any], what: str
) -> None:
    path = tmp_path / "other.journal"
    with closing(Log.create(path, KIND, {**header_of(ran), **change})) as log:
        log.append([encode(record) for record in records_of(ran.folder / "run.journal")])

    verified = trioarb("verify", path)
    assert verified.code == 1
    assert what in verified.error


@pytest.mark.parametrize("command", ["verify", "explain", "events"])
def test_what_is_no_journal_can_not_be_read(trioarb: CommandLine, tmp_path: Path, command: str) -> None:
    (tmp_path / "text").write_text("not a journal, but a text that is long enough to be something else\n" * 20)

    for path, what in (
        (tmp_path / "text", "is not a trioarb journal"),
        (tmp_path / "none", "there is no such journal"),
    ):
        ran = trioarb(command, path)
        assert (ran.code, ran.out) == (2, "")
        assert what in ran.error


def head_of(ran: Ran) -> str:
    (head,) = (line.removeprefix("head: ") for line in ran.err.splitlines() if line.startswith("head: "))
    return head


def test_the_head_is_told_at_the_end_and_known_again(trioarb: CommandLine, ran: Ran) -> None:
    head = head_of(ran)

    assert ran.summary["head"] == head == f"{len(ran.events)}:{ran.events[-1]['hash']}"
    earlier = f"100:{ran.events[99]['hash']}"
    for known in (head, head.partition(":")[2], earlier):
        assert trioarb("verify", "run.journal", "--head", known).code == 0
    assert trioarb("verify", "run.journal", "--head=what").code == 2


def test_what_only_the_head_notices(trioarb: CommandLine, ran: Ran, tmp_path: Path) -> None:
    """Lines that are missing at the end, and a change after which all hashes were made anew."""
    lines = (ran.folder / "run.journal").read_bytes().splitlines(keepends=True)
    short, forged = tmp_path / "short.journal", tmp_path / "forged.journal"
    last = max(number for number, line in enumerate(lines[:-1]) if b',"end":true,' in line)
    short.write_bytes(b"".join(lines[: last + 1]))
    records = records_of(ran.folder / "run.journal")
    records[-1] = records[-1]._replace(ts_ns=records[-1].ts_ns + 1)
    with closing(Log.create(forged, KIND, header_of(ran))) as log:
        log.append([encode(record) for record in records])

    for path in (short, forged):
        assert trioarb("verify", path).code == 0
    verified = trioarb("verify", short, "--head", head_of(ran))
    assert verified.code == 1
    assert "its end is missing" in verified.error
    verified = trioarb("verify", forged, "--head", head_of(ran))
    assert verified.code == 1
    assert "another head" in verified.error
    assert "which can't be known" in verified.error


def test_a_torn_end_is_named(trioarb: CommandLine, ran: Ran, tmp_path: Path) -> None:
    path, data = tmp_path / "torn.journal", (ran.folder / "run.journal").read_bytes()
    path.write_bytes(data[:-20])

    verified = trioarb("verify", path)

    assert verified.code == 0
    assert re.search(r"Torn: .* ends with [\d,]+ bytes of a step that was cut off", verified.out)
    assert re.search(r"is sound up to event \d+\.$", verified.out.strip())
    repaired = trioarb("repair", path, tmp_path / "whole.journal")
    assert "of a step that was cut off" in repaired.out
    assert "torn" not in json.loads(trioarb("verify", tmp_path / "whole.journal", "--json").out)


# events


def test_events_are_what_the_campaign_wrote(trioarb: CommandLine, ran: Ran) -> None:
    assert trioarb("events", "run.journal").out == (ran.folder / "events.jsonl").read_text()


def test_events_of_a_type_and_of_a_symbol(trioarb: CommandLine, ran: Ran) -> None:
    def printed(*options: str) -> list[dict[str, object]]:
        return [json.loads(line) for line in trioarb("events", "run.journal", *options).out.splitlines()]

    assert printed("--type=pair_ended") == ran.of_type("pair_ended")
    symbol = ran.of_type("position_opened")[0]["symbol"]
    orders = {event["client_order_id"] for event in ran.of_type("order_submitted", symbol=symbol)}
    trades = {event["trade_id"] for event in ran.of_type("position_opened", symbol=symbol)}
    assert printed(f"--symbol={symbol}") == [
        event
        for event in ran.events
        if event.get("symbol") == symbol or event.get("client_order_id") in orders or event.get("trade_id") in trades
    ]
    cancelled = printed(f"--symbol={symbol}", "--type=order_cancelled")
    assert cancelled == [event for event in ran.of_type("order_cancelled") if event["client_order_id"] in orders]


def test_unknown_types_and_symbols_are_named_with_what_there_is(trioarb: CommandLine) -> None:
    by_type = trioarb("events", "run.journal", "--type=pair_end")
    assert (by_type.code, by_type.out) == (2, "")
    assert "--type" in by_type.error
    assert "did you mean 'pair_ended'?" in by_type.error

    by_symbol = trioarb("events", "run.journal", "--symbol=BTCUSD")
    assert (by_symbol.code, by_symbol.out) == (2, "")
    assert "did you mean 'BTCUSDT'?" in by_symbol.error


def test_a_reader_that_goes_away_is_no_error(trioarb: CommandLine) -> None:
    ours, theirs = os.pipe()
    with trioarb.started("events", "run.journal", stdout=theirs) as process:
        os.close(theirs)
        os.read(ours, 100)
        os.close(ours)
        assert process.finish().err == ""


# explain


def test_the_campaign_is_explained(trioarb: CommandLine, ran: Ran) -> None:
    explained = trioarb("explain", "run.journal")

    assert (explained.code, explained.err) == (0, "")
    for trade in ran.summary["trades"]:
        assert any(line.split()[:2] == [trade["trade_id"], trade["symbol"]] for line in explained.out.splitlines())
    assert "One trade: trioarb explain run.journal --trade" in explained.out


def test_a_trade_and_a_symbol_are_explained(trioarb: CommandLine, ran: Ran) -> None:
    trade = ran.summary["trades"][0]
    explained = trioarb("explain", "run.journal", "--trade", trade["trade_id"])
    assert explained.code == 0
    assert explained.out.startswith(f"Trade {trade['trade_id']}: {trade['symbol']}, ")
    sign = "" if trade["pnl_usd"].startswith("-") else "+"
    assert f"Realised PnL: {sign}{trade['pnl_usd']} USD, the sum of" in explained.out

    explained = trioarb("explain", "run.journal", "--symbol", trade["symbol"])
    assert explained.code == 0
    assert any(line.split()[:1] == [trade["trade_id"]] for line in explained.out.splitlines())


def test_an_unknown_trade_or_symbol_is_named_with_what_there_is(trioarb: CommandLine, ran: Ran) -> None:
    explained = trioarb("explain", "run.journal", "--trade=t999")
    assert (explained.code, explained.out) == (2, "")
    assert all(trade["trade_id"] in explained.error for trade in ran.summary["trades"])

    explained = trioarb("explain", "run.journal", "--symbol=ethusd")
    assert (explained.code, explained.out) == (2, "")
    assert "did you mean 'ETHUSDT'?" in explained.error

    assert trioarb("explain", "run.journal", "--symbol=ETHUSDT", "--trade=t1").code == 2


# repair


def test_what_is_sound_of_a_damaged_journal_is_saved(trioarb: CommandLine, ran: Ran, damaged: Path) -> None:
    saved = damaged.with_name("saved.journal")
    repaired = trioarb("repair", damaged, saved)

    assert (repaired.code, repaired.err) == (0, "")
    assert f"{saved}: {sound(damaged)} events saved." in repaired.out
    assert f"everything after event {sound(damaged)}" in repaired.out
    assert "line 102 is not what was written" in repaired.out
    assert f"trioarb verify {saved}" in repaired.out
    assert records_of(saved) == records_of(ran.folder / "run.journal")[: sound(damaged)]

    verified = trioarb("verify", saved)
    assert verified.code == 0
    assert "not ended" in verified.out

    again = trioarb("repair", damaged, saved)
    assert (again.code, again.out) == (2, "")


def test_a_journal_that_is_not_damaged_is_copied(trioarb: CommandLine, ran: Ran, tmp_path: Path) -> None:
    repaired = trioarb("repair", "run.journal", tmp_path / "copy.journal")

    assert repaired.code == 0
    assert "run.journal is not damaged." in repaired.out
    assert records_of(tmp_path / "copy.journal") == records_of(ran.folder / "run.journal")


# progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_long_work_shows_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds, terminal = iter(range(10_000)), Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(progress, "monotonic", lambda: next(seconds) / 2)
    passed = list(reading.with_progress(range(20_000), 20_000, "verifying"))  # type: ignore[type-var,arg-type]

    assert passed == list(range(20_000))
    assert "verifying: 8,192 of 20,000 events" in terminal.getvalue()
    assert terminal.getvalue().endswith("\r\x1b[K")


def test_quick_work_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(progress, "monotonic", lambda: 0.0)
    list(reading.with_progress(range(20_000), 20_000, "verifying"))  # type: ignore[type-var,arg-type]

    assert terminal.getvalue() == ""
