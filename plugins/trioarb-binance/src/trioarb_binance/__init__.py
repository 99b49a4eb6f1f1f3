"""Binance: spot, and market data of USDT-margined futures."""
