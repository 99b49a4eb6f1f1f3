"""Simulated venues: real protocols over loopback, with accounts, a matching engine, limits, and faults on request."""
