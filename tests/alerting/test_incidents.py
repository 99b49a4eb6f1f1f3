"""Incidents in a campaign that runs: each reaches people within five seconds, by HTTP and by mail, on real sockets."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
from alert_receivers import HttpReceiver, MailReceiver, http_receiver, mail_receiver
from trouble import Trouble

from trioarb.alerting.alerting import Alerting
from trioarb.builtin.spread import SpreadStrategy
from trioarb.cli.journal import keep_anew
from trioarb.config.load import load_table
from trioarb.engine.campaign import Campaign
from trioarb.engine.clocks import Clocks
from trioarb.engine.run import run_campaign
from trioarb.engine.signals import Signals
from trioarb.model.trade import EndedBy, Phase
from trioarb.plugin.registry import load_plugins
from trioarb.testing import two_venues

pytest.importorskip("httpx", reason="the webhook needs httpx")
pytest.importorskip("apprise", reason="mail goes by Apprise: pip install apprise")
pytest.importorskip("aiosmtpd", reason="mail is received by aiosmtpd: pip install aiosmtpd")
pytest.importorskip("trioarb_apprise", reason="mail goes by a plugin: pip install plugins/trioarb-apprise")

#: What Apprise imports warns of itself.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

#: By when somebody has to be told.
WITHIN_SECONDS = 5.0
#: How long an incident may take to come about on a machine that is busy.
PATIENCE_SECONDS = 30.0


@attrs.define(eq=False)
class Scene:
    """A campaign in trouble, and those who are told of it."""

    trouble: Trouble
    http: HttpReceiver
    mail: MailReceiver
    campaign: Campaign | None = None
    #: How long each incident took to be told of by both, from when the journal, or we, knew of it.
    took: dict[str, float] = attrs.field(factory=dict)

    @property
    def running(self) -> Campaign:
        assert self.campaign is not None
        return self.campaign

    async def told_of(self, incident: str, *words: str, is_over: bool = False) -> None:
        """Wait until both were told of it, and note how long that took."""

        def is_it(text: str) -> bool:
            return all(word in text for word in words)

        def posted() -> dict[str, Any] | None:
            alerts = [alert for body in list(self.http.bodies) for alert in body["alerts"]]
            hits = (
                one
                for one in alerts
                if one["incident"] == incident and one["is_over"] == is_over and is_it(one["text"])
            )
            return next(hits, None)

        def mailed() -> bool:
            return any(is_it(text) for _, text in list(self.mail.mails))

        with trio.fail_after(PATIENCE_SECONDS):
            while posted() is None or not mailed():  # noqa: ASYNC110 - they are heard in threads
                await trio.sleep(0.01)
        found = posted()
        assert found is not None
        self.took[incident] = time.time() - found["at_ns"] / 1e9


def rules() -> list[dict[str, Any]]:
    names = "emergency_stop residual guard_tripped market_stale venue_down fx_disputed entries_held kill_switch"
    more = "balance_differed symbol_failed clock_jump journal_failing campaign_ended campaign_failed"
    return [
        {"on": [*names.split(), *more.split(), "order_rejected"], "throttle_seconds": 1},
        {"on": ["no_trade"], "minutes": Decimal("0.01")},
        {"on": ["drawdown"], "above_usd": Decimal("1.5")},
        {"on": ["pnl"], "below_usd": Decimal("-0.01")},
    ]


def table() -> dict[str, Any]:
    config: dict[str, Any] = two_venues("trouble")
    for venue in config["exchanges"].values():
        venue |= {"plugin": "trouble", "tick_size": "0.1", "lot_size": "0.01", "market": {"plugin": "trouble"}}
    config["session"] |= {"clock": "real", "close_positions_at_end": False}
    config["strategy"] = {"entry_bps": 20, "exit_bps": -20, "order_size_usd": 400}
    config["guards"] |= {"symbol": {"cooldown_seconds": 0}, "kill_switch": {}}
    config["engine"] = {"market_stale_seconds": 1, "restart_backoff_seconds": Decimal("0.2")}
    config["execution"] = {"residual_policy": "hold", "hedge_deadline_seconds": Decimal("0.3")}
    config["fx"] = {"KRW": {"symbol": "USDTKRW", "markets": ["a", "b"], "outlier_bps": 50}}
    config["alerts"] = rules()
    config["channels"] = {
        "hook": {"plugin": "webhook", "url": {"env": "HOOK"}},
        "mail": {"plugin": "apprise", "urls": [{"env": "MAIL"}]},
    }
    return config


@contextmanager
def receivers() -> Iterator[Scene]:
    with http_receiver() as http, mail_receiver() as mail:
        yield Scene(trouble=Trouble(), http=http, mail=mail)


def play(scene: Scene, script: Callable[[Scene], Any], config: dict[str, Any], journal: Path | None = None) -> None:
    """Run a campaign with its alerts; the script goes on beside it, and then it ends."""
    plugins = load_plugins({"trouble": scene.trouble.plugin})
    environment = {"HOOK": scene.http.url, "MAIL": scene.mail.url}
    loaded = load_table(config, plugins, environment=environment)
    alerting = Alerting(loaded.config, plugins, now_ns=time.time_ns)
    signals = Signals()
    keeping = None if journal is None else keep_anew(journal, loaded)

    def on_open(campaign: Campaign) -> None:
        scene.campaign = campaign
        alerting.attach(campaign)

    async def campaign_beside() -> None:
        async with trio.open_nursery() as nursery:

            async def beside() -> None:
                while scene.campaign is None or scene.campaign.phase is not Phase.RUNNING:  # noqa: ASYNC110
                    await trio.sleep(0.01)
                await script(scene)
                scene.running.end(EndedBy.SIGNAL)

            nursery.start_soon(beside)
            await run_campaign(
                loaded.config,
                plugins,
                observers=[alerting.observe],
                on_open=on_open,
                keeping=keeping,
                signals=signals,
            )

    async def main() -> None:
        await alerting.around(lambda: signals.heard_in(campaign_beside), end_seconds=lambda: 10.0)

    trio.run(main)
    assert all(one.undelivered == 0 for one in alerting.figures().values())


async def misfortunes(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let one thing after the other go wrong in one campaign that goes on."""
    trouble = scene.trouble
    await scene.told_of("no_trade", "no position was opened in 0.01 minutes")

    trouble.silent.add("a")
    await scene.told_of("market_stale", "no quotes from a")
    trouble.silent.clear()
    await scene.told_of("market_stale", "quotes come from a again", is_over=True)

    trouble.cut("b")
    await scene.told_of("venue_down", "order updates of b are down", "the stream was cut")
    await scene.told_of("venue_down", "order updates of b are up again", is_over=True)

    trouble.contexts["a"].hold("maintenance at noon")
    await scene.told_of("entries_held", "no entries at a", "maintenance at noon")
    trouble.contexts["a"].release("maintenance at noon")
    await scene.told_of("entries_held", "entries at a are allowed again", is_over=True)

    trouble.rates["b"] = 1500.0  # of two, nobody can say which is right
    await scene.told_of("fx_disputed", "the rate of KRW can't be relied on")
    trouble.rates["b"] = 1400.0
    await scene.told_of("fx_disputed", "the rate of KRW", is_over=True)

    trouble.bids["b"] = 101.0  # a purchase at a and a sale at b pay
    await scene.told_of("no_trade", "a position of BTCUSDT was opened again", is_over=True)
    trouble.bids["b"] = 102.0
    await scene.told_of("drawdown", "PnL fell by")

    jumped, now = False, Clocks.now

    def jumping() -> Clocks:
        nonlocal jumped
        clocks = now()
        step = 0 if jumped else 3600 * 10**9
        jumped = True
        return attrs.evolve(clocks, wall_ns=clocks.wall_ns + step)

    monkeypatch.setattr(Clocks, "now", staticmethod(jumping))
    await scene.told_of("clock_jump", "the clock jumped")

    def broken(*args: object, **options: object) -> None:
        raise RuntimeError("a bug of the strategy")

    with monkeypatch.context() as bug:
        for method in ("entry", "exit"):
            bug.setattr(SpreadStrategy, method, broken)
        trouble.bids["b"] = 101.9
        await scene.told_of("symbol_failed", "BTCUSDT is in quarantine", "a bug of the strategy")
    await scene.told_of("symbol_failed", "BTCUSDT runs again", is_over=True)

    trouble.rejecting.add("a")
    trouble.bids["b"] = 100.0  # the exit pays; only one side of it can be had
    await scene.told_of("order_rejected", "account is restricted")
    await scene.told_of("residual", "residual of BTCUSDT")

    signal.raise_signal(signal.SIGUSR1)
    await scene.told_of("kill_switch", "kill switch pulled by SIGUSR1")
    await scene.told_of("guard_tripped", "kill_switch.kill_switch", "denies entries", "pulled by SIGUSR1")


def test_one_thing_after_the_other_goes_wrong_and_people_know(monkeypatch: pytest.MonkeyPatch) -> None:
    with receivers() as scene:

        async def script(scene: Scene) -> None:
            await misfortunes(scene, monkeypatch)

        play(scene, script, table())
        late = {incident: took for incident, took in scene.took.items() if took > WITHIN_SECONDS}
        assert len(scene.took) >= 12
        assert not late
        assert any("the campaign has ended (signal)" in line for line in scene.http.lines())
        assert any("the campaign has ended (signal)" in text for _, text in scene.mail.mails)


def test_an_emergency_stop_is_told_of_by_critical_mail(tmp_path: Path) -> None:
    switch = tmp_path / "switch"
    config = table()
    config["guards"]["kill_switch"] = {"file": str(switch), "flatten": True}
    with receivers() as scene:

        async def script(scene: Scene) -> None:
            switch.touch()
            await scene.told_of("emergency_stop", "emergency stop by kill_switch.kill_switch")

        play(scene, script, config)
        assert scene.took["emergency_stop"] < WITHIN_SECONDS
        assert any(subject.startswith("[CRITICAL] emergency stop") for subject, _ in scene.mail.mails)


def test_a_journal_that_can_not_be_written_is_told_of_and_that_the_campaign_failed(tmp_path: Path) -> None:
    journal = tmp_path / "run.journal"
    with receivers() as scene:

        async def script(scene: Scene) -> None:
            journal.unlink()
            scene.trouble.bids["b"] = 101.0  # something to write
            await scene.told_of("journal_failing", "the journal can't be written")
            await scene.told_of("campaign_failed", "the campaign has failed")

        play(scene, script, table(), journal)
        assert max(scene.took.values()) < WITHIN_SECONDS


def test_a_campaign_that_can_not_begin_is_told_of() -> None:
    with receivers() as scene:
        plugins = load_plugins({"trouble": scene.trouble.plugin})
        loaded = load_table(table(), plugins, environment={"HOOK": scene.http.url, "MAIL": scene.mail.url})
        alerting = Alerting(loaded.config, plugins, now_ns=time.time_ns)

        async def fails() -> None:
            raise OSError("the venue's address can't be found")

        with pytest.raises(OSError, match="the venue's address"):
            trio.run(lambda: alerting.around(fails, end_seconds=lambda: 10.0))
        (body,) = scene.http.bodies
        assert body["campaign"] == "(not begun)"
        assert scene.http.lines() == ["the campaign has failed: the venue's address can't be found"]
        assert len(scene.mail.mails) == 1
