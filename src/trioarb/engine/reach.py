"""How a campaign that runs can be told what to do."""

from __future__ import annotations

import os
from pathlib import Path

import attrs
import structlog
import trio

from trioarb.config.schema import Config
from trioarb.control.place import Place, Running
from trioarb.control.server import serve
from trioarb.engine.campaign import Campaign
from trioarb.engine.desk import Desk
from trioarb.errors import ControlError

__all__ = ["Reach", "accounts_of", "be_reached"]


@attrs.frozen(kw_only=True)
class Reach:
    """At which place, and as what its process is known there."""

    place: Place
    running: Running

    @classmethod
    def of(cls, journal: Path, config: Config, folder: Path) -> Reach:
        """Return how the campaign of a journal is reached, in the runtime folder."""
        running = Running(pid=os.getpid(), journal=os.path.realpath(journal), accounts=accounts_of(config))
        return cls(place=Place.of(journal, folder), running=running)


async def be_reached(
    campaign: Campaign, reach: Reach, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    """Obey what comes to the campaign's control socket until cancelled; say ``started()`` once that is there.

    Where it can't be had, that is logged, and the campaign goes on: signals end it, too. Any other failure ends it.
    """
    status = _Once(task_status)
    try:
        await serve(reach.place, reach.running, Desk(campaign).obey, task_status=status)
    except ControlError as error:
        log = structlog.get_logger("trioarb.control")
        log.warning("the campaign can't be told anything; signals end it", because=str(error))
    except Exception as error:
        campaign.fail("the control socket", error)
    status.started()


def accounts_of(config: Config) -> tuple[str, ...]:
    """Return by which names a panic finds the campaign: those of its venues, and of the plugins behind them."""
    tables = [(name, venue.exchange) for name, venue in config.exchanges.items()]
    wrapped = [table.wraps for _, table in tables if table.wraps is not None]
    names = [*(name for name, _ in tables), *(table.plugin for _, table in tables), *(one.plugin for one in wrapped)]
    return tuple(dict.fromkeys(names))


class _Once(trio.TaskStatus[None]):
    def __init__(self, status: trio.TaskStatus[None]) -> None:
        self._status = status
        self._is_started = False

    def started(self, value: None = None) -> None:
        if not self._is_started:
            self._is_started = True
            self._status.started()
