"""The desktop as an alert channel: the terminal's bell, and a notification where `notify-send` is there."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import attrs
import trio

from trioarb.api import (
    AlertChannel,
    AlertChannelSpec,
    AlertContext,
    AlertMessage,
    ChannelError,
    Severity,
    hookimpl,
    setting,
)

__all__ = ["BellChannel", "BellSettings", "trioarb_alert_channels"]

_PROGRAM = "notify-send"
_URGENCY = {Severity.INFO: "low", Severity.WARNING: "normal", Severity.CRITICAL: "critical"}


@attrs.frozen(kw_only=True)
class BellSettings:
    bell: bool = setting(True, doc="ring the bell of the terminal on stderr, if that is one")
    notify: bool = setting(True, doc=f"show a notification by the program {_PROGRAM}, if it is installed")

    def __attrs_post_init__(self) -> None:
        if not self.bell and not self.notify:
            raise ValueError("bell or notify has to be true: nothing would happen")


class BellChannel(AlertChannel):
    def __init__(self, settings: BellSettings) -> None:
        self._settings = settings

    async def send(self, message: AlertMessage) -> None:
        """Ring, unless all is over; and notify.

        Raises:
            ChannelError: there is neither a terminal nor a desktop, or the program fails.
        """
        has_rung = self._settings.bell and sys.stderr.isatty()
        if has_rung and not message.is_over:
            sys.stderr.write("\a")
            sys.stderr.flush()
        program = shutil.which(_PROGRAM) if self._settings.notify else None
        if program is not None:
            command = [program, "--app-name=trioarb", f"--urgency={_URGENCY[message.severity]}", "--"]
            ran = await trio.run_process(
                [*command, _line(message.title), message.body],
                stdin=subprocess.DEVNULL,
                capture_stdout=True,
                capture_stderr=True,
                check=False,
            )
            if ran.returncode and not has_rung:
                raise ChannelError(f"{_PROGRAM} failed with exit code {ran.returncode}")
        elif not has_rung:
            raise ChannelError(f"there is neither a terminal nor the program {_PROGRAM}", again=False)


def _line(text: str) -> str:
    return text.replace("\n", " ")


def _warnings(settings: BellSettings) -> Iterable[str]:
    if settings.notify and shutil.which(_PROGRAM) is None:
        yield f"the program {_PROGRAM} is not installed: only the terminal's bell tells of alerts"


@asynccontextmanager
async def _open(settings: BellSettings, context: AlertContext) -> AsyncIterator[AlertChannel]:
    yield BellChannel(settings)


@hookimpl
def trioarb_alert_channels() -> list[AlertChannelSpec]:
    return [
        AlertChannelSpec(
            name="bell",
            doc="the terminal's bell, and a notification on the desktop",
            settings=BellSettings,
            open=_open,
            live=True,
            warnings=_warnings,
        )
    ]
