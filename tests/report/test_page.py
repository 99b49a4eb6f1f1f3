"""A report's page in a real browser: what is wrong with it, on a desk and on a phone."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browsing import chromium, missing

REASON = missing()
pytestmark = pytest.mark.skipif(bool(REASON), reason=REASON)

CONFIG = Path(__file__).parents[2] / "configs" / "spread.toml"
HOSTILE = "<img src=x onerror=document.hacked=1>"
DESKTOP, PHONE = (1360, 860), (390, 844)
#: Where the screenshots of a run are kept.
ARTEFACTS = Path(os.environ.get("TRIOARB_ARTEFACTS", Path(__file__).parents[2] / ".nox" / "artefacts"))


def trioarb(*arguments: str, folder: Path) -> None:
    subprocess.run([sys.executable, "-m", "trioarb", *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The report of a campaign, whose journal's name would be markup, and that of two."""
    folder = tmp_path_factory.mktemp("report")
    first, second = f"{HOSTILE}.journal", "other.journal"
    for journal, seed in ((first, 1), (second, 2)):
        options = ("--set=session.clock=virtual", f"--set=session.seed={seed}", "--runtime=60", "--plain")
        trioarb("run", str(CONFIG), *options, f"--journal={journal}", folder=folder)
    trioarb("report", first, "--out=one.html", folder=folder)
    trioarb("report", first, f"--compare={second}", "--out=two.html", folder=folder)
    return {name: folder / f"{name}.html" for name in ("one", "two")}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])


@pytest.mark.parametrize("which", ["one", "two"])
@pytest.mark.parametrize(
    ("device", "size", "theme"),
    [("desktop", DESKTOP, "light"), ("desktop-dark", DESKTOP, "dark"), ("phone", PHONE, "dark")],
)
def test_rules_of_accessibility_hold_and_nothing_is_wider_than_the_screen(
    browser: Any, pages: dict[str, Path], which: str, device: str, size: tuple[int, int], theme: str
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    context = browser.new_context(viewport={"width": size[0], "height": size[1]}, color_scheme=theme)
    said: list[str] = []
    asked: list[str] = []
    try:
        page = context.new_page()
        page.on("console", lambda message: message.type in ("error", "warning") and said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(pages[which].as_uri())
        page.locator(".chart canvas").first.wait_for()
        ARTEFACTS.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=ARTEFACTS / f"report-{which}-{device}.png")
        assert said == []
        assert asked == [pages[which].as_uri()]
        assert page.locator("img").count() == 0
        assert not page.evaluate("document.hacked")
        assert HOSTILE in page.title()
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
        found = Axe().run(page).response
        assert found["passes"]
        assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found["violations"]] == []
    finally:
        context.close()
