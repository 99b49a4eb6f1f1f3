"""What a plugin's hooks return: a name, a settings class, and how to open it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, ClassVar, Generic, TypeVar

import attrs

from trioarb.plugin.contract import (
    AlertChannel,
    AlertContext,
    Exchange,
    ExchangeContext,
    Feed,
    GuardContext,
    GuardTier,
    MarketContext,
    MarketData,
    SourceContext,
    Strategy,
    StrategyContext,
    SymbolSource,
    Tape,
)

__all__ = [
    "AlertChannelSpec",
    "ExchangeSpec",
    "GuardTierSpec",
    "MarketDataSpec",
    "NoSettings",
    "PluginSpec",
    "StrategySpec",
    "SymbolSourceSpec",
]

ContextT = TypeVar("ContextT")
OpenedT = TypeVar("OpenedT")


@attrs.frozen(kw_only=True)
class NoSettings:
    """Settings of a plugin that has none."""


@attrs.frozen(kw_only=True)
class PluginSpec(Generic[ContextT, OpenedT]):
    """One plugin: its name, its settings, and how to open it.

    Attributes:
        name: What configurations call it; each once per kind.
        doc: A line for `trioarb plugins`.
        open: ``open(settings, context)`` is an async context manager that gives the working object. What it acquires it
            releases on exit, which comes after the journal is closed, whatever ended the campaign. What it raises ends
            the campaign before anything is traded; a `TrioarbError` is shown as it is. Opening has
            ``engine.open_seconds``, closing ``engine.close_seconds``.
        settings: An attrs class whose fields are made with `setting`.
        warnings: ``warnings(settings)`` says what is questionable about valid settings.
        wraps: It wraps another of its kind and gets that one, opened, as the context's ``inner``; its table has the key
            ``wraps = { plugin = "…", that plugin's settings }``. Exchanges and market data can.
        live: It talks to the outside (a network, another process), so it needs real time: the virtual clock refuses it,
            and `trioarb check` opens it only when asked to.
        example: Settings that `trioarb init` writes out, whether they are the default or not; of a real venue
            ``same_as``, if it needs that, and ``paper``, a stand-in that holds about 20,000 USD.
        is_part: It was made of a `VenueSpec`; plugins don't set it.

    Raises:
        ValueError: ``wraps`` for a kind that can't.
    """

    kind: ClassVar[str]
    opens: ClassVar[tuple[type, ...]]
    can_wrap: ClassVar[bool] = False

    name: str
    doc: str
    open: Callable[[Any, ContextT], AbstractAsyncContextManager[OpenedT]]
    settings: type[Any] = NoSettings
    warnings: Callable[[Any], Iterable[str]] = lambda settings: ()
    wraps: bool = False
    live: bool = False
    #: Filled in by `VenueSpec`: it is a part of the venue of this name.
    is_part: bool = attrs.field(default=False, repr=False)
    example: Mapping[str, Any] = attrs.field(factory=dict)

    def __attrs_post_init__(self) -> None:
        if self.wraps and not self.can_wrap:
            raise ValueError(f"a {self.kind} can't wrap another; exchanges and market data can")


@attrs.frozen(kw_only=True)
class SymbolSourceSpec(PluginSpec[SourceContext, SymbolSource]):
    """A source of symbols, which ``[universe] source`` may name. Opened once, after all markets."""

    kind = "symbol source"
    opens: ClassVar[tuple[type, ...]] = (SymbolSource,)


@attrs.frozen(kw_only=True)
class MarketDataSpec(PluginSpec[MarketContext, MarketData]):
    """Market data, which ``[exchanges.NAME] market`` may name. Opened once a venue, first of all."""

    kind = "market data"
    opens: ClassVar[tuple[type, ...]] = (Tape, Feed)
    can_wrap = True


@attrs.frozen(kw_only=True)
class ExchangeSpec(PluginSpec[ExchangeContext, Exchange]):
    """An exchange, which ``[exchanges.NAME] plugin`` may name. Opened once a venue.

    Attributes:
        real: Its orders cost money, so it is opened to trade only in the mode ``live``; it is ``live``, too. In the
            mode ``shadow``, and by `trioarb check --online`, it is opened to be asked (`ExchangeContext.can_trade` is
            false), on paper not at all.

    Raises:
        ValueError: ``real``, but not ``live``.
    """

    kind = "exchange"
    opens: ClassVar[tuple[type, ...]] = (Exchange,)
    can_wrap = True

    real: bool = False

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        if self.real and not self.live:
            raise ValueError("a real venue talks to the outside: with real=True goes live=True")


@attrs.frozen(kw_only=True)
class GuardTierSpec(PluginSpec[GuardContext, GuardTier]):
    """A guard tier, which ``[guards.NAME]`` may name. Opened once a table.

    Attributes:
        rank: Orders the tiers; those built in stand at 10, 50, 100, 200 and 300.
        by_symbol: The tier heeds `GuardContext.settings_of`, so its keys may stand in tables of symbols.
    """

    kind = "guard tier"
    opens: ClassVar[tuple[type, ...]] = (GuardTier,)

    rank: int = 1000
    by_symbol: bool = False


@attrs.frozen(kw_only=True)
class StrategySpec(PluginSpec[StrategyContext, Strategy]):
    """A strategy, which ``[strategy] plugin`` may name. Opened once a symbol.

    Attributes:
        loops: It goes around `Strategy.triangles` at one venue, instead of trading routes between venues. An asset that
            is the base of one symbol and the quote asset of another needs no rate then.
    """

    kind = "strategy"
    opens: ClassVar[tuple[type, ...]] = (Strategy,)

    loops: bool = False


@attrs.frozen(kw_only=True)
class AlertChannelSpec(PluginSpec[AlertContext, AlertChannel]):
    """A channel, which ``[channels.NAME] plugin`` may name: opened if a rule names it, beside the campaign.

    What it raises later ends nothing.

    Attributes:
        needs: Packages by the names of their modules; a configuration that names the channel is refused without them.
    """

    kind = "alert channel"
    opens: ClassVar[tuple[type, ...]] = (AlertChannel,)

    needs: tuple[str, ...] = ()
