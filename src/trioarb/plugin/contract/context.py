"""What every plugin is opened with, whatever its kind."""

from __future__ import annotations

from typing import Any

import attrs
import structlog
from structlog.typing import FilteringBoundLogger

from trioarb.time.campaign_time import CampaignTime, RealTime

__all__ = ["PluginContext"]


def _log() -> FilteringBoundLogger:
    log: FilteringBoundLogger = structlog.get_logger("trioarb.plugin")
    return log


@attrs.frozen(kw_only=True)
class PluginContext:
    """What every plugin is opened with; each kind's own context has more.

    Attributes:
        time: The campaign's time: read it (`CampaignTime.now_ns`, Unix nanoseconds) and wait by it (`sleep`), never by
            the machine's clock. Before the campaign has chosen its symbols it isn't known when that begins: until then
            real time is the machine's, virtual time that of a campaign without recorded data, or where a resumed one
            was. An alert channel's is the machine's until its campaign begins, and never waits for anybody's turn.
        log: Where to say something, at the levels debug, info, warning and error: ``log.info("what", key=value)``. It
            goes where trioarb's own log goes, with the plugin's kind, its name and its table, and without secrets.
            Nothing of it is journaled, and nothing follows from it.
        settings: What ``open`` is given as settings: the same object.
        venue: The name of the venue, ``[exchanges.NAME]``; ``None`` for kinds that belong to none.
    """

    time: CampaignTime = attrs.field(factory=RealTime)
    log: FilteringBoundLogger = attrs.field(factory=_log)
    settings: Any = None
    venue: str | None = None
