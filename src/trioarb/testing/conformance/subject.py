"""What is judged, and one try of it: a fresh plugin each time, opened as the engine does."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any, TypeVar

import attrs
import trio

from trioarb.api import CampaignTime, Listing
from trioarb.config.load import as_toml
from trioarb.config.schema import PluginTable
from trioarb.config.secrets import SecretReader
from trioarb.engine.opener import Opener
from trioarb.errors import ConfigError
from trioarb.plugin.call import Calls
from trioarb.plugin.registry import Plugins
from trioarb.plugin.spec import PluginSpec
from trioarb.settings.convert import structure
from trioarb.settings.problem import Problem
from trioarb.testing.conformance.case import Failed
from trioarb.testing.conformance.leaks import Footprint
from trioarb.time.virtual import VirtualClock

__all__ = ["ANSWER_SECONDS", "START_NS", "Subject", "Trial"]

StageT = TypeVar("StageT")

#: How long a plugin may take to open, to answer, and to close.
ANSWER_SECONDS = 10.0
#: Where virtual time starts: 2025-01-01 00:00 UTC.
START_NS = 1_735_689_600_000_000_000


@attrs.frozen(kw_only=True)
class Subject:
    """A plugin, and what it is tried on.

    Attributes:
        plugins: All plugins that there are, for those that wrap another.
        spec: Its spec.
        settings: Its settings, as a table of the configuration.
        listings: The symbols that it is asked about.
        stage: Opens what stands behind it, in a try's own loop; ``None``: nothing does.
        secrets: Reads what its settings refer to.
    """

    plugins: Plugins
    spec: PluginSpec[Any, Any]
    settings: Mapping[str, Any] = attrs.field(factory=dict, repr=False)
    listings: tuple[Listing, ...] = ()
    stage: Callable[[], AbstractAsyncContextManager[Any]] | None = None
    secrets: SecretReader = attrs.field(factory=lambda: SecretReader(environment={}, origin=lambda key: ""))

    @property
    def is_live(self) -> bool:
        """Whether it, or one that it wraps, talks to the outside, and so needs real time."""
        return any(spec.live for spec in self.specs())

    @property
    def is_real(self) -> bool:
        """Whether its orders cost money, or those of one that it wraps."""
        return any(getattr(spec, "real", False) for spec in self.specs())

    def specs(self) -> Iterator[PluginSpec[Any, Any]]:
        """Yield its spec, and those of what it wraps, from the outside in."""
        spec, settings = self.spec, self.settings
        yield spec
        while spec.wraps and isinstance(settings.get("wraps"), Mapping):
            settings = settings["wraps"]
            spec = self.plugins.get(type(spec), str(settings.get("plugin")), key="settings.wraps.plugin")
            yield spec

    def table(self, more: Mapping[str, Any]) -> PluginTable:
        """Return what it is opened with.

        Args:
            more: What a stage has to say, such as its address; goes before its own settings.

        Raises:
            ConfigError: With every setting that is wrong.
        """
        return self._table(self.spec, as_toml({**self.settings, **more}), self.spec.kind)

    def _table(self, spec: PluginSpec[Any, Any], table: dict[str, Any], key: str) -> PluginTable:
        wrapped = None
        if spec.wraps:
            inner = table.pop("wraps", None)
            if not isinstance(inner, dict):
                message = "missing; it names the plugin that is wrapped, and holds that one's settings"
                raise ConfigError([Problem(key=f"{key}.wraps", message=message, allowed='{ plugin = "…", … }')])
            name = str(inner.pop("plugin", ""))
            wrapped = self._table(self.plugins.get(type(spec), name, key=f"{key}.wraps.plugin"), inner, f"{key}.wraps")
        read, missing = self.secrets.read(table, spec.settings, key)
        if missing:
            raise ConfigError(missing)
        settings = structure(read, spec.settings, key=key)
        return PluginTable(plugin=spec.name, key=key, settings=settings, wraps=wrapped)


@attrs.define(eq=False, kw_only=True)
class Trial:
    """One try of a case, in a loop of its own.

    Attributes:
        subject: What is tried.
        time: The time that the plugin gets.
        clock: The loop's clock, if that is virtual.
        beside: What the plugin did wrong where nobody waited for it, as the border says it.
    """

    subject: Subject
    time: CampaignTime
    clock: VirtualClock | None = None
    beside: list[str] = attrs.field(factory=list)

    @asynccontextmanager
    async def open(self, context: Any, *, more: Mapping[str, Any] | None = None, venue: str = "") -> AsyncIterator[Any]:
        """Open the plugin with this try's time, and give what it opens behind the border.

        Args:
            context: The context of its kind.
            more: Settings that go before its own.
            venue: The name of its venue, if it belongs to one.

        Raises:
            TrioarbError: It doesn't open.
            Failed: It doesn't close, or leaves something behind.
        """
        before = Footprint.now()
        async with AsyncExitStack() as stack:
            opener = Opener(
                stack=stack,
                plugins=self.subject.plugins,
                calls=Calls(
                    ANSWER_SECONDS,
                    depth=getattr(context, "depth", 1),
                    beside=self.beside,
                    now_ns=self.time.now_ns,
                ),
                close_seconds=ANSWER_SECONDS,
            )
            context = attrs.evolve(context, time=self.time)
            opened = await opener.open(type(self.subject.spec), self.subject.table(more or {}), context, venue=venue)
            yield opened
        if opener.errors:
            raise Failed("a plugin that closes", "; ".join(opener.errors))
        await before.expect_again("once it is closed", patient=self.clock is None)

    @asynccontextmanager
    async def stage(self, without: StageT) -> AsyncIterator[StageT]:
        """Open the stage that was given, for as long as the try.

        Args:
            without: What there is where none was given.

        Yields:
            The stage.
        """
        if self.subject.stage is None:
            yield without
            return
        async with self.subject.stage() as stage:
            yield stage

    @contextmanager
    def in_time(self, method: str, got: str = "") -> Iterator[None]:
        """Let what is asked inside be answered within ten seconds.

        Args:
            method: What is asked, for the error.
            got: What there is instead of an answer; absent: that it hangs.

        Raises:
            Failed: It wasn't answered.
        """
        with trio.move_on_after(ANSWER_SECONDS) as scope:
            yield
        if scope.cancelled_caught:
            raise Failed(f"an answer of {method} within {ANSWER_SECONDS:g} s", got or f"none: {method} hangs")
