"""What Upbit and Bithumb say, as JSON. Market data are numbers, an account's figures are text."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

from trioarb.api import OrderType, SelfTrade, Side, TimeInForce, text
from trioarb_sim.account import Balance
from trioarb_sim.book import Levels
from trioarb_sim.market import MarketRules, MarketState
from trioarb_sim.order import OrderState, VenueOrder
from trioarb_sim.upbit import bithumb
from trioarb_sim.upbit.dialect import Dialect
from trioarb_sim.venue import BalancesChanged, OrderChanged, Traded

__all__ = [
    "accounts",
    "chance",
    "ended_state",
    "listing",
    "my_asset",
    "my_order",
    "order",
    "orderbook",
    "orderbook_event",
    "simple",
    "ticker",
    "ticker_event",
    "trade_event",
    "uuid_of",
]

_SEOUL = timezone(timedelta(hours=9))
_SELF_TRADES = {
    SelfTrade.CANCEL_NEW: "cancel_taker",
    SelfTrade.CANCEL_OLD: "cancel_maker",
    SelfTrade.CANCEL_BOTH: "reduce",
}
#: Short names of the format SIMPLE.
_SIMPLE = {
    "type": "ty",
    "code": "cd",
    "timestamp": "tms",
    "total_ask_size": "tas",
    "total_bid_size": "tbs",
    "orderbook_units": "obu",
    "ask_price": "ap",
    "bid_price": "bp",
    "ask_size": "as",
    "bid_size": "bs",
    "stream_type": "st",
    "level": "lv",
    "trade_price": "tp",
    "trade_volume": "tv",
    "ask_bid": "ab",
    "trade_date": "td",
    "trade_time": "ttm",
    "trade_timestamp": "ttms",
    "sequential_id": "sid",
    "prev_closing_price": "pcp",
    "change": "c",
    "change_price": "cp",
    "opening_price": "op",
    "high_price": "hp",
    "low_price": "lp",
    "acc_trade_price_24h": "atp24h",
    "acc_trade_volume_24h": "atv24h",
}


def simple(event: Mapping[str, object]) -> dict[str, object]:
    """Return a message with short names."""
    found: dict[str, object] = {}
    for name, value in event.items():
        short = _SIMPLE.get(name, name)
        found[short] = [simple(one) for one in value] if isinstance(value, list) else value
    return found


def uuid_of(order_id: int) -> str:
    return f"00000000-0000-4000-8000-{order_id:012x}"


def listing(rules: MarketRules, *, has_details: bool) -> dict[str, object]:
    found: dict[str, object] = {
        "market": rules.name,
        "korean_name": rules.base,
        "english_name": rules.base,
        **{name: value for name, value in (rules.listed or {}).items() if name != "market_event"},
    }
    if has_details:
        caution = dict.fromkeys(
            (
                "PRICE_FLUCTUATIONS",
                "TRADING_VOLUME_SOARING",
                "DEPOSIT_AMOUNT_SOARING",
                "GLOBAL_PRICE_DIFFERENCES",
                "CONCENTRATION_OF_SMALL_ACCOUNTS",
            ),
            False,
        )
        found["market_event"] = {"warning": False, "caution": caution}
    return found


def ticker(rules: MarketRules, price: Decimal, now_ms: int) -> dict[str, object]:
    at = datetime.fromtimestamp(now_ms / 1000, UTC)
    return {
        "market": rules.name,
        "trade_date": at.strftime("%Y%m%d"),
        "trade_time": at.strftime("%H%M%S"),
        "trade_timestamp": now_ms,
        "opening_price": float(price),
        "high_price": float(price),
        "low_price": float(price),
        "trade_price": float(price),
        "prev_closing_price": float(price),
        "change": "EVEN",
        "change_price": 0.0,
        "change_rate": 0.0,
        "signed_change_price": 0.0,
        "signed_change_rate": 0.0,
        "trade_volume": 0.0,
        "acc_trade_price": float(rules.volume * price),
        "acc_trade_price_24h": float(rules.volume * price),
        "acc_trade_volume": float(rules.volume),
        "acc_trade_volume_24h": float(rules.volume),
        "timestamp": now_ms,
    }


def orderbook(market: str, bids: Levels, asks: Levels, now_ms: int) -> dict[str, object]:
    return {
        "market": market,
        "timestamp": now_ms,
        "total_ask_size": float(sum(size for _, size in asks)),
        "total_bid_size": float(sum(size for _, size in bids)),
        "orderbook_units": _units(bids, asks),
        "level": 0,
    }


def orderbook_event(market: str, bids: Levels, asks: Levels, now_ms: int, *, is_snapshot: bool) -> dict[str, object]:
    body = orderbook(market, bids, asks, now_ms)
    del body["market"]
    stream = "SNAPSHOT" if is_snapshot else "REALTIME"
    return {"type": "orderbook", "code": market, **body, "stream_type": stream}


def ticker_event(rules: MarketRules, price: Decimal, now_ms: int, *, is_snapshot: bool) -> dict[str, object]:
    body = ticker(rules, price, now_ms)
    del body["market"]
    stream = "SNAPSHOT" if is_snapshot else "REALTIME"
    return {"type": "ticker", "code": rules.name, **body, "ask_bid": "BID", "stream_type": stream}


def trade_event(told: Traded) -> dict[str, object]:
    at = datetime.fromtimestamp(told.at_ms / 1000, UTC)
    return {
        "type": "trade",
        "code": told.market,
        "timestamp": told.at_ms,
        "trade_date": at.strftime("%Y-%m-%d"),
        "trade_time": at.strftime("%H:%M:%S"),
        "trade_timestamp": told.at_ms,
        "trade_price": float(told.price),
        "trade_volume": float(told.quantity),
        "ask_bid": "BID" if told.side is Side.BUY else "ASK",
        "prev_closing_price": float(told.price),
        "change": "EVEN",
        "change_price": 0.0,
        "sequential_id": told.at_ms * 1000 + told.trade_id % 1000,
        "stream_type": "REALTIME",
    }


def accounts(balances: Mapping[str, Balance], quote: str) -> list[dict[str, object]]:
    return [
        {
            "currency": asset,
            "balance": text(one.free),
            "locked": text(one.locked),
            "avg_buy_price": "0",
            "avg_buy_price_modified": True,
            "unit_currency": quote,
        }
        for asset, one in sorted(balances.items())
        if one.free or one.locked
    ]


def chance(rules: MarketRules, balances: Mapping[str, Balance], dialect: Dialect) -> dict[str, object]:
    """What may be ordered of a market, at which fees, and what there is to spend."""

    def account(asset: str) -> dict[str, object]:
        one = balances.get(asset, Balance())
        return {
            "currency": asset,
            "balance": text(one.free),
            "locked": text(one.locked),
            "avg_buy_price": "0",
            "avg_buy_price_modified": False,
            "unit_currency": rules.quote,
        }

    types = ["limit", "best_fok", "best_ioc", "limit_fok", "limit_ioc"]
    return {
        "bid_fee": text(rules.taker_fee),
        "ask_fee": text(rules.taker_fee),
        "maker_bid_fee": text(rules.maker_fee),
        "maker_ask_fee": text(rules.maker_fee),
        "market": {
            "id": rules.name,
            "name": f"{rules.base}/{rules.quote}",
            "order_types": ["limit"],
            "order_sides": ["ask", "bid"],
            "bid_types": [*types, "price"],
            "ask_types": [*types, "market"],
            "bid": {"currency": rules.quote, "min_total": text(rules.min_value)},
            "ask": {"currency": rules.base, "min_total": text(rules.min_value)},
            "max_total": "1000000000",
            "state": "active" if rules.state is MarketState.TRADING else "delisted",
        },
        "bid_account": account(rules.quote),
        "ask_account": account(rules.base),
    }


def order(one: VenueOrder, rules: MarketRules, dialect: Dialect, *, has_trades: bool = False) -> dict[str, object]:
    """An order as a placement or a query answers it."""
    paid = one.fees.get(rules.quote, Decimal(0))
    body: dict[str, object] = {
        "uuid": uuid_of(one.order_id),
        "side": _side(one.terms.side),
        dialect.type_field: _type(one),
        "price": text(one.terms.price or one.terms.amount) if one.terms.price or one.terms.amount else None,
        "state": ended_state(one, dialect),
        "market": one.terms.market,
        "created_at": datetime.fromtimestamp(one.created_ms / 1000, _SEOUL).isoformat(timespec="seconds"),
        "volume": text(one.terms.quantity) if one.terms.quantity else None,
        "remaining_volume": text(one.rest) if one.terms.quantity else None,
        "prevented_volume": "0",
        "reserved_fee": text(paid),
        "remaining_fee": "0",
        "paid_fee": text(paid),
        "locked": text(one.locked),
        "prevented_locked": "0",
        "executed_volume": text(one.filled),
        "trades_count": len(one.executions),
    }
    if dialect.name == "bithumb":
        body["order_id"] = body["uuid"]
    if one.terms.client_id:
        body[dialect.id_field] = one.terms.client_id
    limit = _time_in_force(one)
    if limit:
        body["time_in_force"] = limit
    if one.terms.self_trade is not None:
        body["smp_type"] = _SELF_TRADES[one.terms.self_trade]
    if has_trades:
        body["trades"] = [
            {
                "market": one.terms.market,
                "uuid": uuid_of(each.trade_id),
                "price": text(each.price),
                "volume": text(each.quantity),
                "funds": text(each.price * each.quantity),
                "trend": "up" if one.terms.side is Side.BUY else "down",
                "created_at": datetime.fromtimestamp(each.at_ms / 1000, _SEOUL).isoformat(timespec="milliseconds"),
                "side": _side(one.terms.side),
            }
            for each in one.executions
        ]
    return body


def ended_state(one: VenueOrder, dialect: Dialect) -> str:
    match one.state:
        case OrderState.OPEN:
            return "wait"
        case OrderState.FILLED:
            return "done"
        case OrderState.EXPIRED if one.filled:
            return dialect.ioc_state
        case _:
            return "cancel"


def my_order(told: OrderChanged, rules: MarketRules, dialect: Dialect) -> dict[str, object]:
    """An order's event; ``price`` is that of the fill where it was filled."""
    one, execution = told.order, told.execution
    state = "trade" if execution is not None else ended_state(one, dialect)
    if told.state is OrderState.OPEN and execution is None:
        state = "wait"
    if dialect.name == "bithumb":
        trade_id = uuid_of(execution.trade_id) if execution else ""
        order_id, time_in_force = uuid_of(one.order_id), _time_in_force(one)
        return bithumb.my_order(told, state, time_in_force=time_in_force, order_id=order_id, trade_id=trade_id)
    price = execution.price if execution else one.terms.price
    paid = sum((each.fee for each in one.executions), Decimal(0))
    event: dict[str, object] = {
        "type": "myOrder",
        "code": one.terms.market,
        "uuid": uuid_of(one.order_id),
        "ask_bid": _side(one.terms.side).upper(),
        "order_type": _type(one),
        "state": state,
        "trade_uuid": uuid_of(execution.trade_id) if execution else None,
        "price": float(price) if price else None,
        "avg_price": float(one.value / one.filled) if told.filled else 0.0,
        "volume": float(execution.quantity) if execution else float(one.terms.quantity),
        "remaining_volume": float(one.terms.quantity - told.filled) if one.terms.quantity else 0.0,
        "executed_volume": float(told.filled),
        "trades_count": len(one.executions),
        "reserved_fee": float(paid),
        "remaining_fee": 0.0,
        "paid_fee": float(paid),
        "locked": float(one.locked),
        "executed_funds": float(one.value),
        "time_in_force": _time_in_force(one),
        "trade_fee": float(execution.fee) if execution else None,
        "is_maker": execution.is_maker if execution else None,
        "identifier": one.terms.client_id or None,
        "smp_type": None,
        "prevented_volume": 0.0,
        "prevented_locked": 0.0,
        "trade_timestamp": told.at_ms if execution else None,
        "order_timestamp": one.created_ms,
        "timestamp": told.at_ms,
        "stream_type": "REALTIME",
    }
    return event


def my_asset(told: BalancesChanged) -> dict[str, object]:
    return {
        "type": "myAsset",
        "asset_uuid": uuid_of(told.at_ms % 2**40),
        "assets": [
            {"currency": asset, "balance": float(one.free), "locked": float(one.locked)}
            for asset, one in sorted(told.balances.items())
        ],
        "asset_timestamp": told.at_ms,
        "timestamp": told.at_ms,
        "stream_type": "REALTIME",
    }


def _units(bids: Levels, asks: Levels) -> list[dict[str, object]]:
    """Levels of both sides side by side; where one side has fewer, 0 stands."""
    none = (Decimal(0), Decimal(0))
    found: list[dict[str, object]] = []
    for number in range(max(len(bids), len(asks))):
        bid = bids[number] if number < len(bids) else none
        ask = asks[number] if number < len(asks) else none
        found.append(
            {
                "ask_price": float(ask[0]),
                "bid_price": float(bid[0]),
                "ask_size": float(ask[1]),
                "bid_size": float(bid[1]),
            }
        )
    return found


def _side(side: Side) -> str:
    return "bid" if side is Side.BUY else "ask"


def _type(one: VenueOrder) -> str:
    if one.terms.type is OrderType.LIMIT:
        return "limit"
    return "price" if one.terms.amount else "market"


def _time_in_force(one: VenueOrder) -> str | None:
    if one.terms.post_only:
        return "post_only"
    if one.terms.type is OrderType.MARKET or one.terms.time_in_force is TimeInForce.GTC:
        return None
    return "ioc" if one.terms.time_in_force is TimeInForce.IOC else "fok"
