"""What the engine asks of plugins: the classes that what a plugin opens has to implement.

All of them live inside the campaign's Trio run. Methods that are not ``async`` are called between two quotes or two
events and must not block. Venue errors are raised as `VenueError` (fate unknown) or `OrderRejected` (certain).
"""

from trioarb.plugin.contract.alert import AlertChannel, AlertContext
from trioarb.plugin.contract.context import PluginContext
from trioarb.plugin.contract.exchange import (
    Exchange,
    ExchangeContext,
    ExchangeWrapper,
    OrderSink,
    See,
    answers_instead,
)
from trioarb.plugin.contract.guard import GuardContext, GuardTier, RiskView
from trioarb.plugin.contract.market import (
    Feed,
    Levels,
    LevelsLater,
    MarketContext,
    MarketData,
    QuoteSink,
    RowBatch,
    Stored,
    Tape,
    TapeRow,
)
from trioarb.plugin.contract.source import SourceContext, SymbolSource
from trioarb.plugin.contract.strategy import ALWAYS, ExitBand, Strategy, StrategyContext
from trioarb.plugin.contract.venue import VenueContext

__all__ = [
    "ALWAYS",
    "AlertChannel",
    "AlertContext",
    "Exchange",
    "ExchangeContext",
    "ExchangeWrapper",
    "ExitBand",
    "Feed",
    "GuardContext",
    "GuardTier",
    "Levels",
    "LevelsLater",
    "MarketContext",
    "MarketData",
    "OrderSink",
    "PluginContext",
    "QuoteSink",
    "RiskView",
    "RowBatch",
    "See",
    "SourceContext",
    "Stored",
    "Strategy",
    "StrategyContext",
    "SymbolSource",
    "Tape",
    "TapeRow",
    "VenueContext",
    "answers_instead",
]
