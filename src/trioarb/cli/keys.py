"""What keys of a view want of a campaign: they are commands, as `trioarb control` sends them."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable

import attrs
import structlog
import trio

from trioarb.control.message import Request
from trioarb.control.peer import name_of
from trioarb.engine.campaign import Campaign
from trioarb.engine.desk import Desk
from trioarb.errors import TrioarbError, describe
from trioarb.model.command import Command
from trioarb.report.live_look import Act

__all__ = ["KeyHand", "is_in_foreground", "keyboard"]

#: So many wishes may wait; who presses faster is not heard.
_MOST_WAITING = 8


@attrs.define(eq=False)
class KeyHand:
    """Tells a campaign what keys want, over its desk, and ``say``s what comes of it.

    ``explain`` says why there is no trade.
    Where it ``is_reachable``; in virtual time, and where a recorded run is gone through again, the only wish is the
    end, by the signal that Ctrl-C sends.
    """

    say: Callable[[str], None]
    is_reachable: bool
    explain: Callable[[], None] = lambda: None
    _send: trio.MemorySendChannel[Act] = attrs.field(init=False)
    _receive: trio.MemoryReceiveChannel[Act] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._send, self._receive = trio.open_memory_channel(_MOST_WAITING)

    @property
    def acts(self) -> frozenset[Act]:
        return frozenset(Act) if self.is_reachable else frozenset({Act.END, Act.WHY})

    def want(self, act: Act) -> None:
        """Take a wish. Called in Trio's thread."""
        if act is Act.WHY:
            self.explain()
            return
        if not self.is_reachable:
            os.kill(os.getpid(), signal.SIGINT)
            return
        try:
            self._send.send_nowait(act)
        except trio.WouldBlock:
            self.say("the campaign is busy with what was asked before")

    async def run(self, campaign: Campaign) -> None:
        """Tell the campaign what is wanted, one after the other, until cancelled. No failure is the campaign's."""
        desk, who = Desk(campaign), name_of(os.getuid())
        async for act in self._receive:
            command, key = _command(act, campaign)
            try:
                answer = await desk.obey(Request(command=command, why=f"key {key} of the terminal view"), who)
                self.say(answer.said)
            except TrioarbError as error:
                self.say(str(error))
            except Exception as error:
                structlog.get_logger("trioarb.control").error("what a key wanted failed", exc_info=error)
                self.say(f"it failed: {describe(error)}")


def _command(act: Act, campaign: Campaign) -> tuple[Command, str]:
    match act:
        case Act.END:
            return Command.END, "q"
        case Act.KILL:
            return Command.PANIC, "k"
        case _:
            is_paused = campaign.state.control.paused is not None
            return Command.RESUME if is_paused else Command.PAUSE, "p"


def keyboard() -> int | None:
    """Return the descriptor that keys are read from; ``None``: stdin is no terminal, or not ours now."""
    try:
        descriptor = sys.stdin.fileno()
        is_ours = os.isatty(descriptor) and is_in_foreground(descriptor)
    except (AttributeError, OSError, ValueError):  # it is closed, or none
        return None
    return descriptor if is_ours else None


def is_in_foreground(descriptor: int) -> bool:
    """Whether a terminal is ours to use: a job in the background must leave it alone."""
    try:
        return os.tcgetpgrp(descriptor) == os.getpgrp()
    except OSError:  # it isn't the terminal of this session: nobody else's either
        return True
