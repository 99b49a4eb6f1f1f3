"""The alert channel ``apprise``: one message to some addresses, in a thread, since Apprise waits."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from functools import partial
from typing import Any

import attrs
import trio

from trioarb.api import (
    AlertChannel,
    AlertChannelSpec,
    AlertContext,
    AlertMessage,
    ChannelError,
    Seconds,
    Severity,
    hookimpl,
    setting,
)

__all__ = ["AppriseChannel", "AppriseSettings", "trioarb_alert_channels"]

#: A thread that hangs keeps its place; with all taken, tries fail in their own time.
_THREADS = 3


@attrs.frozen(kw_only=True)
class AppriseSettings:
    urls: tuple[str, ...] = setting(
        doc="addresses as Apprise has them, such as tgram://TOKEN/CHAT or mailtos://user:password@host", secret=True
    )
    pace_seconds: Seconds = setting(
        Decimal(1),
        doc="least time between two messages to one address, where Apprise knows no limit of the service; what comes "
        "meanwhile goes together",
    )

    def __attrs_post_init__(self) -> None:
        if not self.urls:
            raise ValueError("urls is empty: nobody would be told")


class AppriseChannel(AlertChannel):
    def __init__(self, service: Any) -> None:
        self._service = service
        self._limiter = trio.CapacityLimiter(_THREADS)

    async def send(self, message: AlertMessage) -> None:
        """Send the message by all addresses.

        When cancelled, the thread is left behind: what it sends may still arrive.

        Raises:
            ChannelError: one of them failed. Apprise says why to its log only, which may hold secrets.
        """
        notify = partial(self._service.notify, title=message.title, body=message.body, notify_type=_kind(message))
        if not await trio.to_thread.run_sync(notify, abandon_on_cancel=True, limiter=self._limiter):
            raise ChannelError("Apprise could not deliver to every address")


def _kind(message: AlertMessage) -> Any:
    from apprise import NotifyType

    if message.is_over:
        return NotifyType.SUCCESS
    kinds = {Severity.CRITICAL: NotifyType.FAILURE, Severity.WARNING: NotifyType.WARNING}
    return kinds.get(message.severity, NotifyType.INFO)


@asynccontextmanager
async def _open(settings: AppriseSettings, context: AlertContext) -> AsyncIterator[AlertChannel]:
    from apprise import Apprise, NotifyBase

    # Its log is not ours: it names addresses.
    logging.getLogger("apprise").addHandler(logging.NullHandler())
    logging.getLogger("apprise").propagate = False
    service = Apprise()
    for number, url in enumerate(settings.urls):
        if not service.add(url):
            raise ChannelError(f"[channels.{context.name}]: urls[{number}] is no address that Apprise knows")
    for target in service:
        # Apprise's own pace for those of which it knows none is 5.5 s.
        if target.request_rate_per_sec == NotifyBase.request_rate_per_sec:
            target.request_rate_per_sec = float(settings.pace_seconds)
    yield AppriseChannel(service)


@hookimpl
def trioarb_alert_channels() -> list[AlertChannelSpec]:
    return [
        AlertChannelSpec(
            name="apprise",
            doc="Telegram, Slack, mail and whatever else Apprise has an address for",
            settings=AppriseSettings,
            open=_open,
            live=True,
            needs=("apprise",),
        )
    ]
