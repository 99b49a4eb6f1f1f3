"""Cross-exchange crypto arbitrage engine on Trio."""

__version__ = "0.1.0"

__all__ = ["__version__"]
