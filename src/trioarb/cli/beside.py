"""The dashboard beside a campaign: another process, which the campaign starts and ends, and never waits for."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

import structlog
import trio

from trioarb.config.schema import ClockKind, Config, DashboardTable
from trioarb.errors import leaves

__all__ = ["with_dashboard"]

T = TypeVar("T")

#: One that ran for so long is started again, after a pause; one that didn't has something to say that stays so.
_LIVED_SECONDS, _PAUSE_SECONDS = 30.0, 5.0
#: How long it may take to end before it is killed.
_END_SECONDS = 2.0
_LONGEST_LINE = 2_000
#: What it needs of this process's environment. The rest stays here: venues' secrets may be in it, under any name.
_VARIABLES = frozenset(
    {"PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "VIRTUAL_ENV", "TRIOARB_DASHBOARD_TOKEN"}
)
_PREFIXES = ("LC_", "LD_", "XDG_", "PYTHON", "COVERAGE_")


async def with_dashboard(config: Config, journal: Path, work: Callable[[], Awaitable[T]]) -> T:
    """Do the work while the dashboard of a journal is served, if the configuration wants that and time is real.

    Whatever happens to it is logged, and nothing else. It ends with the work.
    """
    if not config.dashboard.enabled or config.session.clock is ClockKind.VIRTUAL:
        return await work()
    results, errors = list[T](), list[BaseException]()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_keep, config.dashboard, journal)
        try:
            results.append(await work())
        except Exception as error:
            errors += leaves(error)
        nursery.cancel_scope.cancel()
    if errors:
        raise errors[0]
    return results[0]


async def _keep(table: DashboardTable, journal: Path) -> None:
    """Start it, and again if it ends after it has run for a while."""
    log = structlog.get_logger("trioarb.dashboard")
    try:
        while True:
            began = trio.current_time()
            code = await _run([*_command(table, journal)], log)
            if trio.current_time() - began < _LIVED_SECONDS:
                log.warning("no dashboard; the campaign goes on without it", exit_code=code)
                return
            log.warning("the dashboard ended; it is started again", exit_code=code)
            await trio.sleep(_PAUSE_SECONDS)
    except OSError as error:
        log.warning("no dashboard; the campaign goes on without it", because=str(error))


def _command(table: DashboardTable, journal: Path) -> Iterator[str]:
    yield from (sys.executable, "-m", "trioarb", "dashboard", str(journal.absolute()), "--beside")
    yield from (f"--host={table.host}", f"--port={table.port}")
    for flag, path in (("token-file", table.token_file), ("certfile", table.certfile), ("keyfile", table.keyfile)):
        if path is not None:
            yield f"--{flag}={path.absolute()}"


def _environment(given: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in given.items() if name in _VARIABLES or name.startswith(_PREFIXES)}


async def _run(command: list[str], log: structlog.typing.FilteringBoundLogger) -> int:
    """Run it to its end, and log what it says; return its exit code. Cancelled, it is ended."""
    process = await trio.lowlevel.open_process(
        command,
        stdin=subprocess.PIPE,  # it ends when this is closed, however this process ends
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=_environment(os.environ),
        start_new_session=True,  # a Ctrl-C is for the campaign, which still has something to show then
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_tell, process.stdout, log.info)
            nursery.start_soon(_tell, process.stderr, log.warning)
            return await process.wait()
    finally:
        with trio.CancelScope(shield=True):
            await trio.aclose_forcefully(process.stdin)
            with trio.move_on_after(_END_SECONDS):
                await process.wait()
            if process.returncode is None:
                process.kill()
                await process.wait()
            for stream in (process.stdout, process.stderr):
                await trio.aclose_forcefully(stream)


async def _tell(stream: trio.abc.ReceiveStream, tell: Callable[[str], object]) -> None:
    """Log lines as they come."""
    rest = b""
    async for chunk in stream:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if text := line[:_LONGEST_LINE].decode("utf-8", "replace").strip():
                tell(text)
        rest = rest[-_LONGEST_LINE:]
