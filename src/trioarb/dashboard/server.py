"""The dashboard as a whole: what is shown, at which address, to whom; from its first listening to its last answer."""

from __future__ import annotations

import ipaddress
import socket
import ssl
from collections.abc import Sequence
from pathlib import Path

import attrs
import trio

from trioarb.dashboard.fleet import Campaigns
from trioarb.dashboard.gate import Gate, hosts_of, is_loopback
from trioarb.dashboard.key import VARIABLE, Token
from trioarb.dashboard.serving import listen, serve
from trioarb.dashboard.site import site_of
from trioarb.errors import ConfigError
from trioarb.plugin.registry import Plugins
from trioarb.settings.problem import Problem

__all__ = ["Dashboard", "require_guarded"]


def require_guarded(host: str, *, has_token: bool, has_tls: bool) -> None:
    """See that others reach the server with a token and by TLS only.

    Raises:
        ConfigError: they could without; says what to do.
    """
    if is_loopback(host) or (has_token and has_tls):
        return
    missing = [
        *([] if has_token else [f"--token-file FILE (made if it isn't there), or {VARIABLE}"]),
        *([] if has_tls else ["--certfile and --keyfile"]),
    ]
    problem = Problem(
        file="--host",
        message="others can reach this address, so it takes a token and TLS",
        value=host,
        remedy=f"give {', and '.join(missing)}; or leave --host out and come through ssh -L",
    )
    raise ConfigError([problem])


@attrs.define
class Dashboard:
    """A dashboard that listens already, at ``address``."""

    campaigns: Campaigns
    _gate: Gate
    _listening: socket.socket
    _tls: ssl.SSLContext | None
    address: str

    @classmethod
    def at(
        cls,
        host: str,
        port: int,
        *,
        places: Sequence[Path],
        plugins: Plugins,
        token: Token,
        tls: ssl.SSLContext | None = None,
        allowed: Sequence[str] = (),
    ) -> Dashboard:
        """Listen at an address; port 0 is any that is free. ``allowed``: names that it may be called by, too.

        Raises:
            DashboardError: the address can't be had.
        """
        campaigns = Campaigns(places, plugins)
        listening = listen(host, port)
        scheme, guarded = "http" if tls is None else "https", not is_loopback(host)
        gate = Gate(
            site=site_of(campaigns, reads_need_token=guarded),
            token=token,
            hosts=hosts_of(host, allowed),
            reads_need_token=guarded,
            scheme=scheme,
        )
        return cls(campaigns, gate, listening, tls, f"{scheme}://{_shown(host)}:{listening.getsockname()[1]}/")

    async def run(self, *, until: trio.Event, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until an event is set: then event streams end, and what is being answered, for a second at most."""
        async with trio.open_nursery() as nursery:
            await nursery.start(self.campaigns.run)
            nursery.start_soon(self._close_streams, until)
            await serve(self._gate, self._listening, self._tls, until=until, task_status=task_status)
            nursery.cancel_scope.cancel()

    async def _close_streams(self, until: trio.Event) -> None:
        await until.wait()
        self.campaigns.close()


def _shown(host: str) -> str:
    try:
        return f"[{host}]" if ipaddress.ip_address(host).version == 6 else host
    except ValueError:
        return host
