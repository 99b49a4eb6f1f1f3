"""Requests that a foreign client signed with a JSON web token, and what is compared of them."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from hashlib import sha512
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest

from trioarb.api import Order, OrderType, Side, TimeInForce, exact_decimal
from trioarb.venue import Request

DATA = Path(__file__).parents[2].parent / "shared" / "data"

_TIMES = {"IOC": TimeInForce.IOC, "FOK": TimeInForce.FOK}


def shared(path: str) -> Path:
    """Return a file or folder of the shared data; the test is skipped where it isn't there."""
    found = DATA / path
    if not found.exists():
        pytest.skip(f"{found} isn't there: recorded traffic and foreign clients' requests are not part of the project")
    return found


def shared_json(path: str) -> Any:
    return json.loads(shared(path).read_text(encoding="utf-8"))


def claims_of(headers: dict[str, str]) -> dict[str, Any]:
    """Return what a request's token says."""
    payload = headers["Authorization"].removeprefix("Bearer ").split(".")[1]
    claims: dict[str, Any] = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return claims


def as_request(vector: dict[str, Any]) -> Request:
    """Return a foreign client's request, as it put it together, without its token."""
    parts = urlsplit(vector["url"])
    body = vector.get("body") or ""
    return Request(method=vector["method"], path=parts.path, query=parts.query, body=body.encode())


def essence(request: Request) -> tuple[str, str, frozenset[tuple[str, str]]]:
    """Return what a request is, whatever the order of its parameters."""
    body: dict[str, Any] = json.loads(request.body) if request.body else {}
    pairs = [*parse_qsl(request.query), *((key, str(value)) for key, value in body.items())]
    return request.method, request.path, frozenset(pairs)


def query_hash(request: Request) -> str | None:
    """Return the hash that a token has to have, by the venues' description of it; ``None``: none."""
    if request.query:
        text = "&".join(f"{key}={value}" for key, value in parse_qsl(request.query))
    else:
        body = json.loads(request.body) if request.body else {}
        text = "&".join(f"{key}={value}" for key, value in body.items())
    return sha512(unquote(text).encode()).hexdigest() if text else None


def order_of(arguments: list[Any]) -> Order:
    """Return the order of a foreign client's call: symbol, type, side, amount, price, and what else it says."""
    symbol, kind, side, amount, price, more = (*arguments, {})[:6]
    base, quote = symbol.split("/")
    is_market, is_buy = kind == "market", side == "buy"
    quantity = exact_decimal(amount)
    spent = exact_decimal(more["cost"]) if "cost" in more else quantity * exact_decimal(price or 0)
    nothing = exact_decimal(0)
    time = _TIMES.get(more.get("timeInForce", ""), TimeInForce.IOC if is_market else TimeInForce.GTC)
    return Order(
        client_order_id="18e3a-0f00ba-7",
        venue="here",
        symbol=f"{base}{quote}",
        side=Side.BUY if is_buy else Side.SELL,
        quantity=nothing if is_market and is_buy else quantity,
        limit_price=nothing if is_market else exact_decimal(price),
        amount=spent if is_market and is_buy else nothing,
        type=OrderType.MARKET if is_market else OrderType.LIMIT,
        time_in_force=time,
        post_only=bool(more.get("postOnly")),
    )


def market_of(symbol: str) -> str:
    """Return BTC/KRW as KRW-BTC."""
    base, quote = symbol.split("/")
    return f"{quote}-{base}"


def files_of(venue: str) -> set[str]:
    """Return the files of shared data that have a venue's name in their path, and those of all venues that know it."""
    found = {path.relative_to(DATA) for path in shared(".").rglob("*") if path.is_file()}
    named = {str(path) for path in found if any(part.split(".")[0] == venue for part in path.parts)}
    of_all = {"fixtures/order_requests.json", "fixtures/signature_vectors.json"}
    return named | {path for path in of_all if f'"{venue}"' in (DATA / path).read_text(encoding="utf-8")}
