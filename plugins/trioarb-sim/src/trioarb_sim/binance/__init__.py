"""Binance spot, as its documents have it (binance-spot-api-docs, changes up to 2026-07-17)."""
