"""`trioarb dashboard`: show campaigns on a web page."""

from __future__ import annotations

import gc
import os
import signal
import ssl
import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import trio
from cyclopts import Parameter

from trioarb.cli.options import PluginFiles
from trioarb.config.plugin_files import plugins_named
from trioarb.config.schema import LogLevel
from trioarb.errors import ConfigError
from trioarb.plugin.extras import require
from trioarb.report.console import LastingConsole
from trioarb.report.log import configure_logging
from trioarb.report.visible import say
from trioarb.settings.problem import Problem
from trioarb.settings.redact import Redactor

__all__ = ["dashboard"]

_PORT = 8642
#: Beside a campaign, whose process comes first.
_NICE = 10
_COLLECTED = 100_000, 20, 20


def dashboard(
    *journals: Annotated[Path, Parameter(help="Journals, or folders of journals; absent: journals/.")],
    host: Annotated[
        str, Parameter(help="Address to listen at; others than loopback take a token and TLS.")
    ] = "127.0.0.1",
    port: Annotated[int, Parameter(help="0: any that is free.")] = _PORT,
    token_file: Annotated[Path | None, Parameter(help="Holds the token; made if it isn't there.")] = None,
    certfile: Annotated[Path | None, Parameter(help="The certificate, and those it depends on, in PEM.")] = None,
    keyfile: Annotated[Path | None, Parameter(help="The certificate's key, in PEM, without a password.")] = None,
    allow_host: Annotated[
        list[str] | None, Parameter(negative="", help="A name that the server may be called by, beside its own.")
    ] = None,
    plugin: PluginFiles = None,
    beside: Annotated[bool, Parameter(negative="", show=False)] = False,
) -> int:
    """Serve the page until Ctrl-C or SIGTERM; return 0."""
    places = journals if beside else _places(journals)
    require("starlette", "the dashboard")
    require("hypercorn", "the dashboard")
    from trioarb.dashboard.key import VARIABLE, token_of
    from trioarb.dashboard.server import Dashboard, require_guarded

    given, tls = os.environ.get(VARIABLE), _tls(certfile, keyfile)
    require_guarded(host, has_token=token_file is not None or given is not None, has_tls=tls is not None)
    configure_logging(LogLevel.WARNING, LastingConsole(stderr=True), None, Redactor())
    plugins, token = plugins_named(plugin), token_of(token_file, given)
    served = Dashboard.at(host, port, places=places, plugins=plugins, token=token, tls=tls, allowed=allow_host or ())
    say(f"dashboard: {served.address}")
    say(f"actions take the token in {token.source}" + (", which was made just now" if token.is_new else ""))
    sys.stdout.flush()
    if beside:
        os.nice(_NICE)
    gc.freeze()
    gc.set_threshold(*_COLLECTED)  # a million events make no garbage that is cyclic, and looking for it takes long

    async def main() -> None:
        until = trio.Event()
        async with trio.open_nursery() as nursery:
            await nursery.start(_end_at_signals, until)
            if beside:
                nursery.start_soon(_end_with_stdin, until)
            await served.run(until=until)
            nursery.cancel_scope.cancel()

    trio.run(main)
    return 0


async def _end_at_signals(until: trio.Event, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        task_status.started()
        async for _ in signals:
            until.set()


async def _end_with_stdin(until: trio.Event) -> None:
    """End with the process that holds the other end: however that ends, it doesn't hold it any more."""
    async with trio.lowlevel.FdStream(os.dup(sys.stdin.fileno())) as stream:
        with suppress(trio.BrokenResourceError):
            while await stream.receive_some(4_096):
                pass
    until.set()


def _places(journals: tuple[Path, ...]) -> tuple[Path, ...]:
    places = journals or (Path("journals"),)
    problems = [
        Problem(file=str(path), message="there is no such journal or folder", remedy="name the folder of journals")
        for path in places
        if not path.exists()
    ]
    if problems:
        raise ConfigError(problems)
    return places


def _tls(certfile: Path | None, keyfile: Path | None) -> ssl.SSLContext | None:
    if certfile is None and keyfile is None:
        return None
    if certfile is None or keyfile is None:
        missing = "--certfile" if certfile is None else "--keyfile"
        raise ConfigError([Problem(file=missing, message="is missing: TLS takes both --certfile and --keyfile")])
    from trioarb.dashboard.serving import tls_of

    return tls_of(certfile, keyfile)
