"""`trioarb dashboard` as a user starts it, and beside a campaign that runs."""

from __future__ import annotations

import os
import re
import signal
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
import trustme
from command import SPREAD, CommandLine, Process

from trioarb.dashboard.serving import DashboardError, listen
from trioarb.journal.recorded import open_journal
from trioarb.verify.verification import Verifier

T = TypeVar("T")

#: A campaign in which something happens at once, and goes on happening.
LIVELY = (
    *("run", str(SPREAD), "--runtime=60", "--iterations=100000", "--plain"),
    *("--set=session.clock=real", "--set=session.loop_interval_ms=50", "--set=exchanges.*.market.step_ms=50"),
    "--set=guards.symbol.cooldown_seconds=0",
)
_PATIENCE_SECONDS = 30


def until(look: Callable[[], T | None]) -> T:
    """Look over and over until there is something; return it."""
    end = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < end:
        with suppress(httpx.TransportError, OSError):
            if (found := look()) is not None:
                return found
        time.sleep(0.05)
    raise AssertionError("it doesn't come")


@contextmanager
def started(trioarb: CommandLine, *arguments: str) -> Iterator[tuple[str, Process]]:
    """Start a dashboard; yields its address once it says that."""
    said = trioarb.folder / "said"
    with said.open("wb") as file, trioarb.started("dashboard", *arguments, stdout=file) as process:
        found = until(lambda: re.search(r"^dashboard: (\S+)$", said.read_text(), re.MULTILINE))
        yield found[1], process
        process.signal(signal.SIGTERM)
        assert process.finish().code == 0


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def test_it_serves_until_a_signal_and_says_where_its_token_is(trioarb: CommandLine, journals: Path) -> None:
    with started(trioarb, str(journals), "--port=0") as (address, _):
        assert httpx.get(f"{address}healthz").text == "ok\n"
        assert "<html" in httpx.get(address).text
    said = (trioarb.folder / "said").read_text()
    path = re.search(r"token in (\S+), which was made just now", said)
    assert path is not None
    secret = Path(path[1]).read_text().strip()
    assert secret not in said
    assert Path(path[1]).stat().st_mode & 0o777 == 0o600


def test_a_port_that_is_taken(trioarb: CommandLine, journals: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ran = trioarb("dashboard", str(journals), f"--port={port}")
    assert ran.code == 1
    assert ran.error == f"127.0.0.1 port {port} can't be had: Address already in use; choose another by --port"


@pytest.mark.parametrize(
    ("host", "port", "said"),
    [
        ("127.0.0.1", 99_999, "--port 99999: there is no such port; choose one from 0 to 65535"),
        ("127.0.0.1", -1, "--port -1: there is no such port"),
        ("a..b", 0, "--host a..b: no address to listen at"),
        ("\u00e4" * 100, 0, "no address to listen at"),
    ],
)
def test_an_address_that_is_none(host: str, port: int, said: str) -> None:
    with pytest.raises(DashboardError, match=re.escape(said)):
        listen(host, port)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--host=0.0.0.0",), "--token-file FILE (made if it isn't there), or TRIOARB_DASHBOARD_TOKEN, and --certfile"),
        (("--host=0.0.0.0", "--token-file=token"), "give --certfile and --keyfile"),
        (("--host=198.51.100.1", "--certfile=none", "--keyfile=none"), "--certfile: can't be read"),
        (("--certfile=none",), "--keyfile: is missing"),
        (("--host=no-such-host.invalid",), "--host"),
        (("--certfile=/dev/zero", "--keyfile=/dev/zero"), "--certfile: can't be read: it is no file: /dev/zero"),
        (("nothing-here",), "nothing-here: there is no such journal or folder"),
    ],
)
def test_what_it_refuses_in_one_message(
    trioarb: CommandLine, journals: Path, arguments: tuple[str, ...], said: str
) -> None:
    ran = trioarb("dashboard", *(arguments if "nothing-here" in arguments else (str(journals), *arguments)))
    assert ran.code == 2
    assert said in ran.error
    assert not (trioarb.folder / "token").exists()


def test_tls(trioarb: CommandLine, journals: Path) -> None:
    authority = trustme.CA()
    authority.issue_cert("localhost", "127.0.0.1").private_key_and_cert_chain_pem.write_to_path(
        trioarb.folder / "both.pem"
    )
    context = ssl.create_default_context()
    authority.configure_trust(context)
    (trioarb.folder / "token").write_text("a-token-that-nobody-guesses")
    (trioarb.folder / "token").chmod(0o600)
    tls = ("--certfile=both.pem", "--keyfile=both.pem", "--token-file=token", "--host=0.0.0.0", "--port=0")
    with started(trioarb, str(journals), *tls) as (address, _):
        at = address.replace("0.0.0.0", "127.0.0.1")
        assert at.startswith("https://")
        assert httpx.get(f"{at}api/about", verify=context).status_code == 401
        right = {"Authorization": "Bearer a-token-that-nobody-guesses"}
        assert httpx.get(f"{at}api/about", verify=context, headers=right).status_code == 200
    (trioarb.folder / "none.pem").write_text("no certificate")
    ran = trioarb("dashboard", str(journals), "--certfile=none.pem", "--keyfile=none.pem")
    assert ran.code == 2
    assert "are no certificate and its key" in ran.error


def commanded(journal: Path) -> list[Any]:
    with open_journal(journal) as stored:
        return [record.event for record in stored.records() if type(record.event).__name__ == "Commanded"]


def test_what_a_campaign_is_told_is_in_its_journal_and_it_obeys(trioarb: CommandLine, runtime_folder: Path) -> None:
    journals = trioarb.folder / "j"
    journals.mkdir()
    with trioarb.started(*LIVELY, "--journal=j/c.journal") as campaign:
        campaign.wait_for("position opened")
        with started(trioarb, "j", "--port=0") as (address, _):
            at = f"{address}api/campaigns/c"

            def shows_all() -> Any:
                """Return the view once it has what only the running campaign knows."""
                view = httpx.get(at).json()
                stages = {stage["stage"] for stage in view.get("latency", ())}
                has_edges = any(route["edge_bps"] is not None for route in view.get("routes", ()))
                is_whole = has_edges and {"loop", "decide", "fill"} <= stages
                return view if is_whole and view["row"]["state"] != "folding" else None

            view = until(shows_all)
            assert view["live"]
            assert view["row"]["state"] == "running"
            assert all(venue["quote_age_ms"] is not None for venue in view["venues"])
            assert view["limits"]
            assert httpx.get(f"{address}readyz").status_code == 200
            right = {"Authorization": f"Bearer {(runtime_folder / 'dashboard-token').read_text().strip()}"}

            def tell(**action: str) -> httpx.Response:
                return httpx.post(f"{at}/actions", json=action, headers=right)

            assert tell(action="pause", why="news").json()["said"].startswith("paused")
            paused = until(lambda: one if (one := httpx.get(at).json()["control"])["paused"] else None)
            assert "dashboard: news" in paused["paused"]
            assert any(one["rule"] == "paused" for one in paused["denials"])
            assert tell(action="resume").status_code == 200
            refused = tell(action="set", setting="strategy.entry_bps=-1000")
            assert refused.status_code == 409
            assert "loosens" in refused.json()["error"] or "force" in refused.json()["error"]
            symbol = view["symbols"][0]["symbol"]
            assert tell(action="blacklist", symbol=symbol).status_code == 200
            assert tell(action="end").status_code == 200
            ran = campaign.finish()
            ended = until(lambda: one if (one := httpx.get(at).json())["row"]["state"] == "ended" else None)
            assert ended["row"]["ended_by"] == "control"
            assert ended["live"] is False
            assert tell(action="pause").status_code == 409
    assert ran.code == 0, ran.err
    told = commanded(journals / "c.journal")
    assert [(one.command.value, one.why) for one in told] == [
        ("pause", "dashboard: news"),
        ("resume", "dashboard"),
        ("blacklist", "dashboard"),
        ("end", "dashboard"),
    ]
    assert all(one.who for one in told)


def processes_of(journal: Path) -> Mapping[int, str]:
    """Return the dashboards of a journal, by their process ids."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                if f"dashboard {journal}" in command:
                    found[int(entry.name)] = command
    return found


needs_proc = pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="needs /proc")


@needs_proc
def test_beside_a_campaign_it_begins_and_ends_with_it(trioarb: CommandLine) -> None:
    port, journal = free_port(), trioarb.folder / "c.journal"
    enabled = ("--set=dashboard.enabled=true", f"--set=dashboard.port={port}")
    with trioarb.started(*LIVELY, "--journal=c.journal", *enabled) as campaign:
        campaign.wait_for(f"dashboard: http://127.0.0.1:{port}/")
        view = until(
            lambda: one if (one := httpx.get(f"http://127.0.0.1:{port}/api/campaigns/c").json())["live"] else None
        )
        assert view["row"]["state"] == "running"
        assert len(processes_of(journal)) == 1
        campaign.signal(signal.SIGINT)
        ran = campaign.finish()
    assert ran.code == 0, ran.err
    assert not processes_of(journal)


@needs_proc
def test_a_dashboard_that_dies_or_has_no_port_costs_a_warning(trioarb: CommandLine) -> None:
    port, journal = free_port(), trioarb.folder / "c.journal"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        enabled = ("--set=dashboard.enabled=true", f"--set=dashboard.port={port}")
        with trioarb.started(*LIVELY, "--journal=c.journal", *enabled) as campaign:
            campaign.wait_for("can't be had: Address already in use")
            campaign.wait_for("no dashboard; the campaign goes on without it")
            campaign.wait_for("position opened")
            campaign.signal(signal.SIGINT)
            assert campaign.finish().code == 0
    with trioarb.started(*LIVELY, "--journal=d.journal", *enabled) as campaign:
        campaign.wait_for("dashboard: http://")
        (process,) = until(lambda: processes_of(trioarb.folder / "d.journal") or None)
        os.kill(process, signal.SIGKILL)
        campaign.wait_for("no dashboard; the campaign goes on without it")
        campaign.wait_for("position opened")
        campaign.signal(signal.SIGINT)
        assert campaign.finish().code == 0
    for path in (journal, trioarb.folder / "d.journal"):
        verifier = Verifier()
        with open_journal(path) as stored:
            verifier.fold(stored.records())
        assert not list(verifier.result().violations)


@needs_proc
def test_when_the_campaign_is_killed_its_dashboard_goes_too(trioarb: CommandLine) -> None:
    enabled = ("--set=dashboard.enabled=true", f"--set=dashboard.port={free_port()}")
    with trioarb.started(*LIVELY, "--journal=c.journal", *enabled) as campaign:
        campaign.wait_for("dashboard: http://")
        campaign.signal(signal.SIGKILL)
        campaign.finish()
    until(lambda: True if not processes_of(trioarb.folder / "c.journal") else None)


@needs_proc
def test_what_is_secret_in_the_environment_stays_with_the_campaign(
    trioarb: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_VENUES_KEY", "a-secret-of-a-venue")
    monkeypatch.setenv("TRIOARB_DASHBOARD_TOKEN", "a-token-that-nobody-guesses")
    enabled = ("--set=dashboard.enabled=true", f"--set=dashboard.port={free_port()}")
    with trioarb.started(*LIVELY, "--journal=c.journal", *enabled) as campaign:
        campaign.wait_for("actions take the token in TRIOARB_DASHBOARD_TOKEN")
        (process,) = processes_of(trioarb.folder / "c.journal")
        names = {line.partition("=")[0] for line in Path(f"/proc/{process}/environ").read_text().split("\0")}
        assert "PATH" in names
        assert "MY_VENUES_KEY" not in names
        campaign.signal(signal.SIGINT)
        assert "a-token-that-nobody-guesses" not in campaign.finish().err
