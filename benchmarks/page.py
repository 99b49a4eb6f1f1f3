"""Measure how soon the dashboard's page can be used, in a browser on this machine.

From the moment its address is opened until all campaigns are there with their figures, and from the click on one until
its charts are drawn; with an empty cache each time. Usage: python benchmarks/page.py [ROUNDS]
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from figures import Figures
from journal import ROOT, TRIOARB

sys.path.insert(0, str(ROOT / "tests" / "kit"))

from browsing import campaign, chromium, dashboard, missing

_ROUNDS = 9
_CONFIG = ROOT / "configs" / "top100.toml"
_RUNNING = ("--runtime=600", "--iterations=1000000")
_ENDED = ("--set=session.clock=virtual", "--runtime=600", "--plain", "--journal=ended.journal")


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else _ROUNDS
    figures, fleets, campaigns = Figures("page"), list[float](), list[float]()
    if reason := missing():
        figures.skip("page of all campaigns", reason)
        return
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory(prefix="trioarb-") as name:
        folder = Path(name)
        subprocess.run(
            [*TRIOARB, "run", str(_CONFIG), *_ENDED],
            cwd=folder,
            check=True,
            capture_output=True,
            stdin=subprocess.DEVNULL,
        )
        with (
            campaign(_CONFIG, "running.journal", *_RUNNING, folder=folder),
            dashboard(folder) as served,
            sync_playwright() as playwright,
        ):
            browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
            for _ in range(rounds):
                context = browser.new_context(viewport={"width": 1360, "height": 860})
                page = context.new_page()
                began = time.perf_counter()
                page.goto(served.address, wait_until="commit")
                page.locator(".campaign").nth(1).wait_for()
                fleets.append(time.perf_counter() - began)
                began = time.perf_counter()
                page.get_by_role("link", name="running").click()
                page.locator(".chart canvas").nth(2).wait_for()
                campaigns.append(time.perf_counter() - began)
                context.close()
            browser.close()
    for what, seconds in (("page of all campaigns", fleets), ("page of one that runs, 100 symbols", campaigns)):
        figures.add(f"{what}, median of {rounds}", statistics.median(seconds), "s", "≤ 1 s")
        figures.add(f"{what}, slowest", max(seconds), "s")
    figures.store()


if __name__ == "__main__":
    main()
