"""Bithumb: its protocol as pure functions (`wire`), in the dialect that it shares with Upbit."""
