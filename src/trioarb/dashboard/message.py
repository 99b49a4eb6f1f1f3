"""What the dashboard's server says to its page: JSON, encoded by msgspec.

Money is exact: text of a decimal number, in the unit that the field's name says. What is drawn (`Series`) and what is
measured (edges, ages, latencies) are numbers. Times are milliseconds since the Unix epoch (``_ms``) unless a name ends
in ``_seconds``, which are lengths. ``null`` is what isn't known: never zero.

========================================  ==========================================================================
``GET /api/about``                        `About`: what the server is, and whether reading needs a token
``GET /api/campaigns``                    `Fleet`
``GET /api/events``                       event stream of `Fleet`; event type ``fleet``
``GET /api/campaigns/NAME``               `View`, with ``series``
``GET /api/campaigns/NAME/events``        event stream of `View` without ``series``; event type ``view``. The newest
                                          state wins: a slow reader misses some in between. ``end`` is the last event
                                          of a server that stops
``GET /api/campaigns/NAME/edges``         `Edges` of ``?symbol=``
``GET /api/campaigns/NAME/log``           `LogPage`: ``?before=SEQ`` older, ``?after=SEQ`` newer ones; ``&type=``,
                                          ``&symbol=``, ``&text=`` filter, ``&limit=`` (at most 500)
``GET /api/campaigns/NAME/trades/ID``     `TradeStory`
``GET /api/compare?a=NAME&b=NAME``        `Comparison`
``POST /api/campaigns/NAME/actions``      body `Action`, answer `Told`; always with the token
========================================  ==========================================================================

The token goes in the header ``Authorization: Bearer TOKEN`` and nowhere else; where `About.reads_need_token` says so,
with every request, the event streams included, so read those with ``fetch``. An error's body is `Failure`, with status
400 (not understood), 401 (token missing or wrong), 403 (another origin or host), 404, 409 (the campaign refused it, or
doesn't run), 429 (too many viewers), 503 (still folding).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal

import msgspec
from msgspec import Struct

__all__ = [
    "About",
    "Action",
    "Balance",
    "Compared",
    "Comparison",
    "Control",
    "Denial",
    "Edges",
    "EventRow",
    "Failure",
    "Fill",
    "Finding",
    "Fleet",
    "Funnel",
    "FxRow",
    "Limit",
    "LogPage",
    "Money",
    "OrderRow",
    "PositionRow",
    "PremiumRow",
    "Process",
    "Reason",
    "ResidualRow",
    "RouteRow",
    "Row",
    "Series",
    "Stage",
    "Step",
    "SymbolRow",
    "Told",
    "TradeRow",
    "TradeStory",
    "VenueRow",
    "Verdict",
    "View",
    "encoded",
]


class About(Struct, frozen=True, kw_only=True):
    """The server. ``actions`` that it takes, by name; ``viewers`` that look now, of at most ``most_viewers``."""

    version: str
    reads_need_token: bool
    actions: tuple[str, ...]
    viewers: int
    most_viewers: int


class Failure(Struct, frozen=True, kw_only=True):
    """Why a request wasn't done, for people."""

    error: str


class Row(Struct, frozen=True, kw_only=True):
    """One campaign of the fleet.

    ``name`` stands for it in addresses. ``state``: ``folding`` (its journal is being read; ``folded`` is the share from
    0 to 1), ``running``, ``ended`` (``ended_by`` says how), ``cut off``, ``damaged`` or ``unreadable`` (``problem``
    says why; what is shown is what is sound). ``answers``: it runs and answers the dashboard. ``phase`` is STARTING,
    RUNNING, DRAINING or CLOSED. ``drawdown_usd`` is how far PnL, what is open at its recorded marks included, fell from
    its highest at most. ``warnings``: the last 5 events that are warnings or errors, newest last; ``last_event`` is
    told in words.
    """

    name: str
    path: str
    campaign_id: str
    state: str
    folded: float
    answers: bool
    phase: str
    ended_by: str | None
    exit_code: int | None
    mode: str
    env: str
    clock: str
    paused: bool
    began_ms: int | None
    last_ms: int | None
    events: int
    size_bytes: int
    symbols: int
    venues: tuple[str, ...]
    pnl_usd: Decimal | None
    equity_change_usd: Decimal | None
    drawdown_usd: Decimal | None
    exposure_usd: Decimal | None
    closed_trades: int
    won_trades: int
    open_positions: int
    residuals: int
    verdict: str | None
    warnings: tuple[str, ...]
    last_event: str
    problem: str


class Fleet(Struct, frozen=True, kw_only=True):
    """All campaigns, those that run first, then by the time of their last event. ``at_ms``: now."""

    at_ms: int
    campaigns: tuple[Row, ...]


class Finding(Struct, frozen=True, kw_only=True):
    """What speaks against believing a result: ``key`` is the setting, or the data, that would change it."""

    code: str
    text: str
    key: str


class Verdict(Struct, frozen=True, kw_only=True):
    """``word``: PROFIT SHOWN, LOSS SHOWN or PROVES NOTHING."""

    word: str
    findings: tuple[Finding, ...]


class Denial(Struct, frozen=True, kw_only=True):
    """Why entries are denied now: by which rule, at a venue, of a symbol, or (both ``null``) all of them."""

    rule: str
    reason: str
    venue: str | None
    symbol: str | None


class Control(Struct, frozen=True, kw_only=True):
    """What people have told it, as far as it holds. ``paused``: by whom and why; empty: it isn't."""

    paused: str
    flattening: bool
    blacklisted: tuple[str, ...]
    settings: Mapping[str, str]
    denials: tuple[Denial, ...]


class Money(Struct, frozen=True, kw_only=True):
    """In USD. ``equity_change`` = now − start = arbitrage + inventory + fees + funding + residuals (+ fx).

    ``fees_usd`` of pairs, above zero where they cost; ``equity_fees`` the same as a part of equity, below zero.
    ``drawdown_usd`` is the furthest that it fell from its highest, ``drawdown_now_usd`` how far it is below that now.
    ``return_bps``: what was earned on the equity that it began with.
    """

    pnl_usd: Decimal
    unrealised_usd: Decimal | None
    fees_usd: Decimal
    equity_start: Decimal | None
    equity_now: Decimal | None
    equity_change: Decimal | None
    arbitrage: Decimal | None
    inventory: Decimal | None
    equity_fees: Decimal | None
    funding: Decimal | None
    residuals: Decimal | None
    fx: Decimal | None
    unpriced: tuple[str, ...]
    drawdown_usd: Decimal | None
    drawdown_now_usd: Decimal | None
    exposure_usd: Decimal
    peak_exposure_usd: Decimal | None
    daily_loss_usd: Decimal
    return_bps: float | None


class Limit(Struct, frozen=True, kw_only=True):
    """A guard's limit and how near it is: ``share`` = value / limit (1 and beyond: it denies).

    ``scope`` is the symbol or venue that it is of; empty: all. ``unit``: USD, bps, s, or empty for a count.
    """

    tier: str
    rule: str
    scope: str
    value: float
    limit: float
    unit: str
    share: float


class RouteRow(Struct, frozen=True, kw_only=True):
    """Bought at ``buy_venue`` and sold at ``sell_venue``: what that earns now after both taker fees.

    ``edge_bps`` is ``null`` where a quote is missing or stale, or the campaign doesn't answer.
    """

    symbol: str
    buy_venue: str
    sell_venue: str
    edge_bps: float | None
    over_threshold: int
    sized: int
    allowed: int
    denied: int


class SymbolRow(Struct, frozen=True, kw_only=True):
    """One symbol. ``edge_bps``: the best of its routes now; ``state``: trading, quarantined, retired, blacklisted."""

    symbol: str
    state: str
    edge_bps: float | None
    highest_edge_bps: float | None
    evaluated: int
    over_threshold: int
    denied: int
    sent: int
    opened: int
    closed: int
    open_positions: int
    pnl_usd: Decimal
    fees_usd: Decimal
    exposure_usd: Decimal


class PositionRow(Struct, frozen=True, kw_only=True):
    """An open position. ``unrealised_usd``: what closing it now would bring, fees included."""

    trade_id: str
    symbol: str
    quantity: Decimal
    long_at: str
    short_at: str
    buy_price: Decimal
    sell_price: Decimal
    opened_ms: int
    unrealised_usd: Decimal | None


class ResidualRow(Struct, frozen=True, kw_only=True):
    """What a pair left one-sided: ``quantity`` below zero is short. ``kind``: residual or dust."""

    residual_id: str
    kind: str
    trade_id: str
    symbol: str
    venue: str
    asset: str
    quantity: Decimal
    cost_usd: Decimal | None
    unknown: bool


class OrderRow(Struct, frozen=True, kw_only=True):
    """An order, newest first. ``state``: submitted, acknowledged, partially filled, filled, cancelled, expired,
    rejected, unknown. ``limit`` is in quote asset."""

    client_order_id: str
    trade_id: str
    symbol: str
    venue: str
    side: str
    quantity: Decimal
    filled: Decimal
    limit: Decimal | None
    purpose: str
    state: str
    reason: str
    at_ms: int


class Fill(Struct, frozen=True, kw_only=True):
    """A fill, newest first."""

    client_order_id: str
    symbol: str
    venue: str
    side: str
    quantity: Decimal
    price: Decimal
    fee: Decimal
    fee_asset: str
    at_ms: int


class TradeRow(Struct, frozen=True, kw_only=True):
    """A trade that is closed (``reason``: why it left), newest first."""

    trade_id: str
    symbol: str
    quantity: Decimal
    buy_venue: str
    sell_venue: str
    opened_ms: int | None
    closed_ms: int
    pnl_usd: Decimal
    fees_usd: Decimal
    reason: str


class Step(Struct, frozen=True, kw_only=True):
    """One step of the funnel, and how many came so far. ``share`` of the step before, from 0 to 1."""

    step: str
    count: int
    share: float | None


class Reason(Struct, frozen=True, kw_only=True):
    """Why opportunities went no further. ``step``: where (``sized``: could not be sized, ``allowed``: guards)."""

    step: str
    reason: str
    count: int
    value: str = ""
    limit: str = ""


class Funnel(Struct, frozen=True, kw_only=True):
    """From quotes to closed trades, over all symbols. ``sentence``: why there is no trade, or no more of them."""

    steps: tuple[Step, ...]
    reasons: tuple[Reason, ...]
    sentence: str


class VenueRow(Struct, frozen=True, kw_only=True):
    """One venue. ``state``: up, stale, down, held (no entries there), unknown; ``reason`` says why, ``since_ms`` when.

    ``quote_age_ms``: of its newest quote of any symbol, while the campaign answers. ``errors``: rejected orders.
    """

    venue: str
    state: str
    reason: str
    since_ms: int | None
    quote_age_ms: float | None
    orders_open: int
    orders: int
    fills: int
    errors: int


class Stage(Struct, frozen=True, kw_only=True):
    """How long a stage took, in microseconds, of those that were measured since the campaign began."""

    stage: str
    p50_us: float
    p95_us: float | None
    p99_us: float
    count: int | None


class Process(Struct, frozen=True, kw_only=True):
    """The process that runs the campaign. ``journal_lag_seconds``: for how long the oldest event waits for the disk."""

    memory_bytes: int | None
    cpu_seconds: float | None
    journal_lag_seconds: float | None
    journal_error: str


class FxRow(Struct, frozen=True, kw_only=True):
    """What a quote asset was worth. ``state``: good, disputed, old, …, or constant."""

    asset: str
    common: str
    state: str
    bid: Decimal | None
    ask: Decimal | None
    age_seconds: float | None
    exposure: Decimal
    exposure_usd: Decimal | None


class PremiumRow(Struct, frozen=True, kw_only=True):
    """How far converted prices of a symbol at a venue stand above the others, in bps."""

    place: str
    last_bps: float
    least_bps: float
    most_bps: float
    mean_bps: float


class Balance(Struct, frozen=True, kw_only=True):
    """What a venue holds of an asset, locked for orders or not; ``change``: since it was put in."""

    venue: str
    asset: str
    final: Decimal
    change: Decimal


class EventRow(Struct, frozen=True, kw_only=True):
    """An event in words. ``level``: info, warning, error, or detail."""

    seq: int
    at_ms: int
    type: str
    level: str
    text: str
    symbol: str | None
    trade_id: str | None


class Series(Struct, frozen=True, kw_only=True):
    """What is drawn: ``values[i]`` at ``at_ms[i]``; ``null`` is a gap. ``unit``: USD or bps."""

    name: str
    unit: str
    at_ms: tuple[int, ...]
    values: tuple[float | None, ...]


class View(Struct, frozen=True, kw_only=True):
    """One campaign. ``live``: it runs, and figures that only the running process knows are there.

    ``elapsed_seconds`` of campaign time, ``left_seconds`` until its runtime limit (``null``: it has none).
    ``series`` (empty in event streams): ``equity`` (its change, as it was stated), ``pnl`` (realised), ``worth`` (that
    and what is open at its marks) and ``drawdown`` of it; the page goes on with what the stream says.
    ``routes``, ``symbols``: those that matter most if there are many; ``more_symbols`` are left out.
    ``notes`` hold for the whole run: what is left out of figures, warnings, advice.
    """

    at_ms: int
    row: Row
    live: bool
    version: str
    config_digest: str
    head: str
    seed: int | None
    resumed: int
    elapsed_seconds: float | None
    left_seconds: float | None
    verdict: Verdict | None
    control: Control
    money: Money | None
    limits: tuple[Limit, ...]
    routes: tuple[RouteRow, ...]
    symbols: tuple[SymbolRow, ...]
    more_symbols: int
    positions: tuple[PositionRow, ...]
    residuals: tuple[ResidualRow, ...]
    orders: tuple[OrderRow, ...]
    fills: tuple[Fill, ...]
    trades: tuple[TradeRow, ...]
    funnel: Funnel
    venues: tuple[VenueRow, ...]
    latency: tuple[Stage, ...]
    process: Process | None
    fx: tuple[FxRow, ...]
    premiums: tuple[PremiumRow, ...]
    balances: tuple[Balance, ...]
    log: tuple[EventRow, ...]
    notes: tuple[str, ...]
    series: tuple[Series, ...] = ()


class Edges(Struct, frozen=True, kw_only=True):
    """Edges of a symbol's routes over time; a series' name is ``buy>sell``, its unit bps."""

    symbol: str
    series: tuple[Series, ...]


class LogPage(Struct, frozen=True, kw_only=True):
    """Events by ``seq``, oldest first. ``older``, ``newer``: there are some before and after these.

    Those from ``first_seq`` to ``last_seq`` were looked through: what a filter finds rarely takes several pages, so
    older ones are ``?before=first_seq``, newer ones ``?after=last_seq``, also where ``events`` is empty.
    """

    events: tuple[EventRow, ...]
    first_seq: int
    last_seq: int
    older: bool
    newer: bool


class TradeStory(Struct, frozen=True, kw_only=True):
    """Everything that happened in a trade, line by line, as ``trioarb explain --trade`` tells it.

    ``before``, ``after``: the trades beside it, in the order in which they began.
    """

    trade_id: str
    lines: tuple[str, ...]
    before: str | None
    after: str | None


class Compared(Struct, frozen=True, kw_only=True):
    """One figure of both campaigns as text, and what it is measured in."""

    what: str
    unit: str
    a: str
    b: str


class Comparison(Struct, frozen=True, kw_only=True):
    """Two campaigns beside each other.

    ``series``: their PnL with what is open at its marks, each from its own beginning, whose time is 0;
    ``settings``: keys that differ.
    """

    a: Row
    b: Row
    figures: tuple[Compared, ...]
    settings: tuple[Compared, ...]
    series: tuple[Series, ...]


class Action(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``action``: pause, resume, flatten, end, blacklist, unblacklist (``symbol``), set (``setting``: ``KEY=VALUE``).

    ``why`` is recorded beside who it was. ``force``: also loosen a limit.
    """

    action: str
    why: str = ""
    symbol: str | None = None
    setting: str | None = None
    force: bool = False


class Told(Struct, frozen=True, kw_only=True):
    """What the campaign said to an action."""

    said: str


def encoded(message: Struct) -> bytes:
    """Return a message as JSON. What is no text, as in the name of a file, stands as question marks."""
    try:
        return msgspec.json.encode(message)
    except UnicodeEncodeError:
        return json.dumps(msgspec.to_builtins(message), ensure_ascii=False).encode("utf-8", "replace")
