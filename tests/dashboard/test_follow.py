"""A journal is followed while it grows, is cut, replaced or damaged: what is sound is shown, the rest is said."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from dashboard_server import dashboard, until_true

from trioarb.dashboard.fleet import Campaigns
from trioarb.dashboard.follower import Follower
from trioarb.dashboard.view import Viewed
from trioarb.journal.log import END, SUFFIX, Log
from trioarb.journal.recorded import KIND, DamagedJournal, open_journal
from trioarb.plugin.registry import load_plugins
from trioarb.report.plain import to_plain
from trioarb.report.trade_timeline import TradeTimeline
from trioarb.state.state import State


def drained(follower: Follower) -> Follower:
    while follower.advance(0.05):
        pass
    return follower


def figures(state: State) -> Any:
    """Return figures of many parts of it."""
    return (
        to_plain(state.equity.figures()),
        state.statistics.pnl_usd,
        state.statistics.decisions,
        state.ledger.balances(),
        state.exposure.exposure_usd(),
    )


def folded(journal: Path) -> State:
    state = State()
    with open_journal(journal) as stored:
        for record in stored.records():
            state.apply(record)
    return state


def test_a_journal_that_grows_by_any_number_of_bytes_comes_to_the_same(ended_journal: Path, tmp_path: Path) -> None:
    data, path = ended_journal.read_bytes(), tmp_path / "a.journal"
    step = 997
    path.write_bytes(data[: data.index(b"\n") + 1])
    follower = drained(Follower(path))
    with path.open("ab") as file:
        for at in range(data.index(b"\n") + 1, len(data), step):
            file.write(data[at : at + step])
            file.flush()
            drained(follower)
            assert not follower.problem
    assert follower.seq == data.count(b"\n") - 1
    assert figures(follower.state) == figures(folded(ended_journal))


def test_a_journal_that_is_not_begun_yet_is_shown_once_it_is(ended_journal: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.journal"
    follower = drained(Follower(path))
    assert "there is no such journal" in follower.problem
    path.touch()
    assert "holds nothing" in drained(follower).problem
    shutil.copy(ended_journal, path)
    assert drained(follower).seq > 0
    assert not follower.problem


@pytest.mark.parametrize("share", [0.2, 0.9])
def test_damage_is_said_and_what_is_before_it_shown(ended_journal: Path, tmp_path: Path, share: float) -> None:
    data, path = bytearray(ended_journal.read_bytes()), tmp_path / "a.journal"
    at = int(len(data) * share)
    data[at] ^= 1
    path.write_bytes(data)
    line = data[:at].count(b"\n") + 1
    follower = drained(Follower(path))
    assert follower.is_damaged
    assert f"line {line} " in follower.problem or f"line {line + 1} " in follower.problem
    assert 0 < follower.seq < line
    assert not follower.advance(1), "and nothing follows"


@pytest.mark.parametrize("share", [0.3, 0.7, 1.0])
def test_the_course_of_equity_ends_at_what_its_tile_shows(ended_journal: Path, tmp_path: Path, share: float) -> None:
    data, path = ended_journal.read_bytes(), tmp_path / "a.journal"
    path.write_bytes(data[: data.index(b"\n", int(len(data) * share) - 1) + 1])
    viewed = Viewed("a", path, load_plugins())
    drained(viewed.follower)
    view = viewed.view(0, with_series=True)
    assert view.money is not None
    assert view.money.equity_change
    course = next(one for one in view.series if one.name == "equity")
    assert course.values[-1] == float(view.money.equity_change)
    assert view.row.equity_change_usd == view.money.equity_change


def test_what_a_resume_cuts_off_was_never_shown(ended_journal: Path, tmp_path: Path) -> None:
    data, path = ended_journal.read_bytes(), tmp_path / "a.journal"
    lines = data.splitlines(keepends=True)
    ends = [b'"end":true' in line for line in lines]
    # The first line of a step is whole, the second isn't.
    begun = next(n for n in range(len(lines) // 2, len(lines)) if ends[n - 1] and not ends[n])
    whole = sum(map(len, lines[:begun]))
    path.write_bytes(data[: whole + len(lines[begun]) + 50])
    follower = drained(Follower(path))
    seen = follower.seq
    assert seen == begun - 1, "its step isn't whole"
    assert not follower.problem
    with path.open("r+b") as file:
        file.truncate(whole)
        file.seek(whole)
        file.write(data[whole:])
    drained(follower)
    assert not follower.problem
    assert follower.seq == data.count(b"\n") - 1 > seen
    assert figures(follower.state) == figures(folded(ended_journal))


def test_a_journal_that_was_cut_or_replaced_is_read_anew(ended_journal: Path, tmp_path: Path) -> None:
    data, path = ended_journal.read_bytes(), tmp_path / "a.journal"
    path.write_bytes(data)
    follower = drained(Follower(path))
    last = data.rindex(b'"end":true', 0, len(data) // 2)
    shorter = data[: data.index(b"\n", last) + 1]
    with path.open("r+b") as file:
        file.truncate(len(shorter))
    drained(follower)
    assert "was cut" in follower.problem
    assert follower.seq == shorter.count(b"\n") - 1
    (tmp_path / "b.journal").write_bytes(data)
    (tmp_path / "b.journal").rename(path)
    drained(follower)
    assert "another file" in follower.problem
    assert figures(follower.state) == figures(folded(ended_journal))


@pytest.mark.parametrize("text", ["", "hello\n", '{"trioarb_journal":9}\n', "{" * 100])
async def test_what_is_no_journal_is_one_line_of_the_fleet(journals: Path, text: str) -> None:
    (journals / "b.journal").write_text(text)
    async with dashboard([journals, journals / "b.journal"]) as shown:
        await shown.folded()
        rows = {row["name"]: row for row in (await shown.get("/api/campaigns"))["campaigns"]}
    assert rows["a"]["state"] == "ended"
    assert rows["b"]["state"] == "unreadable"
    assert rows["b"]["problem"]


async def test_a_journal_that_comes_later_and_one_of_the_same_name(journals: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(journals / "a.journal", other / "a.journal")
    async with dashboard([journals, other]) as shown:
        shutil.copy(journals / "a.journal", journals / "later.journal")
        (journals / "link.journal").symlink_to(journals / "a.journal")

        async def names() -> set[str] | None:
            found = {row["name"] for row in (await shown.get("/api/campaigns"))["campaigns"]}
            return found if "later" in found else None

        assert await until_true(names) == {"a", "a~2", "later"}


async def test_the_log_has_every_event_once_whichever_way_it_is_paged(journals: Path) -> None:
    with open_journal(journals / "a.journal") as stored:
        numbers = [record.seq for record in stored.records()]
    async with dashboard([journals]) as shown:
        await shown.folded()
        back, before = list[int](), ""
        while True:
            page = await shown.get(f"/api/campaigns/a/log?limit=200{before}")
            back = [one["seq"] for one in page["events"]] + back
            if not page["older"]:
                break
            before = f"&before={page['first_seq']}"
        forth, after = list[int](), 0
        while True:
            page = await shown.get(f"/api/campaigns/a/log?limit=77&after={after}")
            forth += [one["seq"] for one in page["events"]]
            after = page["last_seq"]
            if not page["newer"]:
                break
        filled = await shown.get("/api/campaigns/a/log?type=order_filled&limit=500")
        none = await shown.get("/api/campaigns/a/log?text=nothing-says-this")
        assert (await shown.client.get("/api/campaigns/a/log?before=x")).status_code == 400
    assert back == numbers == forth
    assert {one["type"] for one in filled["events"]} == {"order_filled"}
    assert none["events"] == []
    assert not none["older"]


async def test_a_trade_is_told_as_explain_tells_it(journals: Path) -> None:
    async with dashboard([journals]) as shown:
        view = await shown.folded()
        trade_id = view["trades"][0]["trade_id"]
        story = await shown.get(f"/api/campaigns/a/trades/{trade_id}")
        assert (await shown.client.get("/api/campaigns/a/trades/t99999")).status_code == 404
    timeline = TradeTimeline(trade_id)
    with open_journal(journals / "a.journal") as stored:
        for record in stored.records():
            timeline.apply(record)
    assert story["lines"] == list(timeline.lines())


async def test_two_campaigns_are_compared(journals: Path) -> None:
    shutil.copy(journals / "a.journal", journals / "b.journal")
    async with dashboard([journals]) as shown:
        await shown.folded("a")
        await shown.folded("b")
        comparison = await shown.get("/api/compare?a=a&b=b")
        assert (await shown.client.get("/api/compare?a=a")).status_code == 404
    assert comparison["settings"] == []
    assert all(one["a"] == one["b"] for one in comparison["figures"])
    assert comparison["series"][0]["values"] == comparison["series"][1]["values"]


async def test_the_view_says_what_the_summary_says(journals: Path) -> None:
    state = folded(journals / "a.journal")
    async with dashboard([journals]) as shown:
        view = await shown.folded()
    assert view["money"]["pnl_usd"] == str(state.statistics.pnl_usd)
    assert view["money"]["equity_change"] == str(state.equity.figures().change)
    assert view["verdict"]["word"] == "PROVES NOTHING"
    assert view["row"]["closed_trades"] == state.statistics.closed
    assert view["live"] is False
    assert view["latency"] == [], "nobody knows it any more"
    assert view["funnel"]["steps"][0]["step"] == "seen"


async def test_of_many_campaigns_rows_are_kept_and_details_come_when_somebody_looks(
    journals: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trioarb.dashboard.fleet._KEPT", 2)
    monkeypatch.setattr("trioarb.dashboard.fleet._WANTED_SECONDS", 0.1)
    monkeypatch.setattr("trioarb.dashboard.fleet._LOOK_SECONDS", 0.05)
    for number in range(9):
        shutil.copy(journals / "a.journal", journals / f"b{number}.journal")
    async with dashboard([journals]) as shown:
        campaigns = shown.server.campaigns

        async def are_folded() -> bool:
            rows = campaigns.fleet().campaigns
            return all(row.state == "ended" for row in rows) and sum(not one.is_shelved for one in campaigns) <= 2

        await until_true(are_folded)
        rows = (await shown.get("/api/campaigns"))["campaigns"]
        assert len(rows) == 10
        assert len({(row["pnl_usd"], row["equity_change_usd"], row["verdict"], row["events"]) for row in rows}) == 1
        shelved = next(one for one in campaigns if one.is_shelved)
        view = await shown.folded(shelved.name)
        assert view["trades"]
        await until_true(are_folded)
        (journals / "b3.journal").unlink()

        async def is_gone() -> bool:
            return campaigns.find("b3") is None

        await until_true(is_gone)


async def test_names_that_are_no_text_or_lead_elsewhere(journals: Path) -> None:
    for name in (b"\xff.journal", b"..journal", b"...journal", b".journal", b"a?b#c%2f.journal"):
        (journals / os.fsdecode(name)).write_bytes((journals / "a.journal").read_bytes())
    async with dashboard([journals]) as shown, shown.watching("/api/events") as events:
        came = await events.next()
        assert came is not None
        names = {row["name"] for row in came[1]["campaigns"]}
        assert names == {"a", r"\udcff", "..journal", "...journal", ".journal", "a?b#c%2f"}
        for name in names:
            assert (await shown.get(f"/api/campaigns/{quote(name, safe='')}"))["row"]["name"] == name


def test_a_folder_that_is_gone_is_no_campaign_and_may_come_again(journals: Path) -> None:
    other = journals.parent / "other"
    other.mkdir()
    shutil.copy(journals / "a.journal", other / "b.journal")
    campaigns = Campaigns([journals, other], load_plugins())
    campaigns._look()
    away = journals.rename(journals.with_name("away"))
    (other / "c.journal").write_bytes((away / "a.journal").read_bytes())
    campaigns._look()
    assert {one.name for one in campaigns} == {"a", "b", "c"}, "what is wrong with one folder is not of another"
    shutil.copy(away / "a.journal", away / "d.journal")
    away.rename(journals)
    campaigns._look()
    assert {one.name for one in campaigns} == {"a", "b", "c", "d"}


def rewritten(source: Path, path: Path, change: Callable[[int, bytes], bytes]) -> None:
    """Write a journal anew, as somebody does who knows how its lines are chained: each changed, by its number."""
    lines = [line[:-SUFFIX] for line in source.read_bytes().splitlines()]
    header = json.loads(lines[0] + b"}")
    log = Log.create(path, KIND, {name: value for name, value in header.items() if name != KIND})
    for number, line in enumerate(lines[1:], 1):
        log.append([change(number, line.removesuffix(END))])
    log.write()
    log.close()


async def test_of_a_journal_with_an_event_that_is_none_the_others_can_be_read(journals: Path) -> None:
    def change(number: int, line: bytes) -> bytes:
        return line if number != 40 else b'{"seq":40,"ts_ns":1,"type":"' + b"no" * 100_000 + b'"'

    rewritten(journals / "a.journal", journals / "b.journal", change)
    with open_journal(journals / "b.journal") as stored, pytest.raises(DamagedJournal) as damaged:
        list(stored.records())
    assert len(str(damaged.value)) < 4_000
    async with dashboard([journals]) as shown:
        view = await shown.folded("b")
        assert view["row"]["state"] == "damaged"
        assert len(json.dumps(view["row"])) < 20_000
        page = await shown.get("/api/campaigns/b/log")
        assert [event["seq"] for event in page["events"]] == [*range(1, 40)]


async def test_a_campaign_that_can_not_be_shown_costs_the_others_nothing(journals: Path) -> None:
    def change(_: int, line: bytes) -> bytes:
        return re.sub(rb'"-?\d+\.\d+"', b'"Infinity"', line)

    rewritten(journals / "a.journal", journals / "b.journal", change)
    async with dashboard([journals]) as shown:
        await shown.folded()

        async def failed() -> bool:
            return (await shown.client.get("/api/campaigns/b")).status_code == 500

        await until_true(failed)
        assert "dashboard's log" in (await shown.client.get("/api/campaigns/b")).json()["error"]
        compared = await shown.client.get("/api/compare?a=b&b=a")
        assert "dashboard's log" in compared.json()["error"]
        metrics = await shown.client.get("/metrics")
        assert metrics.status_code == 200
        assert 'campaign="a"' in metrics.text
