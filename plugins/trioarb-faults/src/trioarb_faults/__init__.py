"""Faults on purpose: an exchange and market data that wrap any other of their kind and spoil what passes through."""
