"""`trioarb control`: ask a campaign that runs how it stands, or tell it what to do."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import msgspec
import trio
from cyclopts import Parameter

from trioarb.cli.output import print_json
from trioarb.control.client import ask
from trioarb.control.message import Answer, Request, Status
from trioarb.control.place import Place
from trioarb.control.runtime import runtime_folder
from trioarb.errors import ConfigError, ControlError
from trioarb.journal.log import is_in_use, kind_of
from trioarb.journal.recorded import KIND
from trioarb.model.command import Command
from trioarb.model.number import text
from trioarb.report.figures import signed_usd
from trioarb.report.timeline import utc
from trioarb.report.visible import say
from trioarb.settings.problem import Problem, nearest

__all__ = ["control"]

_STATUS = "status"
_OF_SYMBOL = (Command.BLACKLIST, Command.UNBLACKLIST)
#: What `trioarb panic` tells, whose deadlines are another matter.
_WORDS = (_STATUS, *(command.value for command in Command if command is not Command.PANIC))
#: How long a campaign may take to answer: what it does takes less than a round of its loop.
_SECONDS = 10.0


def control(
    journal: Annotated[Path, Parameter(help="The journal of the campaign.")],
    command: Annotated[str, Parameter(help=", ".join(_WORDS))] = _STATUS,
    argument: Annotated[
        str | None, Parameter(name="ARGUMENT", help="The symbol of a blacklist; KEY=VALUE of set.")
    ] = None,
    /,
    *,
    why: Annotated[str, Parameter(help="Recorded beside who it was.")] = "",
    force: Annotated[bool, Parameter(negative="", help="With set: also loosen a limit.")] = False,
    as_json: Annotated[bool, Parameter(name="--json", negative="", help="The answer for another program.")] = False,
) -> int:
    """Tell a campaign something; return 0 if it was done."""
    command = command.lower()
    request = _request(command, argument, why=why, force=force)
    place = Place.of(journal, runtime_folder())
    answer = trio.run(_ask, place, request)
    if answer is None:
        raise ControlError(_why_nobody(journal))
    if as_json:
        print_json(msgspec.to_builtins(answer, str_keys=True, builtin_types=()))
    elif answer.exit_code:
        raise _Refused(answer)
    elif command == _STATUS and answer.status is not None:
        for line in _lines(answer.status):
            say(line)
    else:
        say(answer.said)
    return answer.exit_code


class _Refused(ControlError):
    """What the campaign said, with its own exit code."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.said)
        self.exit_code = answer.exit_code  # type: ignore[misc]  # of this refusal alone


async def _ask(place: Place, request: Request) -> Answer | None:
    return await ask(place, request, seconds=_SECONDS)


def _request(word: str, argument: str | None, *, why: str, force: bool) -> Request:
    """Return what is to be sent.

    Raises:
        ConfigError: there is no such command, or its argument is missing or one too many.
    """
    command = None if word == _STATUS else next((one for one in Command if one.value == word), Command.PANIC)
    problem = ""
    if command is Command.PANIC:
        allowed, suggestion = ", ".join(_WORDS), nearest(word, _WORDS)
        message = "ends all campaigns; it has a command of its own: trioarb panic" if word == "panic" else "no command"
        raise ConfigError(
            [Problem(file="control", message=message, value=word, allowed=allowed, suggestion=suggestion)]
        )
    if command in _OF_SYMBOL and not argument:
        problem = f"which symbol? trioarb control JOURNAL {word} SYMBOL"
    elif command is Command.SET and not argument:
        problem = "what? trioarb control JOURNAL set KEY=VALUE"
    elif command not in (*_OF_SYMBOL, Command.SET) and argument is not None:
        problem = f"{word} takes no argument, and was given {argument!r}"
    if problem:
        raise ConfigError([Problem(file="control", message=problem)])
    symbol, setting = (argument, None) if command in _OF_SYMBOL else (None, argument)
    try:
        return Request(command=command, why=why, symbol=symbol, setting=setting, force=force)
    except ValueError as error:
        raise ConfigError([Problem(file="control", message=str(error))]) from None


def _why_nobody(journal: Path) -> str:
    """Return why nobody answers at the place of a journal, and what to do about it."""
    if not journal.exists():
        return f"{journal}: there is no such journal; name the one that the campaign printed when it began"
    if kind_of(journal) != KIND:
        return f"{journal} is no journal of a campaign"
    if is_in_use(journal):
        return (
            f"{journal}: its campaign runs, and takes no commands: in virtual time none can, and a socket is found by "
            f"its own user only, with the same XDG_RUNTIME_DIR ({os.environ.get('XDG_RUNTIME_DIR', 'unset')} here); "
            "a signal ends it"
        )
    return f"{journal}: no campaign runs with it now; `trioarb resume {journal}` goes on with it"


def _lines(status: Status) -> Iterator[str]:
    ending = f" (ended by {status.ended_by})" if status.ended_by else ""
    yield f"campaign {status.campaign_id}: {status.phase}{ending}, PnL {signed_usd(status.pnl_usd).plain} USD"
    if status.flattening:
        yield "everything is being closed; nothing is entered until `resume`"
    elif status.paused:
        yield "paused; exits and hedges go on"
    for one in status.denials:
        concerned = " ".join(filter(None, (one.venue and f"at {one.venue}", one.symbol and f"of {one.symbol}")))
        yield f"entries {f'{concerned} ' if concerned else ''}are denied: {one.rule}, {one.reason}"
    if not status.denials:
        yield "entries are allowed"
    yield (
        f"{len(status.positions)} positions, {status.residuals} residuals, {status.pairs_in_flight} pairs in flight, "
        f"{status.open_orders} open orders"
    )
    for held in status.positions:
        marked = "" if held.unrealised_usd is None else f", {signed_usd(held.unrealised_usd).plain} USD if closed now"
        yield (
            f"  {held.trade_id} {held.symbol} {text(held.quantity)}: long at {held.long_at}, short at {held.short_at}, "
            f"since {utc(held.opened_ns)[:19]}{marked}"
        )
    if status.blacklisted:
        yield f"blacklisted: {', '.join(status.blacklisted)}"
    for key, value in status.settings.items():
        yield f"set: {key} = {value}"
