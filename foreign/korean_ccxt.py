"""ccxt and ccxt.pro with Upbit or Bithumb, whichever the venue's key is of."""

import asyncio
import re
import sys

import ccxt
import ccxt.pro

port, key, secret = sys.argv[1:]
NAME, SYMBOL = key.partition("-")[0], "BTC/KRW"


def here(urls):
    """Return a table of URLs with this machine for every host."""
    if isinstance(urls, dict):
        return {name: here(value) for name, value in urls.items()}
    return re.sub(r"^(http|ws)s?://[^/]+", rf"\1://127.0.0.1:{port}", urls) if isinstance(urls, str) else urls


def client(module):
    made = getattr(module, NAME)({"apiKey": key, "secret": secret, "enableRateLimit": True, "timeout": 5000})
    made.urls["api"] = here(made.urls["api"])
    made.hostname = f"127.0.0.1:{port}"
    return made


def by_rest():
    e = client(ccxt)
    markets = e.load_markets()
    book = e.fetch_order_book(SYMBOL)
    bid, ask = book["bids"][0][0], book["asks"][0][0]
    assert 0 < bid < ask
    assert e.fetch_balance()["KRW"]["free"] > 0
    print("listed", len(markets), "markets, read a book and balances")
    resting = e.create_order(SYMBOL, "limit", "buy", 0.01, round(bid * 0.9, -4))
    taken = e.create_order(SYMBOL, "limit", "buy", 0.001, round(ask * 1.01, -4))
    found = e.fetch_order(taken["id"], SYMBOL)
    assert found["status"] == "closed"
    assert found["info"]["executed_volume"] == "0.001"
    assert e.fetch_order(resting["id"], SYMBOL)["status"] == "open"
    assert [one["id"] for one in e.fetch_open_orders(SYMBOL)] == [resting["id"]]
    e.cancel_order(resting["id"], SYMBOL)
    assert e.fetch_order(resting["id"], SYMBOL)["status"] == "canceled"
    print("placed, queried and cancelled")
    # Of Bithumb it knows no names of errors.
    expected = ccxt.ExchangeError if NAME == "bithumb" else ccxt.InsufficientFunds
    try:
        e.create_order(SYMBOL, "limit", "buy", 100, round(bid, -4))
    except expected as error:
        print("refused:", error)
    else:
        raise AssertionError("expected an error")


async def by_sockets():
    e = client(ccxt.pro)

    async def soon(awaited):
        return await asyncio.wait_for(awaited, 10)

    try:
        await e.load_markets()
        times = [(await soon(e.watch_order_book(SYMBOL)))["timestamp"] for _ in range(4)]
        assert times == sorted(times)
        print("streamed a book")
        if NAME == "upbit":
            orders = asyncio.create_task(e.watch_orders(SYMBOL))
            await asyncio.sleep(1)
            ask = (await e.fetch_order_book(SYMBOL))["asks"][0][0]
            await e.create_order(SYMBOL, "limit", "buy", 0.001, round(ask * 1.01, -4))
            assert await soon(orders)
            print("heard of its orders")
    finally:
        await e.close()


by_rest()
asyncio.run(by_sockets())
