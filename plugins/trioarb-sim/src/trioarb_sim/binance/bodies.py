"""What Binance says, as JSON: listings, books, orders, accounts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from trioarb.api import OrderType, SelfTrade, Side, TimeInForce
from trioarb_sim.account import Balance
from trioarb_sim.market import MarketRules, MarketState
from trioarb_sim.order import Execution, OrderState, OrderTerms, VenueOrder
from trioarb_sim.venue import BalancesChanged, BookChanged, OrderChanged, Traded

__all__ = [
    "account",
    "cancelled_order",
    "commission",
    "depth_event",
    "execution_report",
    "level",
    "listing",
    "my_trade",
    "new_order",
    "number",
    "order",
    "position_event",
    "status_of",
    "trade_event",
    "type_of",
]

_MARKET_STATES = {
    MarketState.TRADING: "TRADING",
    MarketState.HALTED: "HALT",
    MarketState.CANCEL_ONLY: "CANCEL_ONLY",
}
_STATES = {OrderState.FILLED: "FILLED", OrderState.CANCELLED: "CANCELED", OrderState.EXPIRED: "EXPIRED"}
_SELF_TRADES = {
    None: "NONE",
    SelfTrade.CANCEL_NEW: "EXPIRE_TAKER",
    SelfTrade.CANCEL_OLD: "EXPIRE_MAKER",
    SelfTrade.CANCEL_BOTH: "EXPIRE_BOTH",
}
ORDER_TYPES = ("LIMIT", "LIMIT_MAKER", "MARKET")


def number(value: Decimal) -> str:
    return f"{value:.8f}"


def level(price: Decimal, size: Decimal) -> list[str]:
    return [number(price), number(size)]


def listing(rules: MarketRules) -> dict[str, object]:
    """A symbol of exchangeInfo; as it was recorded, but for its status."""
    if rules.listed is not None:
        was_open = rules.listed["status"] == "TRADING" and rules.listed.get("isSpotTradingAllowed", True)
        is_open = rules.state is MarketState.TRADING
        return {**rules.listed} | ({"status": _MARKET_STATES[rules.state]} if was_open is not is_open else {})
    filters: list[dict[str, object]] = [
        {
            "filterType": "PRICE_FILTER",
            "minPrice": number(rules.ticks[0][1]),
            "maxPrice": "1000000.00000000",
            "tickSize": number(rules.ticks[0][1]),
        },
        {
            "filterType": "LOT_SIZE",
            "minQty": number(rules.min_quantity),
            "maxQty": number(rules.max_quantity or Decimal(9_000_000)),
            "stepSize": number(rules.lot),
        },
        {"filterType": "ICEBERG_PARTS", "limit": 10},
        {
            "filterType": "MARKET_LOT_SIZE",
            "minQty": "0.00000000",
            "maxQty": "100000.00000000",
            "stepSize": "0.00000000",
        },
        {
            "filterType": "NOTIONAL",
            "minNotional": number(rules.min_value),
            "applyMinToMarket": True,
            "maxNotional": "9000000.00000000",
            "applyMaxToMarket": False,
            "avgPriceMins": 5,
        },
        {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": 200},
    ]
    if rules.price_band is not None:
        least, most = rules.price_band
        filters.append(
            {
                "filterType": "PERCENT_PRICE_BY_SIDE",
                "bidMultiplierUp": str(most),
                "bidMultiplierDown": str(least),
                "askMultiplierUp": str(most),
                "askMultiplierDown": str(least),
                "avgPriceMins": 5,
            }
        )
    return {
        "symbol": rules.name,
        "status": _MARKET_STATES[rules.state],
        "baseAsset": rules.base,
        "baseAssetPrecision": 8,
        "quoteAsset": rules.quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": list(ORDER_TYPES),
        "icebergAllowed": False,
        "ocoAllowed": False,
        "otoAllowed": False,
        "opoAllowed": False,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": False,
        "cancelReplaceAllowed": False,
        "amendAllowed": False,
        "pegInstructionsAllowed": False,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": filters,
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": "NONE",
        "allowedSelfTradePreventionModes": list(_SELF_TRADES.values()),
    }


def status_of(state: OrderState, filled: Decimal) -> str:
    """Return the status of an order of which so much is filled."""
    if state is OrderState.OPEN:
        return "PARTIALLY_FILLED" if filled else "NEW"
    return _STATES[state]


def type_of(terms: OrderTerms) -> str:
    if terms.type is OrderType.MARKET:
        return "MARKET"
    return "LIMIT_MAKER" if terms.post_only else "LIMIT"


def order(one: VenueOrder) -> dict[str, object]:
    """An order as a query answers it."""
    return {
        "symbol": one.terms.market,
        "orderId": one.order_id,
        "orderListId": -1,
        "clientOrderId": one.terms.client_id,
        "price": number(one.terms.price),
        "origQty": number(one.terms.quantity or one.filled),
        "executedQty": number(one.filled),
        "cummulativeQuoteQty": number(one.value),
        "status": status_of(one.state, one.filled),
        "timeInForce": _time_in_force(one.terms),
        "type": type_of(one.terms),
        "side": _side(one.terms.side),
        "stopPrice": "0.00000000",
        "icebergQty": "0.00000000",
        "time": one.created_ms,
        "updateTime": one.updated_ms,
        "isWorking": True,
        "workingTime": one.created_ms,
        "origQuoteOrderQty": number(one.terms.amount),
        "selfTradePreventionMode": _SELF_TRADES[one.terms.self_trade],
    }


def new_order(one: VenueOrder, response: str) -> dict[str, object]:
    """The answer to a placement: ACK, RESULT or FULL."""
    ack: dict[str, object] = {
        "symbol": one.terms.market,
        "orderId": one.order_id,
        "orderListId": -1,
        "clientOrderId": one.terms.client_id,
        "transactTime": one.created_ms,
    }
    if response == "ACK":
        return ack
    whole = order(one)
    shown = ("price", "origQty", "executedQty", "origQuoteOrderQty", "cummulativeQuoteQty", "status", "timeInForce")
    result = ack | {name: whole[name] for name in (*shown, "type", "side", "workingTime", "selfTradePreventionMode")}
    if response == "RESULT":
        return result
    return result | {"fills": [_fill(execution) for execution in one.executions]}


def cancelled_order(one: VenueOrder, client_id: str) -> dict[str, object]:
    """The answer to a cancellation, which has a client id of its own."""
    whole = order(one)
    kept = ("symbol", "orderId", "orderListId", "price", "origQty", "executedQty", "origQuoteOrderQty")
    return {name: whole[name] for name in kept} | {
        "origClientOrderId": one.terms.client_id,
        "clientOrderId": client_id,
        "transactTime": one.updated_ms,
        "cummulativeQuoteQty": whole["cummulativeQuoteQty"],
        "status": whole["status"],
        "timeInForce": whole["timeInForce"],
        "type": whole["type"],
        "side": whole["side"],
        "selfTradePreventionMode": whole["selfTradePreventionMode"],
    }


def my_trade(one: VenueOrder, execution: Execution) -> dict[str, object]:
    is_buyer = one.terms.side is Side.BUY
    return {
        "symbol": one.terms.market,
        "id": execution.trade_id,
        "orderId": one.order_id,
        "orderListId": -1,
        "price": number(execution.price),
        "qty": number(execution.quantity),
        "quoteQty": number(execution.price * execution.quantity),
        "commission": number(execution.fee),
        "commissionAsset": execution.fee_asset,
        "time": execution.at_ms,
        "isBuyer": is_buyer,
        "isMaker": execution.is_maker,
        "isBestMatch": True,
    }


def account(
    balances: Mapping[str, Balance], rules: Sequence[MarketRules], *, can_trade: bool, can_withdraw: bool, now_ms: int
) -> dict[str, object]:
    """The account, with the commission of most of its symbols."""
    maker = max((one.maker_fee for one in rules), default=Decimal(0))
    taker = max((one.taker_fee for one in rules), default=Decimal(0))
    return {
        "makerCommission": int(maker * 10_000),
        "takerCommission": int(taker * 10_000),
        "buyerCommission": 0,
        "sellerCommission": 0,
        "commissionRates": {
            "maker": number(maker),
            "taker": number(taker),
            "buyer": "0.00000000",
            "seller": "0.00000000",
        },
        "canTrade": can_trade,
        "canWithdraw": can_withdraw,
        "canDeposit": True,
        "brokered": False,
        "requireSelfTradePrevention": False,
        "preventSor": False,
        "updateTime": now_ms,
        "accountType": "SPOT",
        "balances": [
            {"asset": asset, "free": number(one.free), "locked": number(one.locked)}
            for asset, one in sorted(balances.items())
        ],
        "permissions": ["SPOT"],
        "uid": 1,
    }


def commission(rules: MarketRules) -> dict[str, object]:
    none = {"maker": "0.00000000", "taker": "0.00000000", "buyer": "0.00000000", "seller": "0.00000000"}
    standard = none | {"maker": number(rules.maker_fee), "taker": number(rules.taker_fee)}
    return {
        "symbol": rules.name,
        "standardCommission": standard,
        "specialCommission": none,
        "taxCommission": none,
        "discount": {
            "enabledForAccount": False,
            "enabledForSymbol": False,
            "discountAsset": "BNB",
            "discount": "0.75000000",
        },
    }


def execution_report(told: OrderChanged) -> dict[str, object]:
    """An order's event. Where it was cancelled, ``c`` is the id of that request, and its own stands in ``C``."""
    one, execution = told.order, told.execution
    kind = "TRADE" if execution is not None else "NEW" if told.state is OrderState.OPEN else _STATES[told.state]
    state = told.state
    if execution is not None and told.filled == one.filled and one.is_sated:
        state = OrderState.FILLED
    is_cancelled = kind == "CANCELED"
    value = sum((each.price * each.quantity for each in one.executions if _upto(one, each, execution)), Decimal(0))
    report: dict[str, object] = {
        "e": "executionReport",
        "E": told.at_ms,
        "s": one.terms.market,
        "c": (one.cancelled_by if is_cancelled else "") or one.terms.client_id,
        "S": _side(one.terms.side),
        "o": type_of(one.terms),
        "f": _time_in_force(one.terms),
        "q": number(one.terms.quantity or told.filled),
        "p": number(one.terms.price),
        "P": "0.00000000",
        "F": "0.00000000",
        "g": -1,
        "C": one.terms.client_id if is_cancelled else "",
        "x": kind,
        "X": status_of(state, told.filled),
        "r": "NONE",
        "i": one.order_id,
        "l": number(execution.quantity) if execution else "0.00000000",
        "z": number(told.filled),
        "L": number(execution.price) if execution else "0.00000000",
        "n": number(execution.fee) if execution else "0",
        "N": execution.fee_asset if execution else None,
        "T": told.at_ms,
        "t": execution.trade_id if execution else -1,
        "I": told.at_ms,
        "w": state is OrderState.OPEN,
        "m": execution.is_maker if execution else False,
        "M": False,
        "O": one.created_ms,
        "Z": number(value),
        "Y": number(execution.price * execution.quantity) if execution else "0.00000000",
        "Q": number(one.terms.amount),
        "W": one.created_ms,
        "V": _SELF_TRADES[one.terms.self_trade],
    }
    return report


def position_event(told: BalancesChanged) -> dict[str, object]:
    return {
        "e": "outboundAccountPosition",
        "E": told.at_ms,
        "u": told.at_ms,
        "B": [
            {"a": asset, "f": number(one.free), "l": number(one.locked)} for asset, one in sorted(told.balances.items())
        ],
    }


def depth_event(
    market: str, first_id: int, last_id: int, changes: Sequence[BookChanged], now_ms: int
) -> dict[str, object]:
    """What changed of a book within one interval; of several changes at a price, the last."""
    last: dict[Side, dict[Decimal, Decimal]] = {Side.BUY: {}, Side.SELL: {}}
    for told in changes:
        for change in told.changes:
            last[change.side][change.price] = change.size
    return {
        "e": "depthUpdate",
        "E": now_ms,
        "s": market,
        "U": first_id,
        "u": last_id,
        "b": [level(price, size) for price, size in last[Side.BUY].items()],
        "a": [level(price, size) for price, size in last[Side.SELL].items()],
    }


def trade_event(told: Traded) -> dict[str, object]:
    return {
        "e": "trade",
        "E": told.at_ms,
        "s": told.market,
        "t": told.trade_id,
        "p": number(told.price),
        "q": number(told.quantity),
        "T": told.at_ms,
        "m": told.side is Side.SELL,
        "M": True,
    }


def _fill(execution: Execution) -> dict[str, object]:
    return {
        "price": number(execution.price),
        "qty": number(execution.quantity),
        "commission": number(execution.fee),
        "commissionAsset": execution.fee_asset,
        "tradeId": execution.trade_id,
    }


def _upto(one: VenueOrder, each: Execution, last: Execution | None) -> bool:
    return last is None or one.executions.index(each) <= one.executions.index(last)


def _side(side: Side) -> str:
    return "BUY" if side is Side.BUY else "SELL"


def _time_in_force(terms: OrderTerms) -> str:
    return {TimeInForce.IOC: "IOC", TimeInForce.FOK: "FOK", TimeInForce.GTC: "GTC"}[terms.time_in_force]
