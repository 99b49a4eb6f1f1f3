"""Cross-exchange crypto arbitrage engine on Trio."""

__version__ = "0.1.0"
