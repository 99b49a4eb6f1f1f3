"""Chance, from the session's seed, the venue and the fault's name alone."""

from __future__ import annotations

from random import Random

__all__ = ["layer_around", "stream"]


def stream(seed: int, venue: str, layer: int, fault: str) -> Random:
    """Return the random stream of one fault of one venue."""
    return Random(f"{seed}:{venue}:faulty{layer}:{fault}")


def layer_around(inner: object, cls: type) -> int:
    """Return how many of ``cls`` stand around the innermost plugin, one around ``inner`` included."""
    return 1 + (int(getattr(inner, "layer", 0)) if isinstance(inner, cls) else 0)
