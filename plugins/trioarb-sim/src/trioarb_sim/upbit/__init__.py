"""Upbit, and Bithumb, whose protocol is its sibling."""
