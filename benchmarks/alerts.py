"""Measure how long it takes from an event to whoever is alerted of it, and what looking at events costs.

Usage: python benchmarks/alerts.py [ALERTS]
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing import Process, Queue
from queue import Empty
from typing import Any

import trio
from figures import Figures, quantile

from trioarb.alerting.alerting import Alerting
from trioarb.alerting.evaluation import Evaluation
from trioarb.config.load import load_table
from trioarb.engine.campaign import Campaign
from trioarb.engine.run import run_campaign
from trioarb.model.alert import Incident
from trioarb.model.event import EntriesHeld, EntriesReleased, Record
from trioarb.model.market import VenuePart
from trioarb.model.trade import EndedBy
from trioarb.plugin.registry import load_plugins
from trioarb.testing import ScriptedRow, ScriptedTape, listing, run_virtual, scripted_market, two_venues

EACH_SECONDS = 0.02
SYMBOLS = 100


def receive(told: Queue[Any]) -> None:
    """Serve on a port of its own choice; tell that, and then when each alert came and when it was raised."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            came_ns = time.time_ns()
            told.put([came_ns - alert["at_ns"] for alert in json.loads(body)["alerts"]])
            self.send_response(204)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    told.put(server.server_port)
    server.serve_forever()


def rows(venue: str, seconds: float) -> Iterator[ScriptedRow]:
    """Five thousand quotes a second of all symbols and venues together, of which none pays."""
    for tick in range(int(seconds * 2_500 / SYMBOLS)):
        for number in range(SYMBOLS):
            yield tick * SYMBOLS / 2_500, f"C{number:04}USDT", 100.0, 50.0, 100.1, 50.0


def deliver(count: int) -> list[float]:
    """Let a running campaign's journal tell of so many incidents; return the milliseconds until each had arrived."""
    told: Queue[Any] = Queue()
    server = Process(target=receive, args=(told,), daemon=True)
    server.start()
    port, seconds = told.get(), count * EACH_SECONDS + 2
    tapes = {
        venue: ScriptedTape(
            list(rows(venue, seconds)), listings=[listing(f"C{number:04}") for number in range(SYMBOLS)]
        )
        for venue in "ab"
    }
    table = two_venues()
    table["session"]["clock"] = "real"
    table["alerts"] = [{"on": ["entries_held"], "throttle_seconds": 0}]
    table["channels"] = {"hook": {"plugin": "webhook", "url": f"http://127.0.0.1:{port}/"}}
    plugins = load_plugins({"market": scripted_market(tapes)})
    config = load_table(table, plugins).config
    alerting = Alerting(config, plugins, now_ns=time.time_ns)
    opened: list[Campaign] = []

    def on_open(campaign: Campaign) -> None:
        opened.append(campaign)
        alerting.attach(campaign)

    async def go_wrong(nursery: trio.Nursery) -> None:
        await trio.sleep(1)
        for number in range(count):
            kind = EntriesHeld if number % 2 == 0 else EntriesReleased
            opened[0].parts.journal.record(kind(venue="a", by=VenuePart.EXCHANGE, reason="maintenance"))
            await trio.sleep(EACH_SECONDS)
        opened[0].end(EndedBy.RUNTIME)

    async def work() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(go_wrong, nursery)
            await run_campaign(config, plugins, observers=[alerting.observe], on_open=on_open)

    trio.run(partial(alerting.around, work, end_seconds=lambda: 10.0))
    took: list[float] = []
    try:
        while len(took) < count:
            took += [ns / 1e6 for ns in told.get(timeout=5)]
    except Empty:
        raise SystemExit(f"only {len(took)} of {count} alerts arrived: {alerting.figures()}") from None
    finally:
        server.terminate()
    return took


def look() -> tuple[float, int]:
    """Return the microseconds that all rules cost an event, over those of a campaign, and how many that had."""
    records: tuple[Record, ...] = run_virtual(two_venues("dummy"), overrides=["session.max_iterations=3000"]).records
    alerts = [{"on": [one.value for one in Incident if one.value not in ("pnl", "drawdown", "no_trade")]}]
    config = load_table(two_venues("dummy") | {"alerts": alerts}, load_plugins()).config
    evaluation = Evaluation(config.alerts, lambda rule, alert: None)
    started = time.perf_counter()
    for record in records:
        evaluation.observe(record)
    return (time.perf_counter() - started) / len(records) * 1e6, len(records)


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    figures = Figures("alerts")
    took = sorted(deliver(count))
    what = f"event to webhook on loopback, {count} alerts at 5,000 quotes/s"
    figures.add(f"{what}, p50", quantile(took, 0.5), "ms")
    figures.add("  p95", quantile(took, 0.95), "ms", "≤ 1,000 ms")
    figures.add("  p99", quantile(took, 0.99), "ms")
    microseconds, events = look()
    figures.add(f"all rules over {events:,} events of a campaign", microseconds, "µs/event")
    figures.store()


if __name__ == "__main__":
    main()
