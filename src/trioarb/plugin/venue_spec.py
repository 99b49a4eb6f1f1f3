"""One spec for all that a venue is: a session, and the source, the market data and the exchange that share it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, ClassVar

import attrs

from trioarb.plugin.contract import (
    Exchange,
    ExchangeContext,
    MarketContext,
    MarketData,
    SourceContext,
    SymbolSource,
    VenueContext,
)
from trioarb.plugin.spec import ExchangeSpec, MarketDataSpec, PluginSpec, SymbolSourceSpec

__all__ = ["VenueSpec"]

PartContext = SourceContext | MarketContext | ExchangeContext


@attrs.frozen(kw_only=True)
class VenueSpec(PluginSpec[VenueContext, Any]):
    """A venue: ``open(settings, context)`` is an async context manager that gives its session, any object of yours.

    ``source``, ``market`` and ``exchange`` are called with the session and the context of their kind, and return the
    working object, or an async context manager that gives it, where there is something to wait for or to close. Each
    may be absent. They are known by the venue's name wherever a plugin of their kind is named.

    The session is opened once for a table ``[exchanges.NAME]``, before its market data, and closed after its exchange.
    What connects again after it was cut does so by itself. A table ``market`` that says something else than the venue's
    own has a session of its own, as has a source of symbols that no venue's settings fit.

    Attributes:
        settings: What the session, the source and the market data go by.
        account: A class derived from ``settings``, with what the exchange needs besides, such as keys: the session has
            an instance of it only where the exchange is opened as well. So on paper no session of a real venue knows a
            key.
        source: ``source(session, context)``, the context a `SourceContext`.
        market: ``market(session, context)``, the context a `MarketContext`.
        exchange: ``exchange(session, context)``, the context an `ExchangeContext`.
        real: Orders cost money, as in `ExchangeSpec`.

    Raises:
        ValueError: Neither source, market nor exchange; ``account`` without an exchange, or not derived from
            ``settings``; ``real``, but not ``live``.
    """

    kind = "venue"
    opens: ClassVar[tuple[type, ...]] = (object,)

    account: type[Any] | None = None
    source: Callable[[Any, SourceContext], SymbolSource | AbstractAsyncContextManager[SymbolSource]] | None = None
    market: Callable[[Any, MarketContext], MarketData | AbstractAsyncContextManager[MarketData]] | None = None
    exchange: Callable[[Any, ExchangeContext], Exchange | AbstractAsyncContextManager[Exchange]] | None = None
    real: bool = False

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        if not (self.source or self.market or self.exchange):
            raise ValueError(f"the venue {self.name!r} has neither source, market nor exchange")
        if self.account is not None and self.exchange is None:
            raise ValueError(f"the venue {self.name!r} has an account, and no exchange that needs it")
        if self.account is not None and not issubclass(self.account, self.settings):
            raise ValueError(f"the account of the venue {self.name!r} must be derived from its settings")
        self.parts()

    @property
    def table(self) -> type[Any]:
        """What a table ``[exchanges.NAME]`` of the venue may hold."""
        return self.account or self.settings

    def parts(self) -> tuple[PluginSpec[Any, Any], ...]:
        """Return what the venue gives, as specs of their kinds."""
        return tuple(self._parts())

    def _parts(self) -> Iterable[PluginSpec[Any, Any]]:
        common: dict[str, Any] = {"name": self.name, "doc": self.doc, "live": self.live, "is_part": True}
        if self.source is not None:
            yield SymbolSourceSpec(**common, settings=self.settings, open=self._opening(self.source))
        if self.market is not None:
            open_market = self._opening(self.market)
            yield MarketDataSpec(**common, settings=self.settings, warnings=self.warnings, open=open_market)
        if self.exchange is not None:
            yield ExchangeSpec(
                **common,
                settings=self.table,
                warnings=self.warnings,
                example=self.example,
                real=self.real,
                open=self._opening(self.exchange),
            )

    def _opening(self, make: Callable[[Any, Any], Any]) -> Callable[[Any, Any], AbstractAsyncContextManager[Any]]:
        """Return the ``open`` of a part: with the session of its context, else with one of its own."""

        @asynccontextmanager
        async def open_part(settings: Any, context: PartContext) -> AsyncIterator[Any]:
            if context.session is not None:
                async with _given(make(context.session, context)) as part:
                    yield part
                return
            async with (
                self.open(settings, _of_its_own(settings, context)) as session,
                _given(make(session, context)) as part,
            ):
                yield part

        return open_part


@asynccontextmanager
async def _given(made: Any) -> AsyncIterator[Any]:
    """Give what a venue made, or what that gives."""
    if isinstance(made, AbstractAsyncContextManager):
        async with made as part:
            yield part
    else:
        yield made


def _of_its_own(settings: Any, context: PartContext) -> VenueContext:
    """Return what a session is opened with that serves a single part."""

    def nothing(reason: str) -> None:
        """Symbols are of no venue at which anything could be entered."""

    return VenueContext(
        time=context.time,
        log=context.log,
        settings=settings,
        venue=context.venue,
        can_trade=isinstance(context, ExchangeContext) and context.can_trade,
        hold=nothing if isinstance(context, SourceContext) else context.hold,
        release=nothing if isinstance(context, SourceContext) else context.release,
    )
