"""Take the pictures of the dashboard in docs/images: campaigns run for some time, and a browser looks at them."""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "kit"))

from browsing import campaign, chromium, dashboard, missing  # noqa: E402

IMAGES = ROOT / "docs" / "images"
#: Long enough for funnels, which are counted each minute.
_RUN_SECONDS = 75
_OPTIONS = ("--runtime=600", "--iterations=1000000", "--set=session.loop_interval_ms=200")


def main() -> None:
    if reason := missing():
        sys.exit(f"error: {reason}")
    from playwright.sync_api import sync_playwright

    IMAGES.mkdir(exist_ok=True)
    with TemporaryDirectory(prefix="trioarb-") as name, ExitStack() as stack:
        folder = Path(name)
        for config in ("top10", "maker_taker", "spread"):
            at = ROOT / "configs" / f"{config}.toml"
            stack.enter_context(campaign(at, f"{config}.journal", *_OPTIONS, folder=folder))
        served = stack.enter_context(dashboard(folder))
        playwright = stack.enter_context(sync_playwright())
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        desktop = opened(browser, f"{served.address}#/campaign/top10", (1280, 900), "light")
        phone = opened(browser, served.address, (390, 844), "dark")
        time.sleep(_RUN_SECONDS)
        desktop.screenshot(path=IMAGES / "dashboard-desktop.png")
        phone.screenshot(path=IMAGES / "dashboard-phone.png")
        browser.close()


def opened(browser: Any, address: str, size: tuple[int, int], theme: str) -> Any:
    """Return a page that shows an address, in a window of its own."""
    page = browser.new_page(viewport={"width": size[0], "height": size[1]}, color_scheme=theme)
    page.goto(address)
    return page


if __name__ == "__main__":
    main()
