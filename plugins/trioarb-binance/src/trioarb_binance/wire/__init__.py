"""Binance's protocol as pure functions: nothing here opens a connection, waits, or reads a clock.

- `signer`, `client_ids`: keys and signatures; client ids.
- `spot`, `usdm`: requests by REST. `frames`: requests to the WebSocket API. `streams`: market streams.
- `market_message`, `account_message`: what streams and the WebSocket API send. `listing_body`, `order_body`,
  `account_body`: bodies of answers by REST, and results of the WebSocket API (`body.decode`).
- `instruments`, `reports`: what the engine makes of them. `failure`: what errors mean. `limits`: what Binance says of
  its limits.
"""
