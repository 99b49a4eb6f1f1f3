"""Measure what all that watches costs a campaign together: everything on against everything off, in turn.

Usage: python benchmarks/watching.py [--seconds 8] [--rounds 3]

Everything: the dashboard with 10 viewers, or 500, who read event streams; its /metrics, asked for each second; the
terminal view, on a pseudo terminal of 200×50; alerts that a server on this machine is told of. The campaign has some
5,000 quotes a second of a hundred symbols. All of it shares the processors with those who look and listen.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import pty
import struct
import subprocess
import sys
import tempfile
import termios
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median

import attrs
from dashboard import QUOTES, ROOT, fetch, free_port, run_measured
from figures import Figures, quantile

#: How long a campaign runs before it is measured.
_WARM_SECONDS = 5.0
_SIZE = (200, 50)
#: Rules about much that happens, and of which some is told each second: each refusal of the guards that is journaled.
_ALERTS = """
[channels.hook]
plugin = "webhook"
url = "http://127.0.0.1:{port}/"

[[alerts]]
on = ["decisions_repeated", "route_counted"]
throttle_seconds = 1

[[alerts]]
on = ["emergency_stop", "residual", "guard_tripped", "market_stale", "venue_down", "entries_held", "symbol_failed"]

[[alerts]]
on = ["no_trade"]
minutes = 0.05
throttle_seconds = 1

[[alerts]]
on = ["drawdown"]
above_usd = 1
"""


@attrs.frozen
class Measured:
    """A campaign: seconds that an evaluation takes of its process's processor, and quote to decision."""

    processor: float
    rate: float
    p50_ms: float
    p99_ms: float
    #: Answers of /metrics, messages of alerts, and bytes that the terminal was written, to see that all was on.
    scraped: int = 0
    told: int = 0
    drawn: int = 0

    @property
    def each(self) -> float:
        return self.processor / self.rate


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--run", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.run is not None:
        run_measured(given.run, _WARM_SECONDS)
    figures = Figures("watching")
    found: dict[int | None, list[Measured]] = {None: [], 10: [], 500: []}
    with tempfile.TemporaryDirectory() as made:
        for number in range(given.rounds):
            order = [*found][number % 3 :] + [*found][: number % 3]
            for viewers in order:
                folder = Path(made) / f"{number}-{viewers}"
                folder.mkdir()
                found[viewers].append(campaign(folder, given.seconds, viewers))
    tell(figures, found)
    figures.store()


def tell(figures: Figures, found: dict[int | None, list[Measured]]) -> None:
    """Add medians of all rounds, and how much more than off each is: the median of the rounds' own differences."""
    off = found[None]
    for viewers, rounds in found.items():
        what = "everything off" if viewers is None else f"everything on, {viewers} viewers"
        figures.add(f"{what}: processor time of the process", median(one.processor for one in rounds), "s/s")
        figures.add("  decisions", median(one.rate for one in rounds), "/s")
        figures.add("  what it could decide at most", median(1 / one.each for one in rounds), "/s")
        figures.add("  quote to decision, p50", median(one.p50_ms for one in rounds), "ms")
        figures.add("  quote to decision, p99", median(one.p99_ms for one in rounds), "ms")
        if viewers is None:
            continue
        pairs = list(zip(off, rounds, strict=True))
        lost = median(1 - before.each / one.each for before, one in pairs)
        more = median(one.p99_ms - before.p99_ms for before, one in pairs)
        figures.add("  throughput that it costs", 100 * lost, "%", "≤ 3" if viewers == 10 else "")
        figures.add("  p99 more than without", more, "ms", "≤ 1" if viewers == 10 else "≤ 2")
        # None of it: what watches was starved, or not there, and cost less than it does.
        figures.add("  answers of /metrics, at least", min(one.scraped for one in rounds), "")
        figures.add("  messages of alerts, at least", min(one.told for one in rounds), "")
        figures.add("  written to the terminal, at least", min(one.drawn for one in rounds), "bytes")


def campaign(folder: Path, seconds: int, viewers: int | None) -> Measured:
    """Run a campaign with everything on, or off, and return what was measured."""
    file, config, port = folder / "measured.json", folder / "top100.toml", free_port()
    text = (ROOT / "configs" / "top100.toml").read_text(encoding="utf-8")
    with receiver() if viewers is not None else nullcontext() as hook, terminal() as (theirs, drawn):
        more = ["--plain"]
        if hook is not None:
            text += _ALERTS.format(port=hook.server_port)
            more = ["--set=dashboard.enabled=true", f"--set=dashboard.port={port}"]
        config.write_text(text, encoding="utf-8")
        command = ["run", str(config), *QUOTES, "--runtime=600", "--journal=watched.journal", *more]
        process = subprocess.Popen(
            [sys.executable, __file__, "--run", str(file), str(seconds), *command],
            cwd=folder,
            env={**os.environ, "TERM": "xterm-256color"},
            stdin=theirs,
            stdout=subprocess.DEVNULL,
            stderr=theirs if hook is not None else subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(theirs, termios.TIOCSCTTY, 0),
        )
        lookers: subprocess.Popen[bytes] | None = None
        over, scraped = threading.Event(), [0]
        try:
            if hook is not None:
                looking = [sys.executable, str(ROOT / "benchmarks" / "dashboard.py"), f"--viewers={viewers}"]
                lookers = subprocess.Popen(["nice", "-n", "19", *looking, f"--port={port}", "--seconds=600"])
                threading.Thread(target=scrape, args=(port, over, scraped), daemon=True).start()
            while not file.exists():
                assert process.poll() is None, "the campaign ended"
                over.wait(0.2)
            over.wait(0.2)
            measured = json.loads(file.read_text())
        finally:
            over.set()
            for one in (lookers, process):
                if one is not None:
                    one.terminate()
                    one.wait()
    took = measured["took_ns"]
    return Measured(
        processor=measured["processor_seconds"] / seconds,
        rate=len(took) / seconds,
        p50_ms=quantile(took, 0.5) / 1e6,
        p99_ms=quantile(took, 0.99) / 1e6,
        scraped=scraped[0],
        told=0 if hook is None else hook.told,
        drawn=drawn[0],
    )


def scrape(port: int, over: threading.Event, scraped: list[int]) -> None:
    """Ask for /metrics each second, as Prometheus does."""
    while not over.wait(1):
        with suppress(OSError):
            scraped[0] += b"trioarb_evaluations_total" in fetch(f"http://127.0.0.1:{port}/metrics")


class Receiver(ThreadingHTTPServer):
    """Counts the messages that it is told."""

    told = 0


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, Receiver)
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.told += 1
        self.send_response(204)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def receiver() -> Iterator[Receiver]:
    """Serve what alerts arrive at."""
    with Receiver(("127.0.0.1", 0), _Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def terminal() -> Iterator[tuple[int, list[int]]]:
    """Yield a pseudo terminal whose other end is read, and how many bytes of it were."""
    ours, theirs = pty.openpty()
    columns, lines = _SIZE
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    drawn = [0]

    def read() -> None:
        with suppress(OSError):  # nobody has the other end any more
            while data := os.read(ours, 65536):
                drawn[0] += len(data)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        yield theirs, drawn
    finally:
        os.close(theirs)
        reader.join()
        os.close(ours)


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    main()
