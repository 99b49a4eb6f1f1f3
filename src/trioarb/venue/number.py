"""Numbers of a venue's messages: decoders take ``nan`` and ``inf`` for numbers, and these are none."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from trioarb.model.given import is_too_long

__all__ = ["require_exact"]


def require_exact(struct: msgspec.Struct) -> None:
    """See that each decimal of a struct is finite, and has no more digits than money has: its ``__post_init__``.

    Args:
        struct: What was decoded.

    Raises:
        ValueError: One isn't; msgspec makes a `ValidationError` of it, which says where.
    """
    for name in struct.__struct_fields__:
        value = getattr(struct, name)
        if isinstance(value, Decimal) and (not value.is_finite() or is_too_long(value)):
            said = f"{value:.10e}" if value.is_finite() else value
            raise ValueError(f"{name} is {said}; expected a number, of no more digits than money has")
