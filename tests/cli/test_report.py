"""`report`: one page about a campaign that needs nothing else, and the same for other programs."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor, wait
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from command import CommandLine, Ran

from trioarb.model.number import text as plain

CHAOS = Path(__file__).parents[2] / "configs" / "chaos.toml"
ORDER = [
    "verdict",
    "result",
    "equity",
    "pnl",
    "edges",
    "funnel",
    "holding",
    "slippage",
    "fees",
    "denials",
    "exits",
    "latency",
    "residuals",
    "balances",
    "configuration",
]


class Page(HTMLParser):
    """What a page consists of: tags with their attributes, and the text by the chapter it stands in."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.chapters: dict[str, str] = {}
        self._chapter = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "section" and dict(attrs).get("class") == "chapter":
            self._chapter = str(dict(attrs)["id"])
            self.chapters[self._chapter] = ""

    def handle_data(self, data: str) -> None:
        if self._chapter:
            self.chapters[self._chapter] += f"{data} "


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    trioarb = CommandLine(folder=tmp_path_factory.mktemp("campaign"))
    common = ["--set=session.clock=virtual", "--set=engine.equity_each_minute=true", "--set=engine.markouts=true"]
    for name, more in {"run": "--set=session.seed=1", "other": "--set=session.seed=2"}.items():
        ran = trioarb.run(CHAOS, *common, "--runtime=300", more, f"--journal={name}.journal")
        assert ran.code in (0, 3), ran.err
    return ran


@pytest.fixture(scope="module")
def trioarb(ran: Ran) -> CommandLine:
    return CommandLine(folder=ran.folder)


def written(trioarb: CommandLine, *arguments: str, out: str) -> str:
    told = trioarb("report", *arguments, "--out", out, "--force")
    assert (told.code, told.err) == (0, "")
    return (trioarb.folder / out).read_text("utf-8")


@pytest.fixture(scope="module")
def text(trioarb: CommandLine) -> str:
    return written(trioarb, "run.journal", out="report.html")


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    return Page(text)


def test_its_chapters_come_in_their_order_the_verdict_first(page: Page) -> None:
    assert list(page.chapters) == [name for name in ORDER if name in page.chapters]
    assert {"verdict", "result", "equity", "pnl", "edges", "funnel", "fees", "exits", "configuration"} <= set(
        page.chapters
    )
    first = page.chapters["verdict"].split()
    assert " ".join(first[:2]) in ("PROFIT SHOWN", "LOSS SHOWN", "PROVES NOTHING")
    assert "SIMULATED" in page.chapters["verdict"]


def test_it_asks_for_nothing_from_anywhere(text: str, page: Page) -> None:
    assert len(text.encode()) <= 1_000_000
    for tag, attributes in page.tags:
        assert tag not in ("link", "img", "iframe", "object", "embed", "base", "form")
        assert "src" not in attributes
        assert "style" not in attributes
        assert not any(name.startswith("on") for name in attributes)
        assert str(attributes.get("href", "#")).startswith("#")
    policy = next(one["content"] for tag, one in page.tags if one.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy
    assert "@import" not in text
    assert "url(" not in text


def test_its_figures_are_the_summary_s(trioarb: CommandLine, page: Page) -> None:
    report = json.loads(written(trioarb, "run.journal", "--format=json", out="report.json"))
    (one,) = report["journals"]
    summary = json.loads(trioarb("summary", "run.journal", "--json").out)
    blocks = {name: block for chapter in one["chapters"] for name, block in chapter["blocks"].items()}
    assert blocks["money"]["figures"]["realised PnL"] == {"value": summary["pnl_usd"], "unit": "USD"}
    by_symbol = blocks["pnl_by_symbol"]["parts"]
    assert sum(Decimal(part["amount"]) for part in by_symbol.values()) == Decimal(summary["pnl_usd"])
    assert blocks["head"]["figures"]["head"]["value"] == summary["head"]
    assert summary["head"] in page.chapters["configuration"]
    assert sum(part["count"] for part in blocks["exits"]["parts"].values()) == summary["closed_trades"]
    assert one["summary"]["campaign_id"] == summary["campaign_id"]
    seen, allowed = (blocks["edges"]["parts"][name]["count"] for name in ("seen by guards", "allowed"))
    assert seen >= allowed == summary["decisions"]["ALLOW"]
    pnl = blocks["pnl"]["lines"]["realised"]
    assert pnl[-1][1] == summary["pnl_usd"]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_other_programs_get_tables(trioarb: CommandLine, ran: Ran, kind: str) -> None:
    if kind == "parquet":
        parquet = pytest.importorskip("pyarrow.parquet")
    told = trioarb("report", "run.journal", "--out", f"tables-{kind}", "--format", kind)
    assert (told.code, told.err) == (0, "")
    rows: list[dict[str, Any]]
    if kind == "csv":
        with (ran.folder / "tables-csv" / "breakdowns.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    else:
        rows = parquet.read_table(ran.folder / "tables-parquet" / "breakdowns.parquet").to_pylist()
    summary = json.loads(trioarb("summary", "run.journal", "--json").out)
    amounts = [Decimal(row["amount"]) for row in rows if row["block"] == "pnl_by_symbol"]
    assert sum(amounts) == Decimal(summary["pnl_usd"])


def test_two_are_shown_side_by_side_with_their_differences(trioarb: CommandLine) -> None:
    both = written(trioarb, "run.journal", "--compare", "other.journal", out="both.html")
    result = Page(both).chapters["result"].split()
    assert {"run.journal", "other.journal", "difference"} <= set(result)
    this, other = (json.loads(trioarb("summary", f"{name}.journal", "--json").out) for name in ("run", "other"))
    more = plain(Decimal(this["pnl_usd"]) - Decimal(other["pnl_usd"]))
    assert f'title="{more}"' in both
    report = json.loads(written(trioarb, "run.journal", "--compare=other.journal", "--format=json", out="both.json"))
    assert [one["journal"] for one in report["journals"]] == ["run.journal", "other.journal"]
    assert len(both.encode()) <= 1_000_000


def test_a_journal_that_is_cut_is_told_of_as_far_as_it_is_whole(trioarb: CommandLine, ran: Ran) -> None:
    whole = (ran.folder / "run.journal").read_bytes()
    (ran.folder / "cut.journal").write_bytes(whole[: len(whole) * 2 // 3])
    told = Page(written(trioarb, "cut.journal", out="cut.html"))
    assert "it still runs, or broke off" in told.chapters["result"]
    assert "bytes of a step that was cut off" in told.chapters["result"]


def test_a_journal_may_grow_while_it_is_read(trioarb: CommandLine, ran: Ran) -> None:
    lines = (ran.folder / "run.journal").read_bytes().splitlines(keepends=True)
    journal = ran.folder / "growing.journal"
    journal.write_bytes(b"".join(lines[: len(lines) // 2]))
    with ThreadPoolExecutor() as threads, journal.open("ab", buffering=0) as file:
        told = threads.submit(trioarb, "report", "growing.journal", "--out", "growing.html")
        for line in lines[len(lines) // 2 :]:
            file.write(line[:40])  # now and then it ends within a line
            wait([told], timeout=0.002)
            file.write(line[40:])
    assert (told.result().code, told.result().err) == (0, "")
    assert "realised PnL" in Page((ran.folder / "growing.html").read_text("utf-8")).chapters["result"]


@pytest.mark.parametrize(
    ("name", "content"),
    [("missing", None), ("empty", b""), ("other", b"hello\n")],
)
def test_what_is_no_journal_is_an_error(trioarb: CommandLine, ran: Ran, name: str, content: bytes | None) -> None:
    if content is not None:
        (ran.folder / f"{name}.bad").write_bytes(content)
    told = trioarb("report", f"{name}.bad", "--out", f"{name}.html")
    (error,) = told.errors
    assert told.code == 2
    assert f"{name}.bad" in error
    assert not (ran.folder / f"{name}.html").exists()


def test_a_damaged_journal_is_an_error_that_says_what_is_sound_and_how_to_save_it(
    trioarb: CommandLine, ran: Ran
) -> None:
    content = bytearray((ran.folder / "run.journal").read_bytes())
    content[len(content) // 2] ^= 1
    (ran.folder / "damaged.journal").write_bytes(content)
    told = trioarb("report", "damaged.journal", "--out", "damaged.html")
    assert told.code == 2
    assert "is damaged" in told.errors[0]
    assert "are sound" in told.errors[0]
    assert "trioarb repair" in told.errors[0]
    assert not (ran.folder / "damaged.html").exists()


@pytest.mark.parametrize("out", ["run.journal", "nowhere/report.html", ".", "report.html"])
def test_nothing_is_overwritten_and_no_place_that_is_none_is_written_to(
    trioarb: CommandLine, ran: Ran, text: str, out: str
) -> None:
    before = (ran.folder / "run.journal").read_bytes()
    told = trioarb("report", "run.journal", "--out", out)
    assert told.code == 2
    assert "--out" in told.errors[0]
    assert (ran.folder / "run.journal").read_bytes() == before


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")
@pytest.mark.parametrize("name", ["report.html", "both.html"])
def test_a_browser_draws_its_charts_under_its_own_policy(
    trioarb: CommandLine, ran: Ran, page: Page, tmp_path: Path, name: str
) -> None:
    if name == "both.html":
        written(trioarb, "run.journal", "--compare", "other.journal", out=name)
    assert CHROMIUM is not None
    flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=390,800", f"--user-data-dir={tmp_path}"]
    shown = subprocess.run(
        [CHROMIUM, *flags, "--enable-logging=stderr", "--dump-dom", (ran.folder / name).as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    drawn = Page(shown.stdout)
    places = [one for _, one in drawn.tags if one.get("class") == "chart"]
    canvases = [tag for tag, _ in drawn.tags if tag == "canvas"]
    assert places
    assert len(canvases) == len(places)
    assert "CONSOLE" not in shown.stderr


def test_a_pipe_is_written_to_and_stays_one(trioarb: CommandLine) -> None:
    pipe = trioarb.folder / "pipe"
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as pool:
        kept = os.open(pipe, os.O_RDWR)  # nobody waits for the other end
        read = pool.submit(pipe.read_text)
        told = trioarb("report", "run.journal", "--out=pipe", "--force", "--format=json")
        os.close(kept)
        assert told.code == 0, told.err
        assert json.loads(read.result())["journals"]
        assert pipe.is_fifo()


def test_a_file_that_is_named_like_a_part_of_it_stays(trioarb: CommandLine) -> None:
    other = trioarb.folder / "mine.html.part"
    other.write_text("mine")
    assert written(trioarb, "run.journal", out="mine.html")
    assert other.read_text() == "mine"
    assert {path.name for path in trioarb.folder.glob("*mine.html*")} == {"mine.html", "mine.html.part"}


def test_a_full_disk_is_said(trioarb: CommandLine) -> None:
    told = trioarb("report", "run.journal", "--out=full.html", largest_file=1_000)
    assert told.code == 1
    assert told.error.startswith("full.html can't be written: ")
    assert not list(trioarb.folder.glob("*full.html*"))
