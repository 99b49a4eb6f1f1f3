"""Signatures: published ones, and those of keys made here."""

from __future__ import annotations

import json
from base64 import b64decode
from decimal import Decimal
from pathlib import Path
from urllib.parse import parse_qs, unquote

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from trioarb.api import Order, OrderType, SelfTrade, Side, TimeInForce
from trioarb.venue import Credentials, Request
from trioarb_binance.wire import frames, spot, usdm
from trioarb_binance.wire.client_ids import CLIENT_IDS
from trioarb_binance.wire.frames import Frame, Moment, signature_payload
from trioarb_binance.wire.signer import Stamp, signer_of

PUBLISHED = Path(__file__).parents[3].parent / "shared" / "data" / "fixtures" / "signature_vectors.json"
CLIENT_ID = CLIENT_IDS.encode("1816687ec0570000-90d316-r2-17")
SECRET = "a-secret-that-must-not-be-seen"
NON_ASCII = "１２３４５６"


def order(**changes: object) -> Order:
    fields: dict[str, object] = {
        "client_order_id": "1816687ec0570000-90d316-r2-17",
        "venue": "binance",
        "symbol": "BTCUSDT",
        "side": Side.SELL,
        "quantity": Decimal("0.0100"),
        "limit_price": Decimal("52000.00"),
    }
    return Order(**{**fields, **changes})  # type: ignore[arg-type]


def hmac_stamp() -> Stamp:
    return Stamp(signer=signer_of(Credentials(api_key="key", secret=SECRET)), now_ms=1_645_423_376_532)


def pem(key: Ed25519PrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.mark.skipif(not PUBLISHED.exists(), reason="the published signatures are not here")
@pytest.mark.parametrize("name", ["binance_rest_hmac_ascii", "binance_ws_hmac_ascii"])
def test_a_published_signature(name: str) -> None:
    one = next(one for one in json.loads(PUBLISHED.read_text()) if one["id"] == name)
    sign = signer_of(Credentials(api_key=one["api_key"], secret=one["secret"])).sign
    assert sign(one["payload"]) == one["signature"]
    parameters = dict(pair.split("=") for pair in one["payload"].split("&"))
    if name == "binance_ws_hmac_ascii":
        assert signature_payload(dict(reversed(parameters.items()))) == one["payload"]


def test_the_private_key_signs_what_is_sent() -> None:
    key = Ed25519PrivateKey.generate()
    stamp = Stamp(signer=signer_of(Credentials(api_key="key", secret=f"  {pem(key)}\n")), now_ms=1_700_000_000_000)
    assert stamp.signer.logs_on
    request = spot.new_order(order(), native_id=NON_ASCII, client_id=CLIENT_ID, stamp=stamp)
    payload, _, signature = request.body.decode("ascii").rpartition("&signature=")
    assert "symbol=%EF%BC%91%EF%BC%92%EF%BC%93%EF%BC%94%EF%BC%95%EF%BC%96&" in payload
    key.public_key().verify(b64decode(unquote(signature), validate=True), payload.encode())

    frame = frames.place_order(1, order(), native_id=NON_ASCII, client_id=CLIENT_ID, stamp=stamp)
    sent = json.loads(frame.text)["params"]
    text = signature_payload({name: value for name, value in sent.items() if name != "signature"})
    assert f"&symbol={NON_ASCII}&" in text
    key.public_key().verify(b64decode(sent["signature"], validate=True), text.encode())


def test_a_session_that_logged_on_signs_nothing_any_more() -> None:
    key = Ed25519PrivateKey.generate()
    stamp = Stamp(signer=signer_of(Credentials(api_key="key", secret=pem(key))), now_ms=1, recv_window_ms=500)
    log_on = json.loads(frames.log_on(1, stamp).text)
    assert log_on["method"] == "session.logon"
    assert set(log_on["params"]) == {"apiKey", "timestamp", "recvWindow", "signature"}
    placed = frames.place_order(
        2, order(), native_id="BTCUSDT", client_id=CLIENT_ID, stamp=Moment(now_ms=3, recv_window_ms=500)
    )
    assert json.loads(placed.text)["params"] == {
        "symbol": "BTCUSDT",
        "side": "SELL",
        "newClientOrderId": CLIENT_ID,
        "newOrderRespType": "FULL",
        "type": "LIMIT",
        "quantity": "0.01",
        "price": "52000",
        "timeInForce": "IOC",
        "timestamp": 3,
        "recvWindow": 500,
    }


def test_a_secret_does_not_log_on_but_subscribes() -> None:
    stamp = hmac_stamp()
    with pytest.raises(ValueError, match="Ed25519"):
        frames.log_on(1, stamp)
    subscribe = json.loads(frames.subscribe_account_signed(7, stamp).text)
    assert subscribe["method"] == "userDataStream.subscribe.signature"
    assert subscribe["params"]["signature"] == stamp.signer.sign("apiKey=key&timestamp=1645423376532")
    assert json.loads(frames.subscribe_account(8).text) == {"id": 8, "method": "userDataStream.subscribe"}


@pytest.mark.parametrize("kind", ["a public key", "another curve", "with a password", "damaged"])
def test_another_key_is_refused_and_not_shown(kind: str) -> None:
    key = Ed25519PrivateKey.generate()
    text = {
        "a public key": key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        "another curve": generate_private_key(SECP256R1()).private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        ),
        "with a password": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"password")),
        "damaged": pem(key).replace("M", "").encode(),
    }[kind].decode()
    with pytest.raises(ValueError, match="Ed25519") as raised:
        signer_of(Credentials(api_key="key", secret=text))
    assert text.splitlines()[1] not in str(raised.value)
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__ or raised.value.__context__ is None


def test_nothing_that_is_secret_is_shown() -> None:
    key = Ed25519PrivateKey.generate()
    for secret in (SECRET, pem(key)):
        signer = signer_of(Credentials(api_key="an-api-key-in-full", secret=secret))
        stamp = Stamp(signer=signer, now_ms=1)
        request: Request | Frame
        for request in (
            spot.new_order(order(), native_id="BTCUSDT", client_id=CLIENT_ID, stamp=stamp),
            spot.account(stamp),
            frames.place_order(1, order(), native_id="BTCUSDT", client_id=CLIENT_ID, stamp=stamp),
        ):
            for shown in (repr(request), repr(stamp)):
                assert "an-api-key-in-full" not in shown
                assert "signature" not in shown
                assert secret.strip().splitlines()[-1] not in shown


def sent(request: Request) -> dict[str, str]:
    found = parse_qs(request.body.decode() or request.query)
    return {name: values[0] for name, values in found.items() if name not in ("timestamp", "signature")}


ORDERS = {
    "IOC": ({}, {"type": "LIMIT", "quantity": "0.01", "price": "52000", "timeInForce": "IOC"}),
    "FOK": (
        {"time_in_force": TimeInForce.FOK},
        {"type": "LIMIT", "quantity": "0.01", "price": "52000", "timeInForce": "FOK"},
    ),
    "GTC": (
        {"time_in_force": TimeInForce.GTC},
        {"type": "LIMIT", "quantity": "0.01", "price": "52000", "timeInForce": "GTC"},
    ),
    "post-only": (
        {"time_in_force": TimeInForce.GTC, "post_only": True},
        {"type": "LIMIT_MAKER", "quantity": "0.01", "price": "52000"},
    ),
    "market": ({"type": OrderType.MARKET, "limit_price": Decimal(0)}, {"type": "MARKET", "quantity": "0.01"}),
    "market by amount": (
        {
            "type": OrderType.MARKET,
            "limit_price": Decimal(0),
            "quantity": Decimal(0),
            "amount": Decimal("25.50"),
            "side": Side.BUY,
        },
        {"type": "MARKET", "quoteOrderQty": "25.5", "side": "BUY"},
    ),
    "new one goes": (
        {"self_trade": SelfTrade.CANCEL_NEW},
        {
            "type": "LIMIT",
            "quantity": "0.01",
            "price": "52000",
            "timeInForce": "IOC",
            "selfTradePreventionMode": "EXPIRE_TAKER",
        },
    ),
    "small and exact": (
        {"quantity": Decimal("1E-8"), "limit_price": Decimal("1.20E+3")},
        {"type": "LIMIT", "quantity": "0.00000001", "price": "1200", "timeInForce": "IOC"},
    ),
}


@pytest.mark.parametrize("name", ORDERS)
def test_each_order_that_the_engine_knows(name: str) -> None:
    changes, expected = ORDERS[name]
    one = order(**changes)
    assert not one.problem()
    common = {"symbol": "BTCUSDT", "side": "SELL", "newClientOrderId": CLIENT_ID, "newOrderRespType": "FULL"}
    request = spot.new_order(one, native_id="BTCUSDT", client_id=CLIENT_ID, stamp=hmac_stamp())
    assert sent(request) == common | expected
    frame = frames.place_order(1, one, native_id="BTCUSDT", client_id=CLIENT_ID, stamp=Moment(now_ms=1))
    parameters = json.loads(frame.text)["params"]
    assert parameters.pop("timestamp") == 1
    assert parameters == common | expected


def test_what_a_venue_does_not_know_is_refused_before_it_is_sent() -> None:
    stamp = hmac_stamp()
    with pytest.raises(ValueError, match="reduce-only"):
        spot.new_order(order(reduce_only=True), native_id="BTCUSDT", client_id=CLIENT_ID, stamp=stamp)
    by_amount = order(**ORDERS["market by amount"][0])
    with pytest.raises(ValueError, match="amount"):
        usdm.new_order(by_amount, native_id="BTCUSDT", client_id=CLIENT_ID, stamp=stamp)
    with pytest.raises(ValueError, match="named"):
        spot.query_order("BTCUSDT", stamp)
    with pytest.raises(ValueError, match="named"):
        frames.cancel_order(1, "BTCUSDT", stamp)
    with pytest.raises(ValueError, match="5001"):
        spot.depth("BTCUSDT", 5_001)
    with pytest.raises(ValueError, match="30"):
        usdm.depth("BTCUSDT", 30)


def test_contracts_say_so_otherwise() -> None:
    one = order(time_in_force=TimeInForce.GTC, post_only=True, reduce_only=True, self_trade=SelfTrade.CANCEL_OLD)
    request = usdm.new_order(one, native_id="BTCUSDT", client_id=CLIENT_ID, stamp=hmac_stamp())
    assert sent(request) == {
        "symbol": "BTCUSDT",
        "side": "SELL",
        "newClientOrderId": CLIENT_ID,
        "newOrderRespType": "RESULT",
        "selfTradePreventionMode": "EXPIRE_MAKER",
        "reduceOnly": "true",
        "type": "LIMIT",
        "quantity": "0.01",
        "price": "52000",
        "timeInForce": "GTX",
    }


def test_a_snapshot_weighs_what_the_page_says() -> None:
    weights = {levels: spot.depth("BTCUSDT", levels).weight for levels in (1, 100, 101, 500, 501, 1_000, 1_001, 5_000)}
    assert weights == {1: 5, 100: 5, 101: 25, 500: 25, 501: 50, 1_000: 50, 1_001: 250, 5_000: 250}


def test_client_ids_are_as_binance_takes_them() -> None:
    longest = "1816687ec0570000-90d316-r1023-549755813887"
    for ours in ("1816687ec0570000-90d316-r2-17", "0-000000-1", longest):
        theirs = CLIENT_IDS.encode(ours)
        assert len(theirs) <= 36
        assert CLIENT_IDS.decode(theirs) == ours
        # Neither a comment nor a word of SQL can be spelled with what stands behind the prefix.
        assert not set(theirs.removeprefix("trioarb-")) & set("aeiouyAEIOUY-_;")
    assert CLIENT_IDS.decode("x-TKT5PX2F0000000000000000000001") is None
    assert CLIENT_IDS.decode("web_1") is None
