"""The channel as a campaign's alerts use it: what is delivered, what isn't, and what nobody may read."""

from __future__ import annotations

import socket
import threading
from typing import Any

import apprise
import pytest
import trio

from trioarb.api import AlertContext, AlertMessage, ChannelError, Severity
from trioarb.model.alert import Alert
from trioarb_apprise.channel import AppriseSettings, trioarb_alert_channels

#: What Apprise imports warns of itself.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def message(severity: Severity = Severity.WARNING, *, is_over: bool = False) -> AlertMessage:
    alert = Alert(
        rule="r", incident="residual", severity=severity, about="r1", text="a residual", at_ns=0, is_over=is_over
    )
    return AlertMessage(campaign="c", env="test", mode="paper", number=1, alerts=(alert,))


def opened(*urls: str) -> Any:
    (spec,) = trioarb_alert_channels()
    return spec.open(AppriseSettings(urls=urls), AlertContext(name="phone"))


class Notified:
    """Stands in for Apprise's service, in its thread."""

    def __init__(self, answer: bool = True, hold: threading.Event | None = None) -> None:
        self.got: list[dict[str, Any]] = []
        self.answer = answer
        self.hold = hold

    def __call__(self, service: object, **given: Any) -> bool:
        self.got.append(given)
        if self.hold is not None:
            self.hold.wait(10)
        return self.answer


async def test_title_body_and_kind_are_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    notified = Notified()
    monkeypatch.setattr(apprise.Apprise, "notify", lambda self, **given: notified(self, **given))
    async with opened("json://localhost/") as channel:
        await channel.send(message(Severity.CRITICAL))
        await channel.send(message(is_over=True))
    first, second = notified.got
    assert first["title"] == "[CRITICAL] a residual"
    assert first["body"] == "critical: a residual\ncampaign c (test, paper)"
    assert first["notify_type"] == apprise.NotifyType.FAILURE
    assert second["title"] == "[OK] over: a residual"
    assert second["notify_type"] == apprise.NotifyType.SUCCESS


async def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    async with opened(f"json://user:T0P-SECRET@127.0.0.1:{port}/") as channel:
        with pytest.raises(ChannelError, match="could not deliver") as failed:
            await channel.send(message())
    assert "SECRET" not in str(failed.value)


async def test_an_address_of_nothing_is_named_by_its_place_alone() -> None:
    with pytest.raises(ChannelError, match=r"\[channels.phone\]: urls\[1\] is no address that Apprise knows") as failed:
        async with opened("json://localhost/", "nonsense://T0P-SECRET/"):
            pass
    assert "SECRET" not in str(failed.value)


def test_no_address_at_all() -> None:
    with pytest.raises(ValueError, match="urls is empty"):
        AppriseSettings(urls=())
    assert "SECRET" not in repr(AppriseSettings(urls=("json://T0P-SECRET/",)))


async def test_a_thread_that_hangs_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    hold = threading.Event()
    notified = Notified(hold=hold)
    monkeypatch.setattr(apprise.Apprise, "notify", lambda self, **given: notified(self, **given))
    async with opened("json://localhost/") as channel:
        for _ in range(5):  # more than there are threads
            with trio.move_on_after(0.05) as given_up:
                await channel.send(message())
            assert given_up.cancelled_caught
    assert len(notified.got) == 3
    hold.set()


async def test_only_what_apprise_has_no_pace_for_gets_ours() -> None:
    async with opened("mailto://user:pass@localhost/", "json://localhost/") as channel:
        mail, post = channel._service
        assert mail.request_rate_per_sec == 1.0
        assert post.request_rate_per_sec == type(post).request_rate_per_sec
