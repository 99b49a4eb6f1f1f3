"""Frames of the terminal view as text."""

from __future__ import annotations

from collections.abc import Sequence

from trioarb.engine.campaign import Campaign
from trioarb.engine.snapshot import snapshot_of
from trioarb.report.live_frame import frame
from trioarb.report.live_look import Look
from trioarb.report.live_panels import Panels
from trioarb.report.live_past import Past

__all__ = ["drawn", "panels_of"]


def panels_of(
    campaign: Campaign,
    *,
    look: Look | None = None,
    log: Sequence[tuple[str, str]] = (),
    past: Past | None = None,
    notice: str = "",
    held_seconds: float = 0,
) -> Panels:
    """Return what is drawn of a campaign as it is now."""
    return Panels(
        config=campaign.config,
        snapshot=snapshot_of(campaign),
        look=Look() if look is None else look,
        past=Past() if past is None else past,
        log=log,
        notice=notice,
        held_seconds=held_seconds,
    )


def drawn(
    campaign: Campaign, width: int, height: int, *, look: Look | None = None, log: Sequence[tuple[str, str]] = ()
) -> list[str]:
    """Return the lines of a frame."""
    return [line.plain for line in frame(panels_of(campaign, look=look, log=log), width, height)]
