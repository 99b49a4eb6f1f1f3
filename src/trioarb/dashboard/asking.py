"""Ask campaigns that run how they stand, and tell them what to do, over their control sockets."""

from __future__ import annotations

from trioarb.control.client import ask
from trioarb.control.message import Answer, Request
from trioarb.control.place import Place
from trioarb.control.runtime import runtime_folder
from trioarb.dashboard.message import Action
from trioarb.dashboard.view import Viewed
from trioarb.errors import ControlError
from trioarb.model.command import Command

__all__ = ["ACTIONS", "ask_how", "tell"]

#: What can be told, by name.
ACTIONS = {
    command.value: command
    for command in (
        *(Command.PAUSE, Command.RESUME, Command.FLATTEN, Command.END),
        *(Command.BLACKLIST, Command.UNBLACKLIST, Command.SET),
    )
}
#: How long an answer may take: a campaign's thread may be busy, and nobody waits for it but who looks.
_LOOK_SECONDS, _ACT_SECONDS = 2.0, 10.0


async def ask_how(viewed: Viewed, at_ms: int) -> None:
    """Ask a campaign how it stands; whether it answers or not, it is noted."""
    if not viewed.follower.is_running:
        viewed.answer(None, at_ms)
        return
    try:
        answer = await ask(_place(viewed), Request(watch=True), seconds=_LOOK_SECONDS)
    except ControlError as error:
        viewed.answer(None, at_ms, str(error))
        return
    if answer is None:
        viewed.answer(None, at_ms, "it takes no questions, as in virtual time, or belongs to another user")
    else:
        viewed.answer(answer.watched, at_ms, "" if answer.watched is not None else answer.said)


async def tell(viewed: Viewed, action: Action) -> Answer:
    """Tell a campaign something, and return what it says.

    Raises:
        ControlError: there is no such action, it lacks something, or nobody is there to be told.
    """
    command = ACTIONS.get(action.action)
    if command is None:
        raise ControlError(f"there is no action {action.action!r}: {', '.join(ACTIONS)}")
    if command in (Command.BLACKLIST, Command.UNBLACKLIST) and not action.symbol:
        raise ControlError(f"{action.action} takes a symbol")
    if command is Command.SET and not action.setting:
        raise ControlError("set takes a setting: KEY=VALUE")
    why = f"dashboard: {action.why}" if action.why else "dashboard"
    try:
        request = Request(command=command, why=why, symbol=action.symbol, setting=action.setting, force=action.force)
    except ValueError as error:
        raise ControlError(str(error)) from None
    answer = await ask(_place(viewed), request, seconds=_ACT_SECONDS)
    if answer is None:
        raise ControlError("nobody is there to be told: the campaign doesn't run, or takes no commands")
    return answer


def _place(viewed: Viewed) -> Place:
    return Place.of(viewed.path, runtime_folder())
