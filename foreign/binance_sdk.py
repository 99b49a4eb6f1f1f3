"""The venue's own Python client, binance-sdk-spot: REST, market streams, the WebSocket API."""

import asyncio
import itertools
import sys

from binance_common.configuration import (
    ConfigurationRestAPI,
    ConfigurationWebSocketAPI,
    ConfigurationWebSocketStreams,
)
from binance_sdk_spot.spot import Spot

port, key, secret = sys.argv[1:]
keys = {"api_key": key, "api_secret": secret}
client = Spot(
    config_rest_api=ConfigurationRestAPI(**keys, base_path=f"http://127.0.0.1:{port}"),
    config_ws_streams=ConfigurationWebSocketStreams(stream_url=f"ws://127.0.0.1:{port}"),
    config_ws_api=ConfigurationWebSocketAPI(**keys, stream_url=f"ws://127.0.0.1:{port}/ws-api/v3"),
)
ORDER = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "quantity": 0.01}


def by_rest():
    rest = client.rest_api
    symbols = {one.symbol: one for one in rest.exchange_info().data().symbols}
    assert symbols["BTCUSDT"].status == "TRADING"
    bid = float(rest.depth(symbol="BTCUSDT").data().bids[0][0])
    assert any(one.asset == "BTC" for one in rest.get_account().data().balances)
    taken = rest.new_order(**ORDER, time_in_force="IOC", price=round(bid * 1.1, 2), new_client_order_id="c-1").data()
    assert (taken.status, taken.client_order_id, len(taken.fills)) == ("FILLED", "c-1", 1)
    resting = rest.new_order(**ORDER, time_in_force="GTC", price=round(bid * 0.9, 2)).data()
    assert len(rest.get_open_orders("BTCUSDT").data()) == 1
    assert rest.get_order("BTCUSDT", order_id=resting.order_id).data().status == "NEW"
    assert rest.delete_order("BTCUSDT", order_id=resting.order_id).data().status == "CANCELED"
    print("listed, traded, queried and cancelled by REST")
    return bid


async def by_sockets(bid):
    connection, got = await client.websocket_streams.create_connection(), []
    stream = await connection.diff_book_depth(symbol="btcusdt", update_speed="100ms")
    stream.on("message", got.append)
    await asyncio.sleep(1.5)
    await connection.close_connection(close_session=True)
    assert len(got) >= 3
    assert all(before.u + 1 == after.U for before, after in itertools.pairwise(got))
    print("streamed", len(got), "changes of a book without a gap")

    connection = await client.websocket_api.create_connection()
    placed = (await connection.order_place(**ORDER, time_in_force="GTC", price=round(bid * 0.9, 2))).data()
    assert placed.result.status == "NEW"
    assert {one.rate_limit_type for one in placed.rate_limits} >= {"REQUEST_WEIGHT", "ORDERS"}
    cancelled = (await connection.order_cancel(symbol="BTCUSDT", order_id=placed.result.order_id)).data()
    assert cancelled.result.status == "CANCELED"
    await connection.close_connection(close_session=True)
    print("placed and cancelled over the WebSocket API")


asyncio.run(by_sockets(by_rest()))
