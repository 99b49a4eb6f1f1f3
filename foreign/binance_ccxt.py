"""ccxt and ccxt.pro as they are, but for where the venue is: REST, streams, the WebSocket API, the private stream."""

import asyncio
import re
import sys

import ccxt
import ccxt.pro

port, key, secret = sys.argv[1:]
SYMBOL = "BTC/USDT"


def here(urls):
    """Return a table of URLs with this machine for every host."""
    if isinstance(urls, dict):
        return {name: here(value) for name, value in urls.items()}
    return re.sub(r"^(http|ws)s?://[^/]+", rf"\1://127.0.0.1:{port}", urls) if isinstance(urls, str) else urls


def client(module):
    made = module.binance({"apiKey": key, "secret": secret, "enableRateLimit": False, "timeout": 5000})
    made.urls["api"] = here(made.urls["api"])
    made.has["fetchCurrencies"] = False
    made.options |= {"fetchCurrencies": False, "fetchMargins": False, "defaultType": "spot"}
    made.options["fetchMarkets"] = {"types": ["spot"]}
    return made


def refused(kind, call):
    try:
        call()
    except kind as error:
        print("refused:", type(error).__name__)
    else:
        raise AssertionError(f"expected a {kind.__name__}")


def by_rest():
    e = client(ccxt)
    markets = e.load_markets()
    assert markets[SYMBOL]["precision"] == {"amount": 1e-05, "price": 0.01, "base": 1e-08, "quote": 1e-08}
    book = e.fetch_order_book(SYMBOL)
    bid, ask = book["bids"][0][0], book["asks"][0][0]
    assert 0 < bid < ask
    assert e.fetch_balance()["BTC"]["free"] > 0
    print("listed", len(markets), "markets, read a book and balances")

    taken = e.create_order(SYMBOL, "limit", "buy", 0.01, ask * 1.01, {"timeInForce": "IOC", "clientOrderId": "t-1"})
    assert (taken["status"], taken["filled"], taken["clientOrderId"]) == ("closed", 0.01, "t-1")
    assert taken["fees"] == [{"currency": "BTC", "cost": 1e-05}]
    resting = e.create_order(SYMBOL, "limit", "buy", 0.01, round(bid * 0.9, 2))
    assert [one["id"] for one in e.fetch_open_orders(SYMBOL)] == [resting["id"]]
    assert e.fetch_order(resting["id"], SYMBOL)["status"] == "open"
    assert e.cancel_order(resting["id"], SYMBOL)["status"] == "canceled"
    maker = e.create_order(SYMBOL, "limit", "sell", 0.01, round(ask * 1.1, 2), {"postOnly": True})
    assert maker["status"] == "open"
    e.cancel_order(maker["id"], SYMBOL)
    sold = e.create_order(SYMBOL, "market", "sell", 0.01)
    assert sold["status"] == "closed"
    assert sum(one["amount"] for one in e.fetch_my_trades(SYMBOL)) == 0.02
    assert len(e.fetch_orders(SYMBOL)) == 4
    print("placed, queried and cancelled orders of each type")

    refused(ccxt.InsufficientFunds, lambda: e.create_order(SYMBOL, "limit", "buy", 100, round(bid, 2)))
    refused(ccxt.OrderNotFound, lambda: e.cancel_order("999", SYMBOL))
    refused(ccxt.OrderNotFound, lambda: e.fetch_order("999", SYMBOL))
    refused(
        ccxt.OrderImmediatelyFillable,
        lambda: e.create_order(SYMBOL, "limit", "buy", 0.01, round(ask * 1.01, 2), {"postOnly": True}),
    )


async def by_sockets():
    e = client(ccxt.pro)

    async def soon(awaited):
        return await asyncio.wait_for(awaited, 10)

    try:
        await e.load_markets()
        nonces = [(await soon(e.watch_order_book(SYMBOL)))["nonce"] for _ in range(5)]
        assert nonces == sorted(nonces)
        assert nonces[0] < nonces[-1]
        best = (await soon(e.watch_bids_asks([SYMBOL])))[SYMBOL]
        print("streamed a book and best prices")

        orders = asyncio.create_task(e.watch_orders(SYMBOL))
        await asyncio.sleep(1)
        await e.create_order(SYMBOL, "limit", "buy", 0.01, round(best["ask"] * 1.01, 2), {"timeInForce": "IOC"})
        assert [(one["status"], one["filled"]) for one in await soon(orders)] in ([("open", 0)], [("closed", 0.01)])
        trades = asyncio.create_task(e.watch_my_trades(SYMBOL))
        await asyncio.sleep(0.5)
        await e.create_order(SYMBOL, "market", "buy", 0.01)
        assert await soon(trades)
        print("heard of its orders and fills")

        resting = await soon(e.create_order_ws(SYMBOL, "limit", "buy", 0.01, round(best["bid"] * 0.9, 2)))
        assert resting["status"] == "open"
        assert (await soon(e.cancel_order_ws(resting["id"], SYMBOL)))["status"] == "canceled"
        print("placed and cancelled over the WebSocket API")
    finally:
        await e.close()


by_rest()
asyncio.run(by_sockets())
