"""Measure what the dashboard costs a campaign with 10 and 500 viewers, and how soon a large journal is shown.

``python benchmarks/dashboard.py [--journal FILE] [--seconds 20] [--rounds 3]``: the journal of a campaign of about a
million events is made, which takes minutes, unless one is given.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import suppress
from pathlib import Path
from statistics import median

import trio
from figures import Figures, quantile
from journal import write_campaign

from trioarb.journal.recorded import open_journal

ROOT = Path(__file__).parents[1]
TRIOARB = (sys.executable, "-m", "trioarb")
#: A hundred symbols at two venues, each quote of which comes each 40 ms: 5,000 a second.
QUOTES = (
    *("--set=session.clock=real", "--set=session.loop_interval_ms=0", "--set=exchanges.*.market.step_ms=40"),
    # Many quotes lead to a decision, and each is no.
    *("--set=strategy.entry_bps=-5", "--set=guards.global.max_total_exposure_usd=1"),
)
#: How long a campaign runs before it is measured.
_WARM_SECONDS = 10.0


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--journal", type=Path)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--viewers", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--run", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.run is not None:
        run_measured(given.run)
    if given.viewers is not None:
        trio.run(view, given.viewers, given.port, given.seconds)
        return
    figures = Figures("dashboard")
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        if given.journal is None:
            given.journal = folder / "large.journal"
            write_campaign(given.journal, given.events)
        of_a_journal(figures, given.journal, folder)
        of_viewers(figures, folder, given.seconds, given.rounds)
    figures.store()


def run_measured(arguments: list[str], warm_seconds: float = _WARM_SECONDS) -> None:
    """Run a campaign in this process, and write down how long each evaluation of a quote took, once it is warm."""
    from trioarb.cli.main import main as trioarb
    from trioarb.engine import symbol
    from trioarb.execution.stages import Stages

    file, seconds, *command = arguments
    began, took = time.perf_counter(), list[int]()
    cpu, symbol._TIME_EVERY = [0.0], 1

    def decided(_: Stages, campaign_ns: int) -> None:
        now = time.perf_counter() - began
        if now < warm_seconds:
            return
        cpu[0] = cpu[0] or time.process_time()
        took.append(campaign_ns)
        if now >= warm_seconds + float(seconds) and not Path(file).exists():
            used = time.process_time() - cpu[0]
            Path(file).write_text(json.dumps({"took_ns": took, "processor_seconds": used}))

    Stages.decided = decided  # type: ignore[method-assign]
    sys.exit(trioarb(command))


def of_a_journal(figures: Figures, journal: Path, folder: Path) -> None:
    """Measure how soon a journal is shown as it stands, and how soon the page is there meanwhile."""
    with open_journal(journal) as stored:
        events = stored.last_seq
    port = free_port()
    command = [*TRIOARB, "dashboard", str(journal.absolute()), f"--port={port}"]
    started = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
    address, slowest = f"http://127.0.0.1:{port}", 0.0
    name = journal.name.removesuffix(".journal")
    listened = began = None
    while True:
        asked = time.perf_counter()
        try:
            page, view = fetch(f"{address}/"), json.loads(fetch(f"{address}/api/campaigns/{name}"))
        except OSError:
            time.sleep(0.02)
            continue
        assert page
        slowest = max(slowest, time.perf_counter() - asked)
        listened = listened or asked - started
        began = began or time.perf_counter() - started
        if view["row"]["state"] != "folding":
            break
        time.sleep(0.1)
    ready = time.perf_counter() - started
    peak, used = peak_mb(process.pid), processor_seconds(process.pid)
    loads = [timed_fetch(f"{address}/api/campaigns/{name}") for _ in range(20)]
    process.terminate()
    process.wait()
    figures.add(f"a journal of {events:,} events is shown as it stands", ready, "s", "≤ 15 s for 1,000,000")
    figures.add("… processor time of that, with the answers meanwhile", used, "s")
    figures.add("… memory at its peak", peak, "MB", "≤ 500 MB")
    figures.add("… the page answers after the process began", began or 0.0, "s")
    figures.add("… page and view while it is still read, the slowest", slowest * 1e3, "ms", "≤ 1,000 ms")
    figures.add("… the view once it is read, median of 20", median(loads) * 1e3, "ms")


def of_viewers(figures: Figures, folder: Path, seconds: int, rounds: int) -> None:
    """Measure a campaign without a dashboard, with 10 and with 500 viewers, one after the other, several times."""
    found: dict[int | None, list[dict[str, float]]] = {None: [], 10: [], 500: []}
    for number in range(rounds):
        for viewers, results in found.items():
            results.append(campaign(folder / f"{number}-{viewers}.journal", seconds, viewers))
    goals = {("p99", 10): "≤ 1 ms more", ("p99", 500): "≤ 2 ms more", ("processor", 10): "≤ 3 % more"}
    names = {
        "p99": ("quote to decision, p99,", "ms"),
        "p50": ("quote to decision, p50,", "ms"),
        "processor": ("processor time of the campaign's process,", "s/s"),
        "rate": ("quotes that led to a decision", "/s"),
    }
    for figure, (name, unit) in names.items():
        for viewers, results in found.items():
            what = "without a dashboard" if viewers is None else f"with {viewers} viewers"
            goal = goals.get((figure, viewers or 0), "")
            figures.add(f"{name} {what}", median(one[figure] for one in results), unit, goal)


def campaign(journal: Path, seconds: int, viewers: int | None) -> dict[str, float]:
    """Run a campaign, watched or not, and return what was measured."""
    port, file = free_port(), journal.with_suffix(".json")
    watched = [] if viewers is None else ["--set=dashboard.enabled=true", f"--set=dashboard.port={port}"]
    command = ["run", str(ROOT / "configs" / "top100.toml"), *QUOTES, "--plain", "--runtime=600"]
    process = subprocess.Popen(
        [sys.executable, __file__, "--run", str(file), str(seconds), *command, f"--journal={journal}", *watched],
        cwd=journal.parent,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    lookers: subprocess.Popen[bytes] | None = None
    try:
        if viewers is not None:
            looking = [sys.executable, __file__, f"--viewers={viewers}", f"--port={port}", "--seconds=600"]
            lookers = subprocess.Popen(["nice", "-n", "19", *looking])
        while not file.exists():
            assert process.poll() is None, "the campaign ended"
            time.sleep(0.2)
        time.sleep(0.2)
        measured = json.loads(file.read_text())
    finally:
        for one in (lookers, process):
            if one is not None:
                one.terminate()
                one.wait()
    took = measured["took_ns"]
    return {
        "p50": quantile(took, 0.5) / 1e6,
        "p99": quantile(took, 0.99) / 1e6,
        "processor": measured["processor_seconds"] / seconds,
        "rate": len(took) / seconds,
    }


async def view(viewers: int, port: int, seconds: float) -> None:
    """Read as many event streams, and throw away what comes."""
    journals = None
    while journals is None:
        try:
            rows = await trio.to_thread.run_sync(fetch, f"http://127.0.0.1:{port}/api/campaigns")
            journals = [row["name"] for row in json.loads(rows)["campaigns"]]
        except OSError:
            await trio.sleep(0.2)
    request = f"GET /api/campaigns/{journals[0]}/events HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()

    async def look() -> None:
        async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
            await stream.send_all(request)
            while await stream.receive_some(1 << 18):
                pass

    with trio.move_on_after(seconds):
        async with trio.open_nursery() as nursery:
            for _ in range(viewers):
                nursery.start_soon(look)


def fetch(address: str) -> bytes:
    with urllib.request.urlopen(address, timeout=30) as answer:
        return bytes(answer.read())


def timed_fetch(address: str) -> float:
    started = time.perf_counter()
    fetch(address)
    return time.perf_counter() - started


def peak_mb(process: int) -> float:
    """Return the most memory that a process has had, where the system says it."""
    with suppress(OSError):
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text())
        if found is not None:
            return int(found[1]) / 1000
    return float("nan")


def processor_seconds(process: int) -> float:
    """Return the processor time that a process has had, where the system says it."""
    with suppress(OSError):
        user, system = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
    return float("nan")


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    main()
