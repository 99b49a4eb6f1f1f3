"""Measure market data from the wire to a decision: messages a second, and how long it takes; beside what others do.

A sender of its own process gives the messages of Binance spot (best prices, changes of books) to two connections on
loopback, plain and over TLS, as fast as they are read, or 20,000 a second. What reads them is a campaign on two venues,
whole, with the real plugin (`wire_campaign`), and clients that others wrote, which get the same messages of the same
sender and do what their first lines say (`wire_clients`), in environments of their own. Each is a process for itself.
How long it takes until an order is on the wire is measured by `wire_orders`. Memory is that of a campaign over ten
million messages, from the first million on.

What can't be run is named with the reason, and has no figure. At the end stands a table of the goals.

Usage: python benchmarks/wire.py [--quick] [--only PART …] [--runs N] [--environments DIR]
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from math import isnan, nan
from pathlib import Path
from typing import Any

import attrs
import environments
from environments import Unusable
from figures import Figures
from wire_sender import Job, Trusted, serving, trusted

HERE = Path(__file__).parent
PARTS = ("flood", "pace", "orders", "memory", "peers")
CONNECTIONS = 2
A_SECOND, SECONDS = 20_000, 5
#: `engine.depth` of a campaign that keeps books from their changes.
DEPTHS = {"best": 1, "changes": 30}
NAMES = {"best": "best prices", "changes": "books"}
MESSAGES = {"best": 400_000, "changes": 200_000}
ORDERS = 300
REMEMBERED = 10_000_000


@attrs.frozen(kw_only=True)
class Peer:
    """A client that others wrote. ``share``: of the messages, so that a slow one doesn't take minutes."""

    name: str
    script: str
    needs: Sequence[str]
    environment: str
    share: float = 1.0
    only_tls: str = ""


_WS = ("aiohttp>=3.14", "picows>=2.3", "msgspec")
PEERS = (
    Peer(name="aiohttp", script="aiohttp_client.py", needs=_WS, environment="ws"),
    Peer(name="picows", script="picows_client.py", needs=_WS, environment="ws"),
    Peer(
        name="cryptofeed",
        script="cryptofeed_client.py",
        needs=("cryptofeed>=2.4", "msgspec"),
        environment="cryptofeed",
        share=0.15,
        only_tls="it takes addresses of TLS only",
    ),
)


@attrs.frozen
class Goal:
    what: str
    limit: float
    is_least: bool
    unit: str
    value: float | None

    @property
    def verdict(self) -> str:
        if self.value is None:
            return "not measured"
        return "reached" if (self.value >= self.limit if self.is_least else self.value <= self.limit) else "MISSED"


@attrs.define
class Report:
    """Figures as they are measured, and those of them that have a goal."""

    figures: Figures
    goals: list[Goal] = attrs.field(factory=list)

    def add(self, what: str, value: float, unit: str, *, least: float | None = None, most: float | None = None) -> None:
        limit = least if least is not None else most
        goal = "" if limit is None else f"{'≥' if least is not None else '≤'} {limit:,.0f}"
        self.figures.add(what, value, unit, goal)
        if limit is not None:
            self.goals.append(Goal(what, limit, least is not None, unit, value))

    def skip(self, what: str, why: str, *, has_goals: bool = False) -> None:
        self.figures.skip(what, why)
        if has_goals:
            self.goals.append(Goal(what, nan, True, "", None))

    def table(self) -> None:
        print(f"\n  {'figure':<62} {'goal':>12} {'measured':>12}          verdict")
        for one in self.goals:
            goal = "" if isnan(one.limit) else f"{'≥' if one.is_least else '≤'} {one.limit:,.0f}"
            measured = "" if one.value is None else f"{one.value:,.0f}"
            print(f"  {one.what:<62} {goal:>12} {measured:>12} {one.unit:<8} {one.verdict}")


def ran(script: str, options: Mapping[str, Any], *, python: str = sys.executable, seconds: float = 150) -> Any:
    """Run a script with options, and return what it says.

    Raises:
        Unusable: it failed or took too long.
    """
    told = environments.run([python, str(HERE / script), json.dumps(dict(options))], seconds=seconds)
    return json.loads(told.splitlines()[-1])


def of_server(job: Job, tls: Trusted | None, script: str, options: Mapping[str, Any], **how: Any) -> Any:
    with serving(job, tls) as server:
        where = {
            "rest_url": server.rest_url,
            "stream_url": server.stream_url,
            "ca_file": str(server.ca_file) if server.ca_file else None,
        }
        return ran(script, {**where, "messages": job.messages, "a_second": job.a_second, **options}, **how)


def several(runs: int, measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return the run whose rate is the median."""
    found = sorted((measure() for _ in range(runs)), key=lambda one: one["a_second"])
    return found[len(found) // 2]


def flood(report: Report, tls: Trusted | None, options: argparse.Namespace) -> None:
    how = "TLS" if tls else "plain"
    for kind, name in NAMES.items():
        job = Job(kind=kind, messages=MESSAGES[kind] // options.less, connections=CONNECTIONS)
        ours = {"depth": DEPTHS[kind]}
        found = several(options.runs, lambda job=job, ours=ours: of_server(job, tls, "wire_campaign.py", ours))
        least = 200_000 if tls and kind == "best" else 40_000 if tls else 100_000
        report.add(f"{how}, {name}: messages a second, to a decision", found["a_second"], "/s", least=least)
        report.add("    … of processor time", found["a_second_of_processor"], "/s")


def pace(report: Report, tls: Trusted | None, options: argparse.Namespace) -> None:
    how = "TLS" if tls else "plain"
    for kind, name in NAMES.items():
        job = Job(
            kind=kind,
            messages=A_SECOND * (SECONDS if options.less == 1 else 2),
            connections=CONNECTIONS,
            a_second=A_SECOND,
        )
        found = several(
            options.runs, lambda job=job, kind=kind: of_server(job, tls, "wire_campaign.py", {"depth": DEPTHS[kind]})
        )
        report.add(f"{how}, {name}: messages a second that came of {A_SECOND:,}", found["a_second"], "/s")
        what = f"{how}, {name}: wire to decision"
        report.add(f"{what}, median", found["us"]["0.5"], "µs", most=80)
        report.add(f"{what}, 99 %", found["us"]["0.99"], "µs", most=400)
        report.add("    … 99.9 %", found["us"]["0.999"], "µs")
        report.add("    … of a core", found["busy"] * 100, "%")


def orders(report: Report, tls: Trusted | None, options: argparse.Namespace) -> None:
    how = "TLS" if tls else "plain"
    job = Job(kind="best", messages=10**9, connections=CONNECTIONS, a_second=2_000, chance_every=53, symbols=20)
    for way, name in (("line", "kept connection"), ("session", "WebSocket"), ("httpx", "httpx")):
        count = {"orders": ORDERS // options.less, "way": way}
        found = of_server(job, tls, "wire_orders.py", count)
        what = f"{how}: wire to order on the wire, {name}"
        report.add(f"{what}, median", found["us"]["0.5"], "µs")
        report.add(f"{what}, 99 %", found["us"]["0.99"], "µs", **({} if way == "httpx" else {"most": 1_000}))


def memory(report: Report, tls: Trusted | None, options: argparse.Namespace) -> None:
    if tls is not None:
        return
    for kind, share in (("best", 0.8), ("changes", 0.2)):
        messages = int(REMEMBERED * share) // options.less**2
        job = Job(kind=kind, messages=messages, connections=CONNECTIONS)
        found = of_server(job, tls, "wire_campaign.py", {"depth": DEPTHS[kind]}, seconds=280)
        what = f"{NAMES[kind]}: memory grown over {found['count'] / 1e6:,.1f} M messages"
        report.add(f"{what}, resident", found["resident_kb"], "kB", most=1_000)
        report.add("    … blocks allocated by Python", found["blocks"], "")


def peers(report: Report, tls: Trusted | None, options: argparse.Namespace) -> None:
    how = "TLS" if tls else "plain"
    for peer in PEERS:
        first_line = (HERE / "wire_clients" / peer.script).read_text(encoding="utf-8").split('"""')[1]
        if peer.only_tls and not tls:
            report.skip(f"{how}, {peer.name}", peer.only_tls)
            continue
        print(f"  {first_line}")
        try:
            python = environments.make(options.environments / peer.environment, peer.needs, seconds=600)
            for kind, name in NAMES.items():
                told = {"kind": kind, "connections": CONNECTIONS}
                messages = int(MESSAGES[kind] * peer.share) // options.less
                job = Job(kind=kind, messages=messages, connections=CONNECTIONS)
                asked = {"names": job.names, **told}
                script = f"wire_clients/{peer.script}"
                found = of_server(job, tls, script, asked, python=str(python), seconds=60)
                report.add(f"{how}, {name}, {peer.name}: messages a second", found["a_second"], "/s")
                report.add("    … of processor time", found["a_second_of_processor"], "/s")
                paced = attrs.evolve(job, messages=A_SECOND * 3, a_second=A_SECOND)
                found = of_server(paced, tls, script, asked, python=str(python), seconds=60)
                report.add("    … 20,000 a second: wire to callback, median", found["us"]["0.5"], "µs")
                report.add("    … 99 %", found["us"]["0.99"], "µs")
        except Unusable as error:
            report.skip(f"{how}, {peer.name}", str(error))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--quick", action="store_const", const=4, default=1, dest="less", help="a quarter of all of it")
    parser.add_argument("--runs", type=int, default=1, help="of ours; shown is the median")
    parser.add_argument("--environments", type=Path, default=environments.default_folder())
    options = parser.parse_args()
    parts = {"flood": flood, "pace": pace, "orders": orders, "memory": memory, "peers": peers}
    report = Report(Figures("wire"))
    with trusted() as certificate:
        for name in options.only:
            for tls in (None, certificate):
                try:
                    parts[name](report, tls, options)
                except Unusable as error:
                    how = "TLS" if tls else "plain"
                    report.skip(f"{how}, {name}, or the rest of it", str(error), has_goals=name != "peers")
    report.figures.store()
    report.table()


if __name__ == "__main__":
    main()
