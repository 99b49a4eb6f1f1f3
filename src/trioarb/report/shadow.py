"""Shadow mode as figures: how far the paper model is from what the venues' books showed afterwards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import attrs

from trioarb.model.number import text
from trioarb.report.figures import usd
from trioarb.report.plain import present
from trioarb.state.markouts import in_bps
from trioarb.state.shadow import Compared, Shadow
from trioarb.state.state import State

__all__ = ["shadow", "shadow_lines"]

_NS_IN_MS = 1_000_000


def shadow(state: State) -> dict[str, Any] | None:
    """Return the error of the model, by venue and look, and of all venues; ``None`` in other modes than shadow."""
    found = state.shadow
    if not found.orders:
        return None
    rested = {venue: {**attrs.asdict(one)} for venue, one in sorted(found.rested.items())}
    return present(
        {
            "orders": found.orders.total(),
            "refused": found.refused.total(),
            "after": {at: _figures(one) for at, one in _by_time(found.overall)},
            "venues": {
                venue: {
                    "orders": found.orders[venue],
                    "refused": found.refused[venue],
                    "after": {at: _figures(one) for at, one in _by_time(found.compared.get(venue, {}))},
                }
                for venue in sorted(found.orders)
            },
            "at_rest": rested or None,
        }
    )


def _figures(one: Compared) -> dict[str, Any]:
    """Return the figures of one kind of look."""
    errors = {
        "orders": one.errors.total(),
        "mean": one.mean_bps,
        "p50": one.percentile_bps(50),
        "p95": one.percentile_bps(95),
        "worst": one.worst_bps,
    }
    return present(
        {
            "after_ms": _after_ms(one),
            "orders": one.looks,
            "same_outcome": one.same,
            "filled_model": _mean(one.model_share, one.looks),
            "filled_book": _mean(one.book_share, one.looks),
            "price_error_bps": present(errors) if errors["orders"] else None,
            "error_usd": one.cost_usd,
            "error_bps": in_bps(one.cost_usd, one.value_usd),
            "unvalued": one.unvalued or None,
            "taken_before": one.taken or None,
            "unmeasured": dict(sorted(one.unmeasured.items())) or None,
        }
    )


def shadow_lines(found: Shadow) -> Iterator[tuple[str, str]]:
    """Yield for people, by look, how the model and the books differ; and what became of orders at rest."""
    for at, one in _by_time(found.overall):
        asked = one.looks + one.unmeasured.total()
        name = f"{named(at)}, {one.looks:,}{'' if asked == one.looks else f' of {asked:,}'} orders"
        if not one.looks:
            yield f"{named(at)}", f"not measured, {one.unmeasured.total():,} times"
            continue
        same = f"{one.same / one.looks:.0%} the same"
        price = "" if one.mean_bps is None else f", price {one.mean_bps:+.2f} bps"
        yield name, f"{same}{price}, {one.cost_usd:+,.2f} USD"
    for venue, rested in sorted(found.rested.items()):
        parts = {
            "confirmed": rested.confirmed_usd,
            "by the queue": rested.uncertain_usd,
            "contradicted": rested.contradicted_usd,
            "missed": rested.missed_usd,
        }
        shown = ", ".join(f"{usd(amount)} {what}" for what, amount in parts.items() if amount)
        yield f"at rest at {venue}, {rested.orders:,} orders", f"{shown or 'none filled'} (USD)"
    if refused := found.refused.total():
        yield "refused by the model", f"{refused:,}"


def named(at: str) -> str:
    """Return what a look is called, for people."""
    if at.startswith("x"):
        return f"latency × {at[1:]}"
    return {"trip": "round trip", "half_trip": "half the trip"}.get(at, f"{at.removesuffix('ms')} ms")


def _by_time(looks: Mapping[str, Compared]) -> list[tuple[str, Compared]]:
    """Return looks in the order of the times that they were after their orders, those never taken last."""
    return sorted(looks.items(), key=lambda item: (not item[1].looks, item[1].after_ns / max(1, item[1].looks)))


def _after_ms(one: Compared) -> float | None:
    return round(one.after_ns / one.looks / _NS_IN_MS, 3) if one.looks else None


def _mean(total: Decimal, count: int) -> str | None:
    return text((total / count).quantize(Decimal("0.0001"))) if count else None
