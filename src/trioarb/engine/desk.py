"""Do what people tell a campaign, and record who wanted it and why."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import attrs

from trioarb.control.message import Answer, Request
from trioarb.engine.campaign import Campaign
from trioarb.engine.standing import standing_of
from trioarb.errors import ControlError
from trioarb.model.command import Command
from trioarb.model.event import Commanded
from trioarb.model.trade import EndedBy, ExitReason, Phase
from trioarb.settings.problem import did_you_mean

__all__ = ["PANIC_SECONDS", "Desk", "take_up_commands"]

#: Within so many seconds a panic has closed what it can; balances are compared and the journal is closed after that.
PANIC_SECONDS = 2.5
_PAUSED, _BLACKLISTED = "paused", "blacklisted"


@attrs.frozen(eq=False)
class Desk:
    """Obeys commands between two steps of the campaign, in its thread: what one changes holds when it is answered."""

    campaign: Campaign

    async def obey(self, request: Request, who: str) -> Answer:
        """Do what a request says, and answer once it is in the journal.

        Raises:
            TrioarbError: it isn't done, and nothing has changed; says why.
        """
        campaign, command = self.campaign, request.command
        if command is None:
            return Answer(said="", status=standing_of(campaign))
        ends = command in (Command.END, Command.PANIC)
        if campaign.phase is not Phase.RUNNING and not ends:
            stands = "has not begun yet; try again" if campaign.phase is Phase.STARTING else "is ending already"
            raise ControlError(f"nothing was done: the campaign {stands}")
        obey = self._commands.get(command)
        if obey is None:
            raise ControlError(f"this version knows no {command.value}")
        said = obey(request, who)
        await campaign.parts.journal.durable()
        if campaign.parts.journal.is_failing:
            said += "; but the journal can't be written, so a campaign that is resumed won't know"
        return Answer(said=said, status=standing_of(campaign))

    @property
    def _commands(self) -> Mapping[Command, Callable[[Request, str], str]]:
        return {
            Command.PAUSE: self._pause,
            Command.RESUME: self._resume,
            Command.FLATTEN: self._flatten,
            Command.END: self._end,
            Command.BLACKLIST: self._blacklist,
            Command.UNBLACKLIST: self._unblacklist,
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
