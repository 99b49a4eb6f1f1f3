"""Cases of alert channels: what is sent arrives, and what doesn't is said, without a secret."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from itertools import count
from typing import Any

import attrs
import trio
from structlog.testing import capture_logs

from trioarb.api import Alert, AlertChannel, AlertChannelSpec, AlertContext, AlertMessage, ChannelError, Severity
from trioarb.errors import Interrupt, PluginFault, describe, leaves
from trioarb.settings.redact import Redactor
from trioarb.testing.conformance.case import Cases, Failed, expect, not_offered
from trioarb.testing.conformance.kinds import Kind
from trioarb.testing.conformance.opening import expect_cancellable, expect_closed
from trioarb.testing.conformance.stage import ChannelStage, Stage, Trouble
from trioarb.testing.conformance.steps import at_every_step
from trioarb.testing.conformance.subject import ANSWER_SECONDS, Trial

__all__ = ["KIND"]

_PAUSE_SECONDS = 0.05
#: How long a try is waited for that has to be cut.
_CUT_SECONDS = 0.5
_ODD = (
    "a spread of 12 % & more: <b>BTC</b> [bold]at[/bold] {venue} \\ 'a' \"b\" `c` %s $HOME",
    "₿ 비트코인 и ещё 🚨",
    "two\nlines",
    "long " * 400,
)
#: What makes a try fail; which of them doesn't matter.
_FAILURES = (Trouble.SERVER_ERROR, Trouble.TOO_MANY, Trouble.MALFORMED)


@attrs.define(eq=False)
class AlertTrial:
    """A channel that can be opened, more than once, and what stands behind it."""

    trial: Trial
    stage: Stage
    _numbers: Iterator[int] = attrs.field(factory=lambda: count(1))

    @property
    def is_live(self) -> bool:
        return self.trial.clock is None

    @asynccontextmanager
    async def channel(self) -> AsyncIterator[AlertChannel]:
        async with self.trial.open(AlertContext(name="judged"), more=self.stage.settings) as opened:
            yield opened

    def message(self, *texts: str, severity: Severity = Severity.WARNING, is_over: bool = False) -> AlertMessage:
        """Return the next message, of one alert with each text."""
        at_ns = self.trial.time.now_ns()
        alerts = tuple(
            Alert(
                rule="judged", incident="residual", severity=severity, about="BTCUSDT", text=text, at_ns=at_ns, seq=seq,
                is_over=is_over, held_back=seq % 2, details={"venue": "a"},
            )
            for seq, text in enumerate(texts, 1)
        )  # fmt: skip
        return AlertMessage(campaign="c0ffee", env="test", mode="paper", number=next(self._numbers), alerts=alerts)

    async def send(self, channel: AlertChannel, message: AlertMessage) -> None:
        """Send it.

        Raises:
            Failed: that wasn't possible, or took longer than ten seconds.
        """
        error = await self.failure(channel, message)
        if error is not None:
            raise Failed("that a message is delivered", describe(error))

    async def failure(self, channel: AlertChannel, message: AlertMessage) -> Exception | None:
        """Send it, and return what that raises."""
        try:
            with self.trial.in_time("send"):
                await channel.send(message)
        except BaseException as error:
            if any(isinstance(one, trio.Cancelled | Failed | Interrupt) for one in leaves(error)):
                raise
            return error if isinstance(error, Exception) else PluginFault(describe(error))
        return None

    async def expect_arrived(self, texts: Sequence[str]) -> None:
        """See that each of these texts stands in a message that arrived, where the stage can say.

        Raises:
            Failed: one of them doesn't, for ten seconds.
        """
        missing = list(texts)
        with trio.move_on_after(ANSWER_SECONDS):
            while missing:
                arrived = self.stage.arrived() if isinstance(self.stage, ChannelStage) else None
                if arrived is None:
                    return
                missing = [text for text in missing if not any(text in one for one in arrived)]
                if missing:
                    await trio.sleep(_PAUSE_SECONDS)
            return
        raise Failed(f"a message with {missing[0][:80]!r} that arrives", "none")

    @asynccontextmanager
    async def failing(self) -> AsyncIterator[None]:
        """Let what is sent inside fail; not offered where the stage can't."""
        trouble = next((one for one in _FAILURES if one in self.stage.troubles), None)
        if trouble is None:
            not_offered("no stage makes what it sends fail")
        await self.stage.trouble(trouble, 1_000)
        yield
        await self.stage.calm()


@asynccontextmanager
async def _alert_trial(trial: Trial) -> AsyncIterator[AlertTrial]:
    async with trial.stage(Stage()) as stage:
        yield AlertTrial(trial, stage)


_cases = Cases[AlertTrial]()


@_cases("AL-01", "Opens and closes")
async def _opens(trial: AlertTrial) -> None:
    """It opens and closes within ten seconds each, also where an error ends what it was open for, and leaves neither a
    task nor a socket behind.
    """
    await expect_closed(trial.channel, patient=trial.is_live)


@_cases("AL-02", "Can be cancelled while it opens", needs=("AL-01",))
async def _cancelled(trial: AlertTrial) -> None:
    """Cancelled at any step of opening it ends at once, and leaves neither a task nor a socket behind."""
    await expect_cancellable(trial.channel, patient=trial.is_live)


@_cases("AL-03", "Delivers a message", needs=("AL-01",))
async def _delivers(trial: AlertTrial) -> None:
    """Within ten seconds `send` returns, and what it was given arrives."""
    async with trial.channel() as channel:
        await trial.send(channel, trial.message("a residual of 0.5 BTC at a"))
        await trial.expect_arrived(["a residual of 0.5 BTC at a"])


@_cases("AL-04", "Delivers whatever is said", needs=("AL-03",))
async def _odd(trial: AlertTrial) -> None:
    """Messages of every severity, that something is over, of many alerts at once, in all scripts, long, and with what
    markup, shells and formats take for their own, are delivered, one after the other.
    """
    async with trial.channel() as channel:
        for severity in Severity:
            for is_over in (False, True):
                await trial.send(channel, trial.message("it is so", severity=severity, is_over=is_over))
        await trial.send(channel, trial.message(*_ODD))
        await trial.send(channel, trial.message(*(f"number {number}" for number in range(32))))
        # How the rest looks is the channel's affair.
        await trial.expect_arrived(["it is so", "비트코인", "number 0"])


@_cases("AL-05", "Says that it failed", needs=("AL-03",), prerequisites="a stage that makes messages fail")
async def _fails(trial: AlertTrial) -> None:
    """A message that isn't delivered raises ChannelError, with a text, and nothing else."""
    async with trial.channel() as channel, trial.failing():
        error = await trial.failure(channel, trial.message("nobody hears this"))
        expect(isinstance(error, ChannelError), "ChannelError", "nothing" if error is None else describe(error))
        expect(bool(str(error).strip()), "a ChannelError that says why", "one without a text")


@_cases("AL-06", "Goes on after a failure", needs=("AL-05",), prerequisites="a stage that makes messages fail")
async def _goes_on(trial: AlertTrial) -> None:
    """Once what made a message fail is over, the next one is delivered, by the channel that is open."""
    async with trial.channel() as channel:
        async with trial.failing():
            for number in range(3):
                await trial.failure(channel, trial.message(f"lost {number}"))
        await trial.send(channel, trial.message("all is well again"))
        await trial.expect_arrived(["all is well again"])


@_cases("AL-07", "Can be cancelled while it sends", needs=("AL-03",))
async def _cancelled_sending(trial: AlertTrial) -> None:
    """Cancelled at any step of `send` it ends at once, delivers the next message, and leaves nothing behind."""
    async with trial.channel() as channel:

        async def once(step: int) -> None:
            await channel.send(trial.message(f"step {step}"))

        await at_every_step("send", once, few=trial.is_live)
        await trial.send(channel, trial.message("after that"))
        await trial.expect_arrived(["after that"])


@_cases("AL-08", "Can be cut where nobody answers", needs=("AL-07",), prerequisites="a stage that loses answers")
async def _cut(trial: AlertTrial) -> None:
    """Where the answer to a message never comes, a try ends at once when its time is over, and the next message is
    delivered once answers come again.
    """
    if Trouble.LOST_ANSWER not in trial.stage.troubles:
        not_offered("no stage loses answers")
    async with trial.channel() as channel:
        await trial.stage.trouble(Trouble.LOST_ANSWER)
        with trio.move_on_after(_CUT_SECONDS) as tried:
            error = await trial.failure(channel, trial.message("nobody answers this"))
            raise Failed("a try that waits for its answer", "one that is over" if error is None else describe(error))
        late = trio.current_time() - tried.deadline
        expect(late < ANSWER_SECONDS, "an end of a try when its time is over", f"one {late:g} s later")
        await trial.stage.calm()
        await trial.send(channel, trial.message("somebody answers again"))
        await trial.expect_arrived(["somebody answers again"])


@_cases(
    "AL-09",
    "Keeps its secrets",
    needs=("AL-05",),
    prerequisites="a secret among its settings; a stage that makes messages fail",
)
async def _keeps_secrets(trial: AlertTrial) -> None:
    """Neither what it raises when a message fails nor what it logs has a secret of its settings in it, in whichever
    encoding.
    """
    async with trial.channel() as channel:
        redact = Redactor.of(trial.trial.subject.secrets.values).text
        if not trial.trial.subject.secrets.values:
            not_offered("it has no secret")
        with _heard() as said:
            async with trial.failing():
                error = await trial.failure(channel, trial.message("nobody hears this"))
            while error is not None:
                said.append(repr(error))
                error = error.__cause__ if isinstance(error.__cause__, Exception) else None
        found = next((one for one in said if redact(one) != one), None)
        expect(found is None, "errors and log lines without a secret", found)


@contextmanager
def _heard() -> Iterator[list[str]]:
    """Give the lines that are logged inside, by structlog or the standard library."""
    said = list[str]()

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.getMessage())

    handler = Handler()
    logging.getLogger().addHandler(handler)
    try:
        with capture_logs() as lines:
            yield said
        events: Sequence[Any] = lines
        said += [str(one) for one in events]
    finally:
        logging.getLogger().removeHandler(handler)


KIND = Kind(spec=AlertChannelSpec, cases=tuple(_cases), trial=_alert_trial)
