"""Upbit: its protocol as pure functions (`wire`), and what Bithumb's has in common with it (`dialect`)."""
