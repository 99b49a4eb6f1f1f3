"""pyupbit, whose URLs are literals: REST, the account, the public stream."""

import sys

import elsewhere  # noqa: F401  first: it says where the hosts are
import pyupbit

_, key, secret = sys.argv[1:]


def main():
    assert "KRW-BTC" in pyupbit.get_tickers()
    bid = pyupbit.get_orderbook("KRW-BTC")["orderbook_units"][0]["bid_price"]
    upbit = pyupbit.Upbit(key, secret)
    assert {one["currency"] for one in upbit.get_balances()} >= {"KRW", "BTC"}
    placed = upbit.buy_limit_order("KRW-BTC", round(bid * 0.9, -4), 0.01)
    assert upbit.get_order(placed["uuid"])["state"] == "wait"
    upbit.cancel_order(placed["uuid"])
    assert upbit.get_order(placed["uuid"])["state"] == "cancel"
    bought = upbit.buy_market_order("KRW-BTC", 100_000)
    assert upbit.get_order(bought["uuid"])["executed_volume"] != "0"
    print("listed, traded, queried and cancelled")
    stream = pyupbit.WebSocketManager("ticker", ["KRW-BTC"])
    assert stream.get()["code"] == "KRW-BTC"
    stream.terminate()
    print("streamed prices")


if __name__ == "__main__":
    main()
