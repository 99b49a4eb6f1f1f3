"""Alert channels that are broken, each in one way: exactly that case fails, and what needs it is blocked."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import attrs
import pytest
import structlog
import trio
from alert_receivers import http_receiver
from broken import expect_failed_alone

from trioarb.api import AlertChannel, AlertChannelSpec, AlertContext, AlertMessage, ChannelError, setting
from trioarb.testing import plugin_of
from trioarb.testing.conformance import ChannelStage, Report, Trouble, Verdict, judge, kind_named

SECRET = "a-token-that-nobody-knows"


@attrs.frozen(kw_only=True)
class Settings:
    token: str = setting("", doc="by which it is known", secret=True)


@attrs.define(eq=False)
class Post(ChannelStage):
    """A place where messages arrive, unless it fails, or says nothing."""

    troubles = frozenset({Trouble.SERVER_ERROR, Trouble.LOST_ANSWER})
    settings: Mapping[str, Any] = attrs.field(factory=lambda: {"token": SECRET})
    got: list[str] = attrs.field(factory=list)
    now: Trouble | None = None

    def arrived(self) -> list[str]:
        return self.got

    async def trouble(self, trouble: Trouble, times: int = 1) -> None:
        self.now = trouble

    async def calm(self) -> None:
        self.now = None

    async def take(self, text: str) -> bool:
        await trio.sleep(0.01)
        if self.now is Trouble.LOST_ANSWER:
            await trio.sleep_forever()
        if self.now is None:
            self.got.append(text)
        return self.now is None


@attrs.define(eq=False)
class Right(AlertChannel):
    """Takes messages to the post."""

    post: Post
    has_failed: bool = False
    was_cancelled: bool = False

    async def send(self, message: AlertMessage) -> None:
        if not await self.post.take(f"{message.title}\n{message.body}"):
            self.has_failed = True
            self.fail()

    def fail(self) -> None:
        raise ChannelError("the post is closed")


class LeavesATask(Right):
    pass


class LeavesATaskWhenCancelled(Right):
    pass


class Drops(Right):
    async def send(self, message: AlertMessage) -> None:
        await trio.lowlevel.checkpoint()


class Formats(Right):
    async def send(self, message: AlertMessage) -> None:
        message.body.format()
        await super().send(message)


class SaysNothing(Right):
    def fail(self) -> None:
        pass


class RaisesWhatComes(Right):
    def fail(self) -> None:
        raise OSError(111, "connection refused")


class GivesUp(Right):
    async def send(self, message: AlertMessage) -> None:
        if self.has_failed:
            raise ChannelError("it failed once")
        await super().send(message)


class IsDoneOnceCancelled(Right):
    async def send(self, message: AlertMessage) -> None:
        try:
            if self.was_cancelled:
                raise ChannelError("not connected")
            await super().send(message)
        except trio.Cancelled:
            self.was_cancelled = True
            raise


class WaitsShielded(Right):
    async def send(self, message: AlertMessage) -> None:
        if self.post.now is Trouble.LOST_ANSWER:
            with trio.CancelScope(shield=True):
                await trio.sleep(20)
        await super().send(message)


class SaysItsToken(Right):
    def fail(self) -> None:
        raise ChannelError(f"https://example.com/{SECRET}/send answered with status 500")


class LogsItsToken(Right):
    def fail(self) -> None:
        structlog.get_logger("mine").warning("not delivered", url=f"https://example.com/{SECRET}/send")
        super().fail()


BROKEN: Mapping[str, type[Right]] = {
    "AL-01": LeavesATask,
    "AL-02": LeavesATaskWhenCancelled,
    "AL-03": Drops,
    "AL-04": Formats,
    "AL-05": SaysNothing,
    "AL-06": GivesUp,
    "AL-07": IsDoneOnceCancelled,
    "AL-08": WaitsShielded,
    "AL-09": SaysItsToken,
}


def judged(kind: type[Right]) -> Report:
    posts = list[Post]()

    @asynccontextmanager
    async def stage() -> AsyncIterator[Post]:
        posts.append(Post())
        yield posts[-1]

    @asynccontextmanager
    async def open_channel(settings: Settings, context: AlertContext) -> AsyncIterator[AlertChannel]:
        try:
            await trio.lowlevel.checkpoint()
        except trio.Cancelled:
            if kind is LeavesATaskWhenCancelled:
                trio.lowlevel.spawn_system_task(trio.sleep_forever)
            raise
        yield kind(posts[-1])
        if kind is LeavesATask:
            trio.lowlevel.spawn_system_task(trio.sleep_forever)

    spec = AlertChannelSpec(name="mine", doc="", settings=Settings, open=open_channel)
    return judge(kind="alert", name="mine", stage=stage, plugins={"mine": plugin_of(spec)})


def test_the_right_one_passes_every_case() -> None:
    report = judged(Right)
    assert {one.verdict for one in report.outcomes} == {Verdict.PASS}, list(report.lines())


def test_every_case_has_one_that_fails_it() -> None:
    assert [case.id for case in kind_named("alert").cases] == list(BROKEN)


@pytest.mark.parametrize(("case_id", "kind"), BROKEN.items(), ids=lambda value: getattr(value, "__name__", value))
def test_a_broken_one_fails_that_case_and_no_other(case_id: str, kind: type[Right]) -> None:
    report = judged(kind)

    expect_failed_alone(report, case_id)
    assert SECRET not in str(report)


@pytest.mark.parametrize(("case_id", "kind"), [("AL-05", RaisesWhatComes), ("AL-09", LogsItsToken)])
def test_so_does_another_one(case_id: str, kind: type[Right]) -> None:
    report = judged(kind)
    assert [one.case.id for one in report.failed] == [case_id], str(report)


def test_the_log_conforms() -> None:
    report = judge(kind="alert", name="log")
    assert report.conforms, str(report)
    assert report.of("AL-04").verdict is Verdict.PASS


@asynccontextmanager
async def webhook() -> AsyncIterator[ChannelStage]:
    with http_receiver() as receiver:

        class Hook(ChannelStage):
            settings: Mapping[str, Any] = MappingProxyType({"url": receiver.url, "secret": SECRET})
            troubles = frozenset({Trouble.SERVER_ERROR, Trouble.LOST_ANSWER})

            def arrived(self) -> list[str]:
                return [body["text"] for body in list(receiver.bodies)]

            async def trouble(self, trouble: Trouble, times: int = 1) -> None:
                receiver.status, receiver.pause_seconds = (500, 0) if trouble is Trouble.SERVER_ERROR else (204, 0.7)

            async def calm(self) -> None:
                receiver.status, receiver.pause_seconds = 204, 0

        yield Hook()


def test_the_webhook_conforms() -> None:
    report = judge(kind="alert", name="webhook", stage=webhook)
    assert {one.verdict for one in report.outcomes} == {Verdict.PASS}, list(report.lines())


def test_the_bell_conforms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = tmp_path / "told"
    program = tmp_path / "notify-send"
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >>"{told}"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    class Desktop(ChannelStage):
        def arrived(self) -> list[str]:
            return [told.read_text()] if told.exists() else []

    @asynccontextmanager
    async def desktop() -> AsyncIterator[ChannelStage]:
        yield Desktop()

    report = judge(kind="alert", name="bell", stage=desktop)
    assert report.conforms, str(report)
    assert report.of("AL-07").verdict is Verdict.PASS
