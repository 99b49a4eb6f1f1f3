"""The campaign's events: what is recorded in order, and what all state is folded from.

Every event is an immutable value. `Record` puts it at its place (``seq``) and time (``ts_ns``) in the journal.
Quantities are in base asset, prices in quote asset per base, amounts of money in the asset or unit their name says.
"""

from __future__ import annotations

from trioarb.model.event.account import BalanceDiffered, ContractsLiquidated, Deposited, EquityStated, FundingPaid
from trioarb.model.event.base import Event, Record
from trioarb.model.event.campaign import (
    CampaignEnded,
    CampaignOpened,
    CampaignResumed,
    ClockJumped,
    KillSwitchPulled,
    LossCarried,
    PhaseEntered,
    StopCleared,
    SymbolQuarantined,
    SymbolRestarted,
    SymbolRetired,
    UniverseRefreshed,
)
from trioarb.model.event.decision import Decided, DecisionsRepeated, FunnelCounted, GuardTripped, RouteCounted
from trioarb.model.event.market import (
    FxRated,
    InstrumentChanged,
    InstrumentListed,
    MarketDown,
    MarketsMarked,
    MarketStale,
    MarketUp,
    UpdatesDown,
    UpdatesUp,
    terms_of,
)
from trioarb.model.event.order import (
    FillsMarkedOut,
    OrderAcknowledged,
    OrderCancelled,
    OrderExpired,
    OrderFilled,
    OrderRejected,
    OrderReopened,
    OrderSubmitted,
    OrderUnknown,
)
from trioarb.model.event.pair import Intent, PairEnded, PairOpened, TransactionLeg, TransactionOpened
from trioarb.model.event.position import PositionClosed, PositionMarked, PositionOpened, PositionReduced, TradeCorrected
from trioarb.model.event.residual import (
    DustLeft,
    ResidualLeft,
    ResidualOffered,
    ResidualResolved,
    ResidualsNetted,
    ResidualsPaired,
    ResidualTaken,
    ResidualWorked,
)
from trioarb.model.event.transfer import TransferArrived, TransferSent

__all__ = [
    "BalanceDiffered",
    "CampaignEnded",
    "CampaignOpened",
    "CampaignResumed",
    "ClockJumped",
    "ContractsLiquidated",
    "Decided",
    "DecisionsRepeated",
    "Deposited",
    "DustLeft",
    "EquityStated",
    "Event",
    "FillsMarkedOut",
    "FundingPaid",
    "FunnelCounted",
    "FxRated",
    "GuardTripped",
    "InstrumentChanged",
    "InstrumentListed",
    "Intent",
    "KillSwitchPulled",
    "LossCarried",
    "MarketDown",
    "MarketStale",
    "MarketUp",
    "MarketsMarked",
    "OrderAcknowledged",
    "OrderCancelled",
    "OrderExpired",
    "OrderFilled",
    "OrderRejected",
    "OrderReopened",
    "OrderSubmitted",
    "OrderUnknown",
    "PairEnded",
    "PairOpened",
    "PhaseEntered",
    "PositionClosed",
    "PositionMarked",
    "PositionOpened",
    "PositionReduced",
    "Record",
    "ResidualLeft",
    "ResidualOffered",
    "ResidualResolved",
    "ResidualTaken",
    "ResidualWorked",
    "ResidualsNetted",
    "ResidualsPaired",
    "RouteCounted",
    "StopCleared",
    "SymbolQuarantined",
    "SymbolRestarted",
    "SymbolRetired",
    "TradeCorrected",
    "TransactionLeg",
    "TransactionOpened",
    "TransferArrived",
    "TransferSent",
    "UniverseRefreshed",
    "UpdatesDown",
    "UpdatesUp",
    "terms_of",
]
