"""The log as an alert channel: it is always there, also in virtual time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from trioarb.api import (
    AlertChannel,
    AlertChannelSpec,
    AlertContext,
    AlertMessage,
    NoSettings,
    Severity,
    hookimpl,
)

__all__ = ["LogChannel", "trioarb_alert_channels"]

_LEVELS = {Severity.INFO: "info", Severity.WARNING: "warning", Severity.CRITICAL: "error"}


class LogChannel(AlertChannel):
    async def send(self, message: AlertMessage) -> None:
        log = structlog.get_logger("trioarb.alerts")
        for alert in message.alerts:
            level = "info" if alert.is_over else _LEVELS[alert.severity]
            getattr(log, level)(f"alert: {alert.line}", rule=alert.rule, severity=alert.severity.value)


@asynccontextmanager
async def _open(settings: NoSettings, context: AlertContext) -> AsyncIterator[AlertChannel]:
    yield LogChannel()


@hookimpl
def trioarb_alert_channels() -> list[AlertChannelSpec]:
    return [AlertChannelSpec(name="log", doc="the campaign's own log, on the console and in its file", open=_open)]
