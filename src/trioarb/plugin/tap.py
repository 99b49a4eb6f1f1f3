"""What a plugin gives to a sink of ours: seen to come in Trio's thread, and while the plugin runs."""

from __future__ import annotations

from contextlib import suppress
from math import inf
from threading import get_ident
from typing import NoReturn

import trio

from trioarb.errors import PluginFault
from trioarb.plugin.call import Where

__all__ = ["StartedOnce", "Subscribed", "Tap"]


class Tap:
    """The sinks of one call of a plugin's.

    ``scope`` ends that call: it is cancelled at the first ``fault``, and has a deadline until the plugin has
    subscribed.
    """

    def __init__(self, where: Where, method: str) -> None:
        self.scope = trio.CancelScope(deadline=trio.current_time() + where.calls.seconds)
        self.fault: PluginFault | None = None
        self.has_ended = False
        self.thread = get_ident()
        self._where = where
        self._method = method
        self._token = trio.lowlevel.current_trio_token()

    def check_place(self, sink: str) -> None:
        """See that a sink is called in Trio's thread, and not after the end."""
        if get_ident() != self.thread:
            self.fail(f"called {sink} from another thread; use trio.from_thread.run_sync")
        if self.has_ended:
            self.fail(f"has ended, and {sink} was called after it")

    def fail(self, what: str) -> NoReturn:
        """End the call with a fault, which is raised here too."""
        fault = PluginFault(f"{self._where}: {self._method} {what}")
        if self.fault is None:
            self.fault = fault
            if self.has_ended:
                self._where.calls.beside.append(str(fault))
            elif get_ident() == self.thread:
                self.scope.cancel()
            else:
                with suppress(trio.RunFinishedError):
                    self._token.run_sync_soon(self.scope.cancel)
        raise fault


class Subscribed(trio.TaskStatus[None]):
    """Lets a plugin that has subscribed go on for as long as it likes."""

    def __init__(self, status: trio.TaskStatus[None], scope: trio.CancelScope) -> None:
        self._status = status
        self._scope = scope

    def started(self, value: None = None) -> None:
        self._scope.deadline = inf
        self._status.started()


class StartedOnce(trio.TaskStatus[None]):
    """Passes ``started`` on once: what connects again by itself may say it again."""

    def __init__(self, status: trio.TaskStatus[None]) -> None:
        self._status = status
        self._is_started = False

    def started(self, value: None = None) -> None:
        if not self._is_started:
            self._is_started = True
            self._status.started()
