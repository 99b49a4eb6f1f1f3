"""Follow the course of a run that is told again: what people wanted of it, by signals and commands."""

from __future__ import annotations

from contextlib import suppress
from functools import partial

import trio

from trioarb.control.message import decode_request
from trioarb.engine.campaign import Campaign
from trioarb.engine.desk import Desk
from trioarb.engine.signals import react_to
from trioarb.errors import TrioarbError

__all__ = ["follow_course"]


async def follow_course(campaign: Campaign) -> None:
    """Do what signals and commands did, as the course tells of them, until cancelled."""
    desk = Desk(campaign, campaign.course.table)

    def obey(told: tuple[str, str]) -> None:
        request, who = told
        with suppress(TrioarbError):  # whoever wanted it was told so
            desk.do(decode_request(request.encode()), who)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(campaign.course.coming, "signal", partial(react_to, campaign))
        nursery.start_soon(campaign.course.coming, "command", obey)
