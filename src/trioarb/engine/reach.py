"""How a campaign that runs can be told what to do."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import structlog
import trio

from trioarb.control.place import Place, Running
from trioarb.control.server import serve
from trioarb.engine.campaign import Campaign
from trioarb.engine.desk import Desk
from trioarb.errors import ControlError

__all__ = ["Reach", "accounts_of", "be_reached"]


@attrs.frozen(kw_only=True)
class Reach:
    """At which place it is, by the absolute path of its journal. ``table`` is what its configuration was made from."""

    place: Place
    journal: str
    table: Mapping[str, Any] = attrs.field(repr=False)

    @classmethod
    def of(cls, journal: Path, table: Mapping[str, Any], folder: Path) -> Reach:
        """Return how the campaign of a journal is reached, in the runtime folder."""
        return cls(place=Place.of(journal, folder), journal=os.path.realpath(journal), table=table)


async def be_reached(
    campaign: Campaign, reach: Reach, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    """Obey what comes to the campaign's control socket until cancelled; say ``started()`` once that is there.

    Where it can't be had, that is logged, and the campaign goes on: signals end it, too. Any other failure ends it.
    """
    status = _Once(task_status)
    running = Running(pid=os.getpid(), journal=reach.journal, accounts=accounts_of(campaign))
    try:
        await serve(reach.place, running, Desk(campaign, reach.table).obey, task_status=status)
    except ControlError as error:
        log = structlog.get_logger("trioarb.control")
        log.warning("the campaign can't be told anything; signals end it", because=str(error))
    except Exception as error:
        campaign.fail("the control socket", error)
    status.started()


def accounts_of(campaign: Campaign) -> tuple[str, ...]:
    """Return by which names a panic finds the campaign: its venues, the plugins behind them, and their accounts."""
    tables = [(name, venue.exchange) for name, venue in campaign.config.exchanges.items()]
    wrapped = [table.wraps for _, table in tables if table.wraps is not None]
    names = [*(name for name, _ in tables), *(table.plugin for _, table in tables), *(one.plugin for one in wrapped)]
    accounts = (exchange.account_id for exchange in campaign.world.exchanges.values())
    return tuple(dict.fromkeys(filter(None, (*names, *accounts))))


class _Once(trio.TaskStatus[None]):
    def __init__(self, status: trio.TaskStatus[None]) -> None:
        self._status = status
        self._is_started = False

    def started(self, value: None = None) -> None:
        if not self._is_started:
            self._is_started = True
            self._status.started()
