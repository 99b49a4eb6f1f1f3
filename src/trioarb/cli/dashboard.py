"""`trioarb dashboard`: show campaigns on a web page."""

from __future__ import annotations

import os
import signal
import ssl
from pathlib import Path
from typing import Annotated

import trio
from cyclopts import Parameter

from trioarb.config.schema import LogLevel
from trioarb.errors import ConfigError
from trioarb.plugin.extras import require
from trioarb.plugin.registry import load_plugins
from trioarb.report.console import LastingConsole
from trioarb.report.log import configure_logging
from trioarb.report.visible import say
from trioarb.settings.problem import Problem
from trioarb.settings.redact import Redactor

__all__ = ["dashboard"]

_PORT = 8642


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
) -> int:
    """Serve the page until Ctrl-C or SIGTERM; return 0."""
    places = _places(journals)
    require("starlette", "the dashboard")
    require("hypercorn", "the dashboard")
    from trioarb.dashboard.fleet import Campaigns
    from trioarb.dashboard.gate import Gate, hosts_of, is_loopback
    from trioarb.dashboard.key import VARIABLE, token_of
    from trioarb.dashboard.serving import listen, serve, tls_of
    from trioarb.dashboard.site import site_of

    given = os.environ.get(VARIABLE)
    tls = _tls(certfile, keyfile, tls_of)
    is_local = is_loopback(host)
    if not is_local and (tls is None or (token_file is None and given is None)):
        raise ConfigError(
            [
                Problem(
                    file="--host",
                    message="others can reach this address, so it takes a token and TLS",
                    value=host,
                    remedy=f"give --token-file FILE (made if absent) or set {VARIABLE}, and give --certfile and "
                    "--keyfile; or leave --host out and come through ssh -L",
                )
            ]
        )
    configure_logging(LogLevel.WARNING, LastingConsole(stderr=True), None, Redactor())
    token = token_of(token_file, given)
    listening = listen(host, port)
    scheme = "http" if tls is None else "https"
    at = listening.getsockname()[1]
    shown_host = f"[{host}]" if ":" in host else host
    say(f"dashboard: {scheme}://{shown_host}:{at}/")
    say(f"token for actions: in {token.source}" + (" (just made)" if token.is_new else ""))
    campaigns = Campaigns(places, load_plugins())
    gate = Gate(
        site=site_of(campaigns, reads_need_token=not is_local),
        token=token,
        hosts=hosts_of(host, allow_host or ()),
        reads_need_token=not is_local,
        scheme=scheme,
    )

    async def main() -> None:
        until = trio.Event()
        async with trio.open_nursery() as nursery:
            await nursery.start(campaigns.run)
            nursery.start_soon(_end_at_signals, campaigns.close, until)
            await serve(gate, listening, tls, until=until)
            nursery.cancel_scope.cancel()

    trio.run(main)
    return 0


async def _end_at_signals(close: object, until: trio.Event) -> None:
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for _ in signals:
            assert callable(close)
            close()
            until.set()
            return


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


def _tls(certfile: Path | None, keyfile: Path | None, tls_of: object) -> ssl.SSLContext | None:
    if certfile is None and keyfile is None:
        return None
    if certfile is None or keyfile is None:
        missing = "--certfile" if certfile is None else "--keyfile"
        raise ConfigError([Problem(file=missing, message="is missing: TLS takes both --certfile and --keyfile")])
    assert callable(tls_of)
    found = tls_of(certfile, keyfile)
    assert isinstance(found, ssl.SSLContext)
    return found
