"""`trioarb panic`: close everything and end all campaigns of this user on this machine, within seconds."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import attrs
import msgspec
import trio
from cyclopts import Parameter

from trioarb.cli.carried import earlier_state
from trioarb.cli.output import print_json
from trioarb.control.client import ask
from trioarb.control.message import Request, Status
from trioarb.control.place import Place, Running, running_in
from trioarb.control.runtime import runtime_folder
from trioarb.engine.standing import positions_of
from trioarb.errors import ConfigError, ControlError, JournalError
from trioarb.model.command import Command
from trioarb.model.number import text
from trioarb.report.plain import present
from trioarb.report.visible import say
from trioarb.settings.problem import Problem, nearest

__all__ = ["panic"]

_SECONDS = 5.0
#: Who hasn't answered by then has its thread held by a plugin, or is busy with its beginning.
_ANSWER_SECONDS = 1.0
_LOOK_SECONDS = 0.1
#: The first signal ends it, the second hurries, and the third lets its watchdog leave if its thread is held.
_SIGNALS, _BETWEEN_SECONDS = 3, 0.3
#: How long what is sent after the deadline may take before this command leaves.
_LAST_SECONDS = 1.0
_SOMETHING_LEFT = 3


def panic(
    *,
    account: Annotated[
        str | None,
        Parameter(help="Only campaigns that trade at this venue, by this plugin, or with this account; else all."),
    ] = None,
    all_: Annotated[bool, Parameter(name="--all", negative="", help="All of them; so it is without it.")] = False,
    why: Annotated[str, Parameter(help="Recorded beside who it was.")] = "",
    as_json: Annotated[bool, Parameter(name="--json", negative="", help="The outcome for another program.")] = False,
) -> int:
    """End them; return 0, or 3 if something is left open or has not ended in time."""
    try:
        request = Request(command=Command.PANIC, why=why)
    except ValueError as error:
        raise ConfigError([Problem(file="panic", message=str(error))]) from None
    if account is not None and all_:
        raise ConfigError([Problem(file="panic", message="--account and --all contradict each other; leave one out")])
    found = running_in(runtime_folder())
    endings = [_Ending(place, running) for place, running in found if account in (None, *running.accounts)]
    if account is not None and found and not endings:
        names = sorted({name for _, running in found for name in running.accounts})
        raise ConfigError(
            [
                Problem(
                    file="--account",
                    message="no campaign that runs trades with it",
                    value=account,
                    allowed=", ".join(names),
                    suggestion=nearest(account, names),
                )
            ]
        )
    trio.run(_end_all, endings, request)
    for one in endings:
        one.settle()
    if as_json:
        print_json([one.row for one in endings])
    elif not endings:
        say("No campaign of this user runs on this machine.")
    else:
        for one in endings:
            for line in one.lines():
                say(line)
    return _SOMETHING_LEFT if any(one.is_bad for one in endings) else 0


@attrs.define(eq=False)
class _Ending:
    """One campaign's way to its end. ``status`` is the last one that it told, and then what its journal came to."""

    place: Place
    running: Running
    status: Status | None = None
    silent: str = ""
    has_ended: bool = False

    @property
    def is_bad(self) -> bool:
        return not self.has_ended or bool(self._left) or bool(self.silent)

    @property
    def _left(self) -> list[str]:
        if self.status is None:
            return []
        left = [
            f"{one.symbol} {text(one.quantity)}, long at {one.long_at} and short at {one.short_at}"
            for one in self.status.positions
        ]
        if self.status.residuals:
            left.append(f"{self.status.residuals} residuals")
        if self.status.open_orders:
            left.append(f"{self.status.open_orders} orders without a last word")
        return left

    @property
    def row(self) -> dict[str, Any]:
        status = None if self.status is None else msgspec.to_builtins(self.status)
        return present(
            {
                "journal": self.running.journal,
                "pid": self.running.pid,
                "ended": self.has_ended,
                "silent": self.silent or None,
                "status": status,
            }
        )

    def lines(self) -> Iterator[str]:
        journal = Path(self.running.journal)
        if not self.has_ended:
            pid, after = self.running.pid, f"after {_SECONDS:g} s"
            yield f"{journal}: NOT ended {after}; process {pid} was sent SIGTERM, and kill -9 {pid} would end it"
        elif self.silent:
            yield f"{journal}: ended by signals, since {self.silent}"
        else:
            yield f"{journal}: ended" + ("" if self._left else "; nothing is open")
        for one in self._left:
            yield f"  open: {one}"
        if self.is_bad:
            yield f"  `trioarb resume {journal} --close-only` closes what is left"

    async def end(self, request: Request) -> None:
        """Tell the campaign, and wait until its journal is closed; one that doesn't answer gets signals."""
        try:
            answer = await ask(self.place, request, seconds=_ANSWER_SECONDS)
        except ControlError as error:
            self.silent = str(error)
        else:
            if answer is None:
                self.silent = "nobody answered at its socket"
            else:
                self.status = answer.status
        if self.silent:
            await self.signal(_SIGNALS)
        while not self.look():
            await trio.sleep(_LOOK_SECONDS)
            if not self.silent:
                with suppress(ControlError):
                    answer = await ask(self.place, Request(), seconds=_ANSWER_SECONDS)
                    self.status = self.status if answer is None else answer.status

    def settle(self) -> None:
        """Take what is left from its journal: after the last that it told, it may have closed more, or less."""
        if not self.has_ended or self.status is None:
            return
        with suppress(JournalError):  # it had not begun, or it can't be read: then what it told is the best there is
            state = earlier_state(Path(self.running.journal))
            self.status = msgspec.structs.replace(
                self.status,
                positions=positions_of(state),
                residuals=len(state.trades.residuals),
                pairs_in_flight=len(state.trades.pairs),
                open_orders=len(state.trades.orders),
                pnl_usd=state.statistics.pnl_usd,
            )

    def look(self) -> bool:
        """Return whether its process has let go of its place, as it does once its journal is closed."""
        now = self.place.running()
        self.has_ended = now is None or now.pid != self.running.pid
        return self.has_ended

    async def signal(self, times: int) -> None:
        for number in range(times):
            if number:
                await trio.sleep(_BETWEEN_SECONDS)
            if self.look():
                return
            with suppress(ProcessLookupError, PermissionError):
                os.kill(self.running.pid, signal.SIGTERM)


async def _end_all(endings: Sequence[_Ending], request: Request) -> None:
    with trio.move_on_after(_SECONDS):
        async with trio.open_nursery() as nursery:
            for one in endings:
                nursery.start_soon(one.end, request)
    with trio.move_on_after(_LAST_SECONDS):
        async with trio.open_nursery() as nursery:
            for one in endings:
                if not one.look():
                    nursery.start_soon(one.signal, _SIGNALS)
