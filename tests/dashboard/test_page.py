"""The dashboard's page in a real browser, on campaigns that run and one that has ended."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from browsing import PATIENCE_SECONDS, TOKEN, Dashboard, campaign, chromium, dashboard, journaled, missing, until

REASON = missing()
pytestmark = pytest.mark.skipif(bool(REASON), reason=REASON)

CONFIG = Path(__file__).parents[2] / "configs" / "spread.toml"
#: A campaign in which something happens at once, and goes on happening.
LIVELY = (
    "--runtime=300",
    "--iterations=1000000",
    "--set=session.loop_interval_ms=50",
    "--set=exchanges.*.market.step_ms=50",
    "--set=guards.symbol.cooldown_seconds=0",
    "--set=guards.symbol.circuit_breaker_loss_count=1000",
)
HOSTILE = "<img src=x onerror=document.hacked=1>"
DESKTOP, PHONE = (1360, 860), (390, 844)
#: Where the screenshots of a run are kept.
ARTEFACTS = Path(os.environ.get("TRIOARB_ARTEFACTS", Path(__file__).parents[2] / ".nox" / "artefacts"))


@pytest.fixture(autouse=True)
def runtime_folder() -> None:
    """The tests' common one, where processes that outlive a test of this module meet."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("dashboard")


@pytest.fixture(scope="module")
def running(folder: Path) -> Iterator[Path]:
    """The journal of a campaign that runs as long as these tests, unless one of them ends it."""
    with campaign(CONFIG, "lively.journal", *LIVELY, folder=folder) as journal:
        yield journal


@pytest.fixture(scope="module")
def ended(folder: Path) -> Path:
    """The journal of a campaign that has ended, by a name that would be markup."""
    path = folder / f"{HOSTILE}.journal"
    options = ("--set=session.clock=virtual", "--runtime=60", "--plain", f"--journal={path.name}")
    subprocess.run(
        [sys.executable, "-m", "trioarb", "run", str(CONFIG), *options], cwd=folder, check=True, capture_output=True
    )
    return path


@pytest.fixture(scope="module")
def served(folder: Path, running: Path, ended: Path) -> Iterator[Dashboard]:
    with dashboard(folder) as one:
        yield one


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    # Its event loop is asyncio's, which these tests, none of them async, leave to it.
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        options = {"executable_path": chromium(), "args": ["--no-sandbox"]}
        yield playwright.chromium.launch(**options)


@contextmanager
def looking(browser: Any, *, size: tuple[int, int] = DESKTOP, theme: str = "light", wrong: str = "^$") -> Iterator[Any]:
    """Open a page; nothing may be wrong with it in the browser's console but what matches ``wrong``."""
    context = browser.new_context(viewport={"width": size[0], "height": size[1]}, color_scheme=theme)
    context.set_default_timeout(1_000 * PATIENCE_SECONDS)
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: message.type in ("error", "warning") and said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    try:
        yield page
        assert not page.evaluate("document.hacked")
        assert page.locator("main img, dialog img").count() == 0
    finally:
        context.close()
    assert [line for line in said if not re.search(wrong, line)] == []


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    with looking(browser) as one:
        yield one


def open_fleet(page: Any, served: Dashboard) -> None:
    page.goto(served.address)
    page.get_by_role("link", name="lively").wait_for()


def open_campaign(page: Any, served: Dashboard, name: str = "lively") -> None:
    page.goto(served.address)
    page.get_by_role("link", name=name).click()
    page.get_by_role("heading", level=1, name=name).wait_for()


def answers(row: Any) -> bool:
    """Say whether a campaign's row is that of one that was asked, and has answered."""
    return row.get_attribute("data-health") in ("good", "warn")


def figure(page: Any, label: str) -> str:
    return str(page.locator(".tile", has_text=label).locator("dd").first.text_content())


def tell(page: Any, action: str, why: str = "", **fields: str) -> Any:
    """Begin an action, give its reason, confirm it; return its dialog."""
    page.get_by_role("button", name=action, exact=True).first.click()
    dialog = page.get_by_role("dialog")
    for label, text in fields.items():
        dialog.get_by_label(label).fill(text)
    dialog.get_by_label("Why").fill(why)
    dialog.get_by_role("button", name=action, exact=True).click()
    return dialog


def give(page: Any, token: str) -> None:
    page.get_by_label("The dashboard's token").fill(token)
    page.get_by_role("button", name="Use it").click()


def test_campaigns_are_shown_those_that_run_first(page: Any, served: Dashboard) -> None:
    open_fleet(page, served)
    rows = page.locator(".campaign")
    page.get_by_role("link", name=HOSTILE).wait_for()
    assert rows.count() == 2
    first, second = rows.nth(0), rows.nth(1)
    until(lambda: answers(first))
    assert re.search(r"PnL[+−]?[\d,.]+ USD", first.text_content())
    assert "ended by" in second.text_content()
    assert second.get_by_role("button", name="Stop").count() == 0
    assert figure(page, "Exposure of what runs").endswith(" USD")


def test_a_campaign_begins_with_its_verdict_and_goes_on_by_itself(page: Any, served: Dashboard) -> None:
    open_campaign(page, served)
    assert page.locator(".verdict-word").text_content() in ("PROVES NOTHING", "LOSS SHOWN", "PROFIT SHOWN")
    until(lambda: page.locator("#connection").text_content() == "Live")
    before = page.locator(".passed p").text_content(), figure(page, "Trades closed")
    until(lambda: page.locator(".passed p").text_content() != before[0] and figure(page, "Trades closed") != before[1])
    for heading in (
        "Equity change and realised PnL",
        "Edges by route, after fees",
        "Venues",
        "Closed trades",
        "Events",
    ):
        page.get_by_role("heading", name=heading).wait_for()
    assert page.locator(".chart canvas").count() == 3
    page.locator(".bars li", has_text="seen").first.wait_for()


def test_a_click_on_a_trade_tells_its_story_as_explain_does(page: Any, served: Dashboard, ended: Path) -> None:
    open_campaign(page, served, HOSTILE)
    page.locator("section[aria-label='Closed trades'] tbody button").first.click()
    dialog = page.get_by_role("dialog")
    dialog.locator(".story li").first.wait_for()
    trade = dialog.get_by_role("heading").text_content().removeprefix("Trade ")
    shown = "".join(dialog.locator(".story li").all_text_contents())
    told = subprocess.run(
        [sys.executable, "-m", "trioarb", "explain", ended.name, "--trade", trade],
        cwd=ended.parent,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    times = re.compile(r"\d{4}-\d\d-\d\d (?=\d\d:\d\d:\d\d)")
    plain = "".join(times.sub("", told).split())
    assert "".join(shown.split()) == plain
    dialog.get_by_role("button", name="Trade after").click()
    until(lambda: dialog.get_by_role("heading").text_content() != f"Trade {trade}")
    page.keyboard.press("Escape")
    dialog.wait_for(state="detached")


def test_actions_act_after_a_reason_and_the_token_are_given(page: Any, served: Dashboard, running: Path) -> None:
    open_campaign(page, served)
    why = f"news {HOSTILE}"
    dialog = tell(page, "Pause", why)
    give(page, TOKEN)
    dialog.get_by_role("button", name="Close").click()
    commanded = until(lambda: journaled(running, "commanded"))
    assert commanded[-1]["command"] == "pause"
    assert commanded[-1]["why"] == f"dashboard: {why}"
    page.locator(".held li", has_text=HOSTILE).wait_for()
    assert TOKEN not in page.url
    # The token is known now, also after the page was loaded again.
    page.reload()
    dialog = tell(page, "Resume")
    dialog.get_by_role("button", name="Close").click()
    page.get_by_role("button", name="Pause", exact=True).wait_for()
    assert journaled(running, "commanded")[-1]["command"] == "resume"
    dialog = tell(page, "Blacklist", "no more of it", Symbol="ETHUSDT")
    dialog.get_by_role("button", name="Close").click()
    page.locator(".held li", has_text="Blacklisted: ETHUSDT").wait_for()


def test_a_wrong_token_does_nothing_and_is_asked_for_again(browser: Any, served: Dashboard, running: Path) -> None:
    before = len(journaled(running, "commanded"))
    with looking(browser, wrong="401") as page:
        open_campaign(page, served)
        dialog = tell(page, "Flatten")
        give(page, "not-the-token-not-the-token")
        page.get_by_text("That token was refused").wait_for()
        page.get_by_role("button", name="Cancel").last.click()
        dialog.get_by_text("Nothing was done").wait_for()
    assert len(journaled(running, "commanded")) == before


class _Elsewhere(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>elsewhere</title>")

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def elsewhere() -> Iterator[str]:
    """Serve an empty page of another origin."""
    with HTTPServer(("127.0.0.1", 0), _Elsewhere) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


def test_pages_of_other_origins_can_neither_act_nor_read(browser: Any, served: Dashboard, running: Path) -> None:
    before = len(journaled(running, "commanded"))
    act = """async ([address, token]) => {
        const body = JSON.stringify({action: "pause"});
        const ways = [
            {method: "POST", body, headers: {Authorization: `Bearer ${token}`, "Content-Type": "application/json"}},
            {method: "POST", body, mode: "no-cors"},
            {method: "GET"},
        ];
        const ended = [];
        for (const way of ways) {
            const path = way.method === "GET" ? "api/campaigns" : "api/campaigns/lively/actions";
            ended.push(await fetch(address + path, way).then((answer) => answer.type, () => "refused"));
        }
        return ended;
    }"""
    with elsewhere() as address, looking(browser, wrong="CORS|ERR_|403") as page:
        page.goto(address)
        ended = page.evaluate(act, [served.address, TOKEN])
        assert ended[0] == ended[2] == "refused"
        assert ended[1] in ("refused", "opaque")
        answer = page.request.post(
            f"{served.address}api/campaigns/lively/actions",
            data={"action": "pause"},
            headers={"Authorization": f"Bearer {TOKEN}", "Origin": address.rstrip("/")},
        )
        assert answer.status == 403
    assert len(journaled(running, "commanded")) == before


def test_it_is_worked_by_keyboard_alone(page: Any, served: Dashboard) -> None:
    open_fleet(page, served)

    def focused(name: str) -> Callable[[], bool]:
        def after_tab() -> bool:
            page.keyboard.press("Tab")
            said = page.evaluate("[document.activeElement.ariaLabel, document.activeElement.textContent]")
            return name in said

        return after_tab

    until(focused("lively"))
    page.keyboard.press("Enter")
    page.get_by_role("heading", level=1, name="lively").wait_for()
    until(focused("End"))
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    dialog.wait_for()
    page.keyboard.type("typed")
    assert dialog.get_by_label("Why").input_value() == "typed"
    page.keyboard.press("Escape")
    dialog.wait_for(state="detached")


@pytest.mark.parametrize(("device", "size", "theme"), [("desktop", DESKTOP, "light"), ("phone", PHONE, "dark")])
def test_rules_of_accessibility_hold_and_nothing_is_wider_than_the_screen(
    browser: Any, served: Dashboard, device: str, size: tuple[int, int], theme: str
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    ARTEFACTS.mkdir(parents=True, exist_ok=True)

    def look(view: str) -> None:
        page.screenshot(path=ARTEFACTS / f"{view}-{device}.png")
        found = Axe().run(page).response
        assert found["passes"]
        assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found["violations"]] == []
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]

    with looking(browser, size=size, theme=theme) as page:
        open_fleet(page, served)
        look("fleet")
        page.get_by_role("link", name="lively").click()
        page.locator(".chart canvas").nth(2).wait_for()
        look("campaign")
        page.get_by_role("button", name="Flatten", exact=True).click()
        look("action")


def test_colours_are_switched_and_stay_so(page: Any, served: Dashboard) -> None:
    open_fleet(page, served)
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    page.get_by_role("button", name="Dark").click()
    dark = page.evaluate(ground)
    assert dark != light
    page.reload()
    assert page.evaluate(ground) == dark


def test_two_campaigns_are_compared(page: Any, served: Dashboard) -> None:
    open_fleet(page, served)
    for box in page.get_by_role("checkbox").all():
        box.check()
    page.get_by_role("button", name="Compare", exact=True).click()
    figures = page.locator("section[aria-label='Figures']")
    figures.locator("tbody tr").nth(3).wait_for()
    assert HOSTILE in figures.locator("thead").text_content()
    assert page.locator(".chart canvas").count() == 1


def test_events_are_sought_in_the_whole_journal(page: Any, served: Dashboard) -> None:
    open_campaign(page, served, HOSTILE)
    events = page.locator(".log li")
    events.first.wait_for()
    page.get_by_label("Find in events").fill("running")
    until(lambda: 0 < events.count() < 10)
    assert "running" in events.first.text_content()
    page.get_by_label("Find in events").fill("there is no such event")
    until(lambda: events.count() == 0)


def test_a_lost_connection_is_said_and_mended(browser: Any, folder: Path, served: Dashboard) -> None:
    with looking(browser, wrong="ERR_") as page:
        with dashboard(folder) as first:
            page.goto(f"{first.address}#/")
            page.get_by_role("link", name="lively").wait_for()
            until(lambda: not page.get_by_role("alert").is_visible())
        alert = page.get_by_role("alert")
        until(alert.is_visible)
        assert "connection to the dashboard is lost" in alert.text_content()
        assert "old" in alert.text_content()
        with dashboard(folder, port=first.port):
            until(lambda: page.locator("#connection").text_content() == "Live")
            until(lambda: not alert.is_visible())


def test_silence_is_said(browser: Any, folder: Path, running: Path) -> None:
    with looking(browser, wrong="ERR_") as page, dashboard(folder) as one:
        page.clock.install()
        page.goto(one.address)
        until(lambda: page.locator("#connection").text_content() == "Live")
        one.process.send_signal(signal.SIGSTOP)
        try:
            page.clock.fast_forward(11_000)
            page.get_by_text("is connected but says nothing").wait_for()
        finally:
            one.process.send_signal(signal.SIGCONT)
        until(lambda: not page.get_by_role("alert").is_visible())


def hostile(said: Any, key: str = "") -> Any:
    """Return what the server said with markup for every text but figures, names, and words that the page knows."""
    if isinstance(said, dict):
        return {one: hostile(value, one) for one, value in said.items()}
    if isinstance(said, list):
        return [hostile(one, key) for one in said]
    known = ("name", "state", "level", "trade_id", "before", "after")
    is_figure = isinstance(said, str) and re.fullmatch(r"-?[\d.]+", said)
    return said if not isinstance(said, str) or is_figure or key in known else f"{HOSTILE} {said}"


def test_no_text_becomes_markup_wherever_it_comes_from(page: Any, served: Dashboard) -> None:
    def answer(route: Any) -> None:
        route.fulfill(json=hostile(route.fetch().json()))

    def stream(route: Any) -> None:
        name, path = (
            ("fleet", "campaigns") if route.request.url.endswith("api/events") else ("view", "campaigns/lively")
        )
        said = hostile(page.request.get(f"{served.address}api/{path}").json())
        route.fulfill(body=f"event: {name}\ndata: {json.dumps(said)}\n\n", content_type="text/event-stream")

    page.route("**/api/campaigns/**", answer)
    page.route("**/api/compare?*", answer)
    page.route("**/events", stream)
    page.goto(served.address)
    page.get_by_role("link", name="lively").click()
    page.locator(".verdict-word", has_text=HOSTILE).wait_for()
    page.locator(".log li", has_text=HOSTILE).first.wait_for()
    page.locator(".tile", has_text="Equity change").wait_for()
    page.locator("section[aria-label='Closed trades'] tbody button").first.click()
    page.locator(".story li", has_text=HOSTILE).first.wait_for()
    page.goto(f"{served.address}#/compare/lively/lively")
    page.locator("section[aria-label='Figures']", has_text=HOSTILE).wait_for()


def test_ten_thousand_symbols_and_campaigns_keep_the_page_small(page: Any, served: Dashboard) -> None:
    with_many: dict[str, Any] = {}

    def many(route: Any) -> None:
        view = route.fetch().json()
        symbol, route_row, event = view["symbols"][0], view["routes"][0], view["log"][0]
        view["symbols"] = [{**symbol, "symbol": f"S{n}USDT"} for n in range(10_000)]
        view["routes"] = [{**route_row, "symbol": f"S{n}USDT"} for n in range(10_000)]
        view["log"] = [{**event, "seq": n} for n in range(10_000)]
        view["row"]["state"] = "ended"
        with_many.update(view)
        route.fulfill(json=view)

    def fleet(route: Any) -> None:
        row = with_many["row"]
        rows = [{**row, "name": f"c{n}"} for n in range(10_000)]
        said = json.dumps({"at_ms": with_many["at_ms"], "campaigns": rows})
        route.fulfill(body=f"event: fleet\ndata: {said}\n\n", content_type="text/event-stream")

    open_fleet(page, served)
    page.route("**/api/campaigns/lively", many)
    quiet = {"body": ": quiet\n\n", "content_type": "text/event-stream"}
    page.route("**/api/campaigns/lively/events", lambda route: route.fulfill(**quiet))
    page.get_by_role("link", name="lively").click()
    page.get_by_text("25 of 10,000 shown").wait_for()
    nodes = "document.getElementsByTagName('*').length"
    assert page.evaluate(nodes) < 5_000
    page.get_by_label("Find a symbol").fill("s9999")
    page.get_by_role("button", name="S9999USDT", exact=True).first.wait_for()
    page.route("**/api/events", fleet)
    page.goto(f"{served.address}#/")
    page.get_by_text("30 of 10,000 shown").wait_for()
    assert page.evaluate(nodes) < 5_000


def test_a_click_ends_a_campaign(page: Any, served: Dashboard, folder: Path) -> None:
    with campaign(CONFIG, "stopped.journal", *LIVELY, folder=folder) as journal:
        page.goto(served.address)
        row = page.locator(".campaign", has_text="stopped")
        until(lambda: answers(row))
        row.get_by_role("button", name="Stop stopped").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("Why").fill("enough")
        dialog.get_by_role("button", name="Stop", exact=True).click()
        give(page, TOKEN)
        dialog.get_by_role("button", name="Close").click()
        (over,) = until(lambda: journaled(journal, "campaign_ended"))
        assert over["ended_by"] == "control"
        until(lambda: "ended by control" in row.text_content())
