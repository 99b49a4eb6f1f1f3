"""Do what people tell a campaign, and record who wanted it and why."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs
import msgspec

from trioarb.config.change import change
from trioarb.control.message import Answer, Request
from trioarb.engine.campaign import Campaign
from trioarb.engine.retuning import can_retune, retune
from trioarb.engine.standing import standing_of
from trioarb.engine.watched import Watching
from trioarb.errors import ControlError
from trioarb.model.command import Command
from trioarb.model.event import Commanded
from trioarb.model.trade import EndedBy, ExitReason, Phase
from trioarb.settings.problem import did_you_mean

__all__ = ["PANIC_SECONDS", "Desk", "take_up_commands"]

#: Within so many seconds a panic has closed what it can; balances are compared and the journal is closed after that.
PANIC_SECONDS = 2.5
_PAUSED, _BLACKLISTED = "paused", "blacklisted"


@attrs.define(eq=False)
class Desk:
    """Obeys commands between two steps of the campaign, in its thread: what one changes holds when it is answered.

    ``table`` is what its configuration was made from; without it nothing can be set.
    """

    campaign: Campaign
    table: Mapping[str, Any] | None = attrs.field(default=None, repr=False)
    _watching: Watching = attrs.field(
        default=attrs.Factory(lambda desk: Watching(desk.campaign), takes_self=True), init=False, repr=False
    )

    async def obey(self, request: Request, who: str) -> Answer:
        """Do what a request says, and answer once it is in the journal.

        Raises:
            TrioarbError: it isn't done, and nothing has changed; says why.
        """
        campaign, command = self.campaign, request.command
        if request.watch:
            return Answer(said="", watched=await self._watching.now())
        if command is None:
            return Answer(said="", status=standing_of(campaign))
        ends = command in (Command.END, Command.PANIC)
        if campaign.phase is not Phase.RUNNING and not ends:
            stands = "has not begun yet; try again" if campaign.phase is Phase.STARTING else "is ending already"
            raise ControlError(f"nothing was done: the campaign {stands}")
        campaign.course.came("command", (msgspec.json.encode(request).decode(), who))
        said = self.do(request, who)
        await campaign.parts.journal.durable()
        if campaign.parts.journal.is_failing:
            said += "; but the journal can't be written, so a campaign that is resumed won't know"
        return Answer(said=said, status=standing_of(campaign))

    def do(self, request: Request, who: str) -> str:
        """Do what a command says; return what is to be said of it.

        Raises:
            TrioarbError: it isn't done, and nothing has changed.
        """
        assert request.command is not None
        return self._commands[request.command](request, who)

    @property
    def _commands(self) -> Mapping[Command, Callable[[Request, str], str]]:
        return {
            Command.PAUSE: self._pause,
            Command.RESUME: self._resume,
            Command.FLATTEN: self._flatten,
            Command.END: self._end,
            Command.BLACKLIST: self._blacklist,
            Command.UNBLACKLIST: self._unblacklist,
            Command.SET: self._set,
            Command.PANIC: self._panic,
        }

    def _record(self, request: Request, who: str) -> None:
        """Let a command hold from now on, and write it down."""
        assert request.command is not None
        commanded = Commanded(command=request.command, who=who, why=request.why, symbol=request.symbol)
        campaign = self.campaign
        if request.command in (Command.PAUSE, Command.FLATTEN, Command.PANIC):
            campaign.parts.guards.holds.hold(_PAUSED, _told(commanded))
        elif request.command is Command.BLACKLIST:
            campaign.parts.guards.holds.hold(_BLACKLISTED, _told(commanded), symbol=request.symbol)
        campaign.parts.journal.record(commanded)
        _leave(campaign)

    def _pause(self, request: Request, who: str) -> str:
        if (paused := self.campaign.state.control.paused) is not None:
            return f"it is paused already {_told(paused)}"
        self._record(request, who)
        return "paused: no entries; exits and hedges go on"

    def _resume(self, request: Request, who: str) -> str:
        campaign = self.campaign
        if campaign.state.control.paused is None:
            return "it isn't paused" + self._still_held()
        self._record(request, who)
        campaign.parts.guards.holds.release(_PAUSED)
        return "resumed" + self._still_held()

    def _still_held(self) -> str:
        held = [f"{one.rule} ({one.refusal.value})" for one in self.campaign.parts.guards.holds if one.symbol is None]
        return f"; entries are denied still by {', '.join(held)}" if held else ""

    def _flatten(self, request: Request, who: str) -> str:
        self._record(request, who)
        positions = len(self.campaign.state.trades.positions())
        return f"paused, and {positions} position{'s are' if positions != 1 else ' is'} being closed"

    def _end(self, request: Request, who: str) -> str:
        campaign = self.campaign
        if campaign.ended_by is not None:
            return f"it is ending already ({campaign.ended_by.value})"
        if campaign.has_begun:
            self._record(request, who)
        campaign.end(EndedBy.CONTROL)
        return "the campaign ends"

    def _panic(self, request: Request, who: str) -> str:
        """Close everything, in a hurry. Before it has begun there is nothing to be closed, nor a place to write it."""
        campaign = self.campaign
        if campaign.has_begun and campaign.phase is not Phase.CLOSED:
            self._record(request, who)
        campaign.panics = True
        campaign.end(EndedBy.PANIC)
        campaign.hurry(PANIC_SECONDS)
        return "everything is being closed, and the campaign ends"

    def _blacklist(self, request: Request, who: str) -> str:
        symbol = self._symbol(request)
        control = self.campaign.state.control
        if (listed := control.blacklisted.get(symbol)) is not None:
            return f"{symbol} is blacklisted already {_told(listed)}"
        self._record(request, who)
        held = len(self.campaign.state.trades.positions(symbol))
        closes = self.campaign.config.session.close_positions_at_end
        left = "is being closed" if closes else "is left to the strategy, since session.close_positions_at_end = false"
        return f"{symbol} takes no entries" + (f"; what it holds {left}" if held else "")

    def _unblacklist(self, request: Request, who: str) -> str:
        symbol = request.symbol or ""
        blacklisted = self.campaign.state.control.blacklisted
        if symbol not in blacklisted:
            raise ControlError(f"{symbol or 'no symbol'} is not blacklisted{did_you_mean(symbol, blacklisted)}")
        self._record(request, who)
        self.campaign.parts.guards.holds.release(_BLACKLISTED, symbol=symbol)
        return f"{symbol} takes entries again"

    def _set(self, request: Request, who: str) -> str:
        """Let another value hold from now on, if it is one that a file could have.

        Raises:
            ConfigError: it isn't, or its key is not read anew.
            ControlError: it loosens a limit, and nobody insists.
        """
        campaign = self.campaign
        if self.table is None:
            raise ControlError("nothing can be set: the campaign was begun without its table")
        found = change(campaign.config, self.table, campaign.world.opener.plugins, request.setting or "")
        if found is None:
            return f"{request.setting}: so it is already"
        if not can_retune(campaign, found):
            raise ControlError(f"{found.key}: its plugin takes no other settings while it runs; it has no retune")
        if found.loosens and not request.force:
            was = "nothing" if found.before is None else found.before
            raise ControlError(f"{found.key}: {found.after} instead of {was} loosens a limit; --force sets it anyway")
        commanded = Commanded(
            command=Command.SET,
            who=who,
            why=request.why,
            key=found.key,
            before=found.before,
            after=found.after,
            forced=found.loosens,
        )
        campaign.parts.journal.record(commanded)
        self.table = found.table
        retune(campaign, found)
        _leave(campaign)
        was = "" if found.before is None else f" (before: {found.before})"
        return "; ".join([f"{found.key} = {found.after}{was}", *found.warnings])

    def _symbol(self, request: Request) -> str:
        symbols = self.campaign.symbols
        if request.symbol not in symbols:
            wanted = request.symbol or ""
            raise ControlError(f"the campaign trades no symbol {wanted!r}{did_you_mean(wanted, symbols)}")
        return str(request.symbol)


def take_up_commands(campaign: Campaign) -> None:
    """Let everything hold again that a journal says people have told the campaign."""
    control, holds = campaign.state.control, campaign.parts.guards.holds
    if control.paused is not None:
        holds.hold(_PAUSED, _told(control.paused))
    for symbol, listed in control.blacklisted.items():
        holds.hold(_BLACKLISTED, _told(listed), symbol=symbol)
    _leave(campaign)


def _leave(campaign: Campaign) -> None:
    """Tell every symbol whether it closes what it holds."""
    control, closes = campaign.state.control, campaign.config.session.close_positions_at_end
    for symbol, task in campaign.symbols.items():
        if control.flattens:
            task.leave(ExitReason.FLATTENED)
        else:
            task.leave(ExitReason.BLACKLISTED if symbol in control.blacklisted and closes else None)


def _told(commanded: Commanded) -> str:
    return f"by {commanded.who}" + (f": {commanded.why}" if commanded.why else "")
