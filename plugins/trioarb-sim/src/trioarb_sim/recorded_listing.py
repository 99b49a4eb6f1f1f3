"""Markets as a venue listed them: from the body of its own answer, or a recording of it."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from trioarb.api import ZERO, TrioarbError
from trioarb_sim.market import FeeIn, MarketRules, MarketState
from trioarb_sim.upbit.dialect import BITHUMB, KRW_TICKS, UPBIT, Dialect

__all__ = ["ListingError", "recorded_markets"]

_GZIP = b"\x1f\x8b"
_LOT = Decimal("1e-8")
_BINANCE_FEE = Decimal("0.001")
_BINANCE_STATES = {"TRADING": MarketState.TRADING, "CANCEL_ONLY": MarketState.CANCEL_ONLY}
#: Least values by quote asset: of KRW and BTC as the pages have them; of USDT a guess.
_LEAST = {"KRW": Decimal(5_000), "BTC": Decimal("0.00005"), "USDT": Decimal("0.5")}
_TICKS = {"KRW": KRW_TICKS, "BTC": ((ZERO, Decimal("1e-8")),)}
#: A guess: no page has the steps of USDT markets.
_OTHER_TICKS = ((ZERO, Decimal("1e-8")), (Decimal("0.1"), Decimal("0.0001")), (Decimal(10), Decimal("0.01")))


class ListingError(TrioarbError):
    """A file holds no listing of the venue."""

    exit_code = 2


def recorded_markets(venue: str, paths: Iterable[Path]) -> list[MarketRules]:
    """Return the markets that files list, in their order.

    Each is a body as the venue answers it (JSON, gzipped or not), or a recording of JSON lines whose ``data`` is one.
    Binance, spot and contracts: ``exchangeInfo``. Upbit and Bithumb: ``market/all``, and ``orderbook/instruments`` for
    price steps.

    Raises:
        ListingError: a file can't be read, or isn't such a listing.
    """
    bodies = [body for path in paths for body in _bodies(path)]
    try:
        found = (
            _binance(bodies) if venue.startswith("binance") else _korean(bodies, UPBIT if venue == "upbit" else BITHUMB)
        )
    except (KeyError, TypeError, ValueError, AttributeError, InvalidOperation) as error:
        raise ListingError(f"the listing isn't one that {venue} gives: {error!r}") from None
    if not found:
        raise ListingError(f"the listing has no markets; expected an answer of {venue}'s own")
    return found


def _bodies(path: Path) -> list[Any]:
    try:
        read = path.read_bytes()
        text = (gzip.decompress(read) if read.startswith(_GZIP) else read).decode()
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise ListingError(f"the listing {path} can't be read: {error}") from None
    try:
        return [_unwrapped(json.loads(text))]
    except ValueError:
        pass
    try:
        return [_unwrapped(json.loads(line)) for line in text.splitlines() if line.strip()]
    except ValueError as error:
        raise ListingError(f"the listing {path} is neither JSON nor lines of JSON: {error}") from None


def _unwrapped(found: Any) -> Any:
    """Return the body that a line of a recording has as its text."""
    if isinstance(found, dict) and isinstance(found.get("data"), str):
        return json.loads(found["data"])
    return found


def _binance(bodies: Sequence[Any]) -> list[MarketRules]:
    return [_binance_market(one) for body in bodies for one in body["symbols"]]


def _binance_market(symbol: Mapping[str, Any]) -> MarketRules:
    filters: dict[str, Mapping[str, Any]] = {one["filterType"]: one for one in symbol["filters"]}
    price, lot = filters["PRICE_FILTER"], filters["LOT_SIZE"]
    values = [
        Decimal(filters[name].get("minNotional", filters[name].get("notional", 0)))
        for name in ("MIN_NOTIONAL", "NOTIONAL")
        if name in filters
    ]
    is_open = symbol.get("isSpotTradingAllowed", True)
    return MarketRules(
        name=symbol["symbol"],
        base=symbol["baseAsset"],
        quote=symbol["quoteAsset"],
        ticks=((ZERO, Decimal(price["tickSize"])),),
        lot=Decimal(lot["stepSize"]),
        min_quantity=Decimal(lot["minQty"]),
        max_quantity=Decimal(lot["maxQty"]),
        min_value=max(values, default=ZERO),
        maker_fee=_BINANCE_FEE,
        taker_fee=_BINANCE_FEE,
        fee_in=FeeIn.RECEIVED,
        state=_BINANCE_STATES.get(symbol.get("contractStatus", symbol.get("status")), MarketState.HALTED)
        if is_open
        else MarketState.HALTED,
        price_band=_band(filters),
        listed=symbol,
    )


def _band(filters: Mapping[str, Mapping[str, Any]]) -> tuple[Decimal, Decimal] | None:
    """Return within which multiples of the last price limits have to be; of those by side, what holds for both."""
    if "PERCENT_PRICE" in filters:
        one = filters["PERCENT_PRICE"]
        return Decimal(one["multiplierDown"]), Decimal(one["multiplierUp"])
    if "PERCENT_PRICE_BY_SIDE" in filters:
        one = filters["PERCENT_PRICE_BY_SIDE"]
        return (
            max(Decimal(one["bidMultiplierDown"]), Decimal(one["askMultiplierDown"])),
            min(Decimal(one["bidMultiplierUp"]), Decimal(one["askMultiplierUp"])),
        )
    return None


def _korean(bodies: Sequence[Any], dialect: Dialect) -> list[MarketRules]:
    entries = [one for body in bodies for one in body]
    steps = {one["market"]: Decimal(str(one["tick_size"])) for one in entries if "tick_size" in one}
    return list(_korean_markets([one for one in entries if "tick_size" not in one], steps, dialect))


def _korean_markets(
    entries: Iterable[Mapping[str, Any]], steps: Mapping[str, Decimal], dialect: Dialect
) -> Iterator[MarketRules]:
    for one in entries:
        quote, _, base = one["market"].partition("-")
        ticks = ((ZERO, steps[one["market"]]),) if one["market"] in steps else _TICKS.get(quote, _OTHER_TICKS)
        yield MarketRules(
            name=one["market"],
            base=base,
            quote=quote,
            ticks=ticks,
            lot=_LOT,
            min_value=_LEAST.get(quote, ZERO),
            maker_fee=dialect.fee,
            taker_fee=dialect.fee,
            fee_in=FeeIn.QUOTE,
            listed=one,
        )
