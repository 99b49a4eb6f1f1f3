"""Alerts as a user meets them: `trioarb alerts`, a run with channels, and a process that has to leave."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from alert_receivers import HttpReceiver, http_receiver
from command import SPREAD, CommandLine

pytest.importorskip("httpx", reason="the webhook needs httpx")

BLOCKING = """
import contextlib, time
from trioarb.api import ExchangeSpec, hookimpl
from trioarb.builtin.paper import PaperExchange
from trioarb.builtin.paper_settings import PaperSettings

class Blocking(PaperExchange):
    async def place(self, order):
        time.sleep(1000)

@contextlib.asynccontextmanager
async def open_venue(settings, context):
    yield Blocking(settings, context)

@hookimpl
def trioarb_exchanges():
    return [ExchangeSpec(name="blocking", doc="", settings=PaperSettings, open=open_venue)]
"""


@pytest.fixture
def trioarb(tmp_path: Path) -> CommandLine:
    return CommandLine(folder=tmp_path)


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[HttpReceiver]:
    with http_receiver() as receiver:
        monkeypatch.setenv("HOOK", receiver.url)
        yield receiver


def written(folder: Path, alerts: str, **changed: str) -> Path:
    text = SPREAD.read_text()
    for before, after in changed.items():
        text = re.sub(rf"(?m)^{before} = .*$", f"{before} = {after}", text)
    path = folder / "mine.toml"
    path.write_text(f"{text}\n{alerts}")
    return path


TOLD = """
[channels.hook]
plugin = "webhook"
url = { env = "HOOK" }
secret = { env = "KEY" }

[channels.log]
plugin = "log"

[[alerts]]
on = ["campaign_ended", "position_closed", "process_held"]
"""


def test_a_test_reaches_each_channel_and_says_so(
    trioarb: CommandLine, hook: HttpReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEY", "0123456789abcdef")
    config = written(trioarb.folder, TOLD)
    ran = trioarb("alerts", "test", config)
    assert (ran.code, ran.out) == (0, "hook: delivered\nlog: delivered\n")
    assert "alert: this is a test; nothing has happened" in ran.err
    (body,), (headers,), (raw,) = hook.bodies, hook.headers, hook.raw
    assert body["title"] == "[INFO] this is a test; nothing has happened"
    signed = hmac.new(b"0123456789abcdef", raw, hashlib.sha256).hexdigest()
    assert headers["X-Trioarb-Signature"] == f"sha256={signed}"


def test_a_channel_that_fails_is_said_without_its_secrets(
    trioarb: CommandLine, hook: HttpReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEY", "0123456789abcdef")
    hook.status = 403
    config = written(trioarb.folder, TOLD)
    ran = trioarb("alerts", "test", config, "--channel", "hook", "--json")
    assert ran.code == 1
    assert json.loads(ran.out) == {"hook": {"delivered": False, "error": "the webhook answered with status 403"}}
    monkeypatch.setenv("HOOK", "http://127.0.0.1:9/T0P-SECRET-PATH")  # nobody listens there
    ran = trioarb("alerts", "test", config, "--channel=hook")
    assert ran.code == 1
    assert ran.out == "hook: not delivered: the webhook can't be reached: ConnectError\n"
    assert "SECRET" not in ran.out + ran.err
    config.write_text(config.read_text().replace("secret = {", "headers = { X = { env = 'ODD' } }\nsecret = {"))
    monkeypatch.setenv("ODD", "T0P-SECRET-\u20ac")
    ran = trioarb("alerts", "test", config, "--channel=hook")
    assert ran.code == 1
    assert ran.out.endswith("its url, headers or secret hold what can't be sent: UnicodeEncodeError\n")
    assert "SECRET" not in ran.out + ran.err


def test_rules_and_channels_are_listed(trioarb: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK", "http://127.0.0.1:9/")
    monkeypatch.setenv("KEY", "0123456789abcdef")
    ran = trioarb("alerts", "list", written(trioarb.folder, TOLD))
    assert ran.code == 0
    assert ran.out.splitlines() == [
        "channel hook: webhook",
        "channel log: log",
        "info: campaign_ended to hook, log",
        "info: position_closed to hook, log",
        "critical: process_held to hook, log",
    ]


def test_the_desktop_is_told_by_a_program_and_a_bell(trioarb: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    programs = trioarb.folder / "programs"
    programs.mkdir()
    program = programs / "notify-send"
    program.write_text('#!/bin/sh\nfor one in "$@"; do echo "$one"; done > notified.txt\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    config = written(trioarb.folder, '[channels.desk]\nplugin = "bell"\n[[alerts]]\non = ["residual"]')
    with trioarb.on_terminal("alerts", "test", config) as terminal:
        assert terminal.finish() == 0
    assert "\a" in terminal.shown
    shown = (trioarb.folder / "notified.txt").read_text().splitlines()
    assert shown[:2] == ["--app-name=trioarb", "--urgency=low"]
    assert shown[3:5] == ["[INFO] this is a test; nothing has happened", "info: this is a test; nothing has happened"]


@pytest.mark.parametrize(
    ("alerts", "arguments", "said"),
    [
        ("", (), "neither channels nor rules"),
        ('[[alerts]]\non = ["residul"]', (), "did you mean 'residual'?"),
        ('[channels.a]\nplugin = "webhook"\nurl = { env = "NO_SUCH" }', (), "NO_SUCH"),
        ('[channels.a]\nplugin = "webhook"\nurl = "ftp://x"', (), "url is no address"),
        ('[channels.ops]\nplugin = "log"', ("--channel=opps",), "did you mean 'ops'?"),
        ('[channels.ops]\nplugin = "bell"\nbell = false\nnotify = false', (), "nothing would happen"),
        (
            '[channels.ops]\nplugin = "webhook"\nurl = "http://x"',
            ("--set=session.clock=virtual",),
            'the alert channel plugin "webhook" of [channels.ops] talks to the outside',
        ),
    ],
)
def test_what_makes_no_sense_is_one_message(
    trioarb: CommandLine, alerts: str, arguments: tuple[str, ...], said: str
) -> None:
    config = trioarb.folder / "mine.toml"
    config.write_text(f"{SPREAD.read_text()}\n{alerts}\n")
    ran = trioarb("alerts", "test", config, *arguments)
    assert ran.code == 2
    assert said in "\n".join(ran.errors)


def test_a_run_tells_of_its_end_after_its_journal_is_closed(
    trioarb: CommandLine, hook: HttpReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEY", "0123456789abcdef")
    hook.pause_seconds = 1.0
    config = written(trioarb.folder, TOLD)
    ran = trioarb.run(config, "--set=session.clock=real", "--runtime=1", "--journal=c.journal")
    assert ran.code == 0, ran.err
    ended = hook.bodies[-1]["alerts"][-1]
    last = ran.events[-1]
    assert (ended["incident"], ended["seq"], last["type"]) == ("campaign_ended", last["seq"], "campaign_ended")
    assert ran.summary["alerts"]["hook"] == {
        "delivered": len(hook.lines()),
        "undelivered": 0,
        "pending": 0,
        "tries": len(hook.bodies),
        "error": "",
    }
    secrets = [hook.url, "T0P-SECRET-PATH", "0123456789abcdef"]
    for path in [one for one in trioarb.folder.rglob("*") if one.is_file()]:
        with suppress(UnicodeDecodeError):
            assert not [one for one in secrets if one in path.read_text()], path


def test_a_process_that_has_to_leave_tells_so(
    trioarb: CommandLine, hook: HttpReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEY", "0123456789abcdef")
    line = trioarb.install("blocking", "blocking", BLOCKING)
    config = written(trioarb.folder, TOLD)
    more = ["--set=exchanges.b.plugin=blocking", "--set=engine.blocked_seconds=3", "--set=session.clock=real"]
    ran = line.run(config, "--set=session.loop_interval_ms=20", *more, "--runtime=30", "--journal=c.journal")
    assert ran.code == 1, ran.err
    alerts = [one for body in hook.bodies for one in body["alerts"]]
    assert "process_held" in [one["incident"] for one in alerts]
    (told,) = [one for one in alerts if one["incident"] == "process_held"]
    assert "[exchanges.b]: plugin 'blocking': place held the thread" in told["text"]
    assert told["severity"] == "critical"
    assert "alert: the process had to leave" in ran.err
    assert trioarb("verify", "c.journal").code == 0


STUCK = """
import contextlib, time
from trioarb.api import AlertChannel, AlertChannelSpec, hookimpl

class Stuck(AlertChannel):
    async def send(self, message):
        time.sleep(1000)

@contextlib.asynccontextmanager
async def open_channel(settings, context):
    yield Stuck()

@hookimpl
def trioarb_alert_channels():
    return [AlertChannelSpec(name="stuck", doc="", open=open_channel)]
"""


def test_a_channel_that_holds_the_thread_is_named(trioarb: CommandLine) -> None:
    line = trioarb.install("stuck", "stuck", STUCK)
    config = written(trioarb.folder, '[channels.ops]\nplugin = "stuck"\n[[alerts]]\non = ["phase_entered"]')
    more = ["--set=engine.blocked_seconds=3", "--set=session.clock=real", "--journal=c.journal"]
    ran = line.run(config, *more, "--runtime=30")
    assert ran.code == 1
    assert "[channels.ops]: plugin 'stuck': send held the thread" in ran.err
    assert trioarb("verify", "c.journal").code == 0


def events_of(trioarb: CommandLine, name: str, alerts: str, *more: str) -> list[bytes]:
    config = written(trioarb.folder, alerts)
    out = trioarb.folder / f"{name}.jsonl"
    ran = trioarb("run", config, f"--events={out}", "--set=session.clock=virtual", "--iterations=300", *more)
    assert ran.code == 0, ran.err
    if alerts:
        assert "alert: " in ran.err
    lines = out.read_bytes().splitlines()[1:]
    return [re.sub(rb',"hash":"[0-9a-f]+"}$', b"}", line) for line in lines]


def test_in_virtual_time_the_same_happens_with_alerts_and_without(trioarb: CommandLine) -> None:
    """Every rule there is, throttled, grouped and in quiet hours: waits of the channel are deadlines on the clock."""
    alerts = """
[channels.log]
plugin = "log"
group_seconds = 3
[channels.night]
plugin = "log"
quiet_hours = "00:00-23:59"
[[alerts]]
on = ["position_opened", "position_closed", "order_submitted", "guard_tripped", "market_stale", "campaign_ended"]
throttle_seconds = 2
[[alerts]]
on = ["pnl", "drawdown", "no_trade"]
above_usd = 0.5
minutes = 0.05
"""
    plain = events_of(trioarb, "plain", "")
    assert len(plain) > 100
    assert events_of(trioarb, "told", alerts) == plain


def test_replay_tells_the_log_in_place_of_the_outside(trioarb: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyarrow", reason="recordings need pyarrow")
    monkeypatch.setenv("HOOK", "http://127.0.0.1:9/T0P-SECRET-PATH")
    monkeypatch.setenv("KEY", "0123456789abcdef")
    config = written(trioarb.folder, TOLD)
    ran = trioarb("run", config, "--set=session.clock=real", "--runtime=4", "--record=quotes")
    assert ran.code == 0, ran.err
    played = trioarb("replay", config, "--quotes", "quotes")
    assert played.code == 0, played.err
    assert "channels.hook: 'webhook' talks to the outside; its alerts go to the log instead" in played.err
    assert played.err.count("alert: the campaign has ended") == 2
    assert "SECRET" not in played.out + played.err
