"""Binance's error codes and words for what is refused."""

from __future__ import annotations

from trioarb_sim.order import Refusal

__all__ = ["ApiError", "refused"]


class ApiError(Exception):
    """A request ends with this status, code and message. ``after_seconds`` stands in Retry-After."""

    def __init__(self, status: int, code: int, message: str, *, after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.after_seconds = status, code, message, after_seconds


_REFUSALS = {
    Refusal.NO_SUCH_MARKET: (-1121, "Invalid symbol."),
    Refusal.HALTED: (-2010, "Market is closed."),
    Refusal.CANCEL_ONLY: (-2010, "Market is closed."),
    Refusal.OFF_TICK: (-1013, "Filter failure: PRICE_FILTER"),
    Refusal.PRICE_OUT_OF_RANGE: (-1013, "Filter failure: PERCENT_PRICE_BY_SIDE"),
    Refusal.OFF_LOT: (-1013, "Filter failure: LOT_SIZE"),
    Refusal.TOO_SMALL: (-1013, "Filter failure: LOT_SIZE"),
    Refusal.TOO_LARGE: (-1013, "Filter failure: LOT_SIZE"),
    Refusal.BELOW_MINIMUM_VALUE: (-1013, "Filter failure: NOTIONAL"),
    Refusal.NO_FUNDS: (-2010, "Account has insufficient balance for requested action."),
    Refusal.DUPLICATE_ID: (-2010, "Duplicate order sent."),
    Refusal.WOULD_TAKE: (-2010, "Order would immediately match and take."),
    Refusal.UNKNOWN_ORDER: (-2013, "Order does not exist."),
    Refusal.ENDED_ORDER: (-2011, "Unknown order sent."),
    Refusal.TOO_MANY_ORDERS: (-1013, "Filter failure: MAX_NUM_ORDERS"),
    Refusal.NOT_OFFERED: (-1116, "Invalid orderType."),
}


def refused(why: Refusal) -> ApiError:
    """Return how Binance says that it refuses a request."""
    code, message = _REFUSALS[why]
    return ApiError(400, code, message)
