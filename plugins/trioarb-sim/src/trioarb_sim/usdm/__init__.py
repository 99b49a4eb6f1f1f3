"""Market data of Binance's USDT-margined futures, as its documents and recordings have it."""
