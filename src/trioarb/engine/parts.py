"""What all tasks of a campaign share."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import attrs

from trioarb.execution.executor import Executor
from trioarb.execution.reconcile import Reconciler
from trioarb.execution.stages import Stages
from trioarb.journal.journal import Journal
from trioarb.model.market import Instrument
from trioarb.plugin.exchange_border import CheckedExchange
from trioarb.risk.guards import Guards
from trioarb.state.funds import Funds
from trioarb.state.ledger import Ledger
from trioarb.state.trades import Trades
from trioarb.strategy.market import Market
from trioarb.time.campaign_time import CampaignTime
from trioarb.time.latency import LatencyHistogram

__all__ = ["Limits", "Parts"]


@attrs.frozen(kw_only=True)
class Limits:
    """How often a symbol is evaluated: every ``interval_ns`` (0: at every quote), ``max_iterations`` times.

    ``slippage_bps``: how far beyond the touch a forced exit may trade. ``exit_age_ns``: how old the quotes may be
    that a position is closed at. ``dust_usd``: what is worth more is no dust.
    """

    interval_ns: int
    max_iterations: int | None
    slippage_bps: Decimal
    exit_age_ns: int
    dust_usd: Decimal


@attrs.frozen(kw_only=True)
class Parts:
    """``instruments`` by symbol and venue, ``markets`` by symbol.

    ``latency``: of evaluations; ``stages``: of orders, in real time only.
    """

    journal: Journal
    ledger: Ledger
    trades: Trades
    guards: Guards
    funds: Funds
    executor: Executor
    reconciler: Reconciler
    venues: Mapping[str, CheckedExchange]
    instruments: Mapping[str, Mapping[str, Instrument]]
    markets: dict[str, Market]
    time: CampaignTime
    limits: Limits
    latency: LatencyHistogram
    stages: Stages | None
