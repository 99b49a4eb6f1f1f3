"""`trioarb residuals`: what pairs of a campaign left one-sided, its dust included, and what it stands at."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from trioarb.cli.folded import report_on
from trioarb.cli.options import AsJson, PluginFiles
from trioarb.cli.output import print_json
from trioarb.cli.reading import JournalPath
from trioarb.model.number import EXACT, text
from trioarb.report.aligned import aligned
from trioarb.report.figures import usd
from trioarb.report.plain import present
from trioarb.report.report import Report
from trioarb.state.state import State

__all__ = ["residuals"]


def residuals(journal: JournalPath, /, *, plugin: PluginFiles = None, as_json: AsJson = False) -> int:
    """List them; return 0, whether there are any or not."""

    def tell(report: Report) -> None:
        rows = [*_residuals(report.state), *_dust(report.state)]
        if as_json:
            print_json([present(row) for row in rows])
        elif not rows:
            print("Nothing is left: every pair was evened out, or what it left was traded away.")
        else:
            header = ("", "symbol", "venue", "held", "price", "cost (USD)", "mark", "of trade")
            for line in aligned([header, *map(_shown, rows)], right={4, 5, 6}):
                print(line)

    report_on(journal, tell, plugin, has_figures=False)
    return 0


def _residuals(state: State) -> list[dict[str, Any]]:
    return [
        {
            "kind": "residual",
            "id": left.residual_id,
            "symbol": left.symbol,
            "venue": left.venue,
            "asset": left.asset,
            "quantity": left.quantity,
            "average_price": left.average_price,
            "cost_usd": left.cost_usd,
            "mark_price": _mark(state, left.symbol, left.venue, left.quantity),
            "trade_id": left.trade_id,
            "unknown": left.unknown,
            "possible": left.possible,
            "client_order_id": left.client_order_id,
        }
        for left in state.trades.residuals.values()
    ]


def _dust(state: State) -> list[dict[str, Any]]:
    return [
        {
            "kind": "dust",
            "symbol": symbol,
            "venue": venue,
            "asset": dust.asset,
            "quantity": dust.quantity,
            "mark_price": _mark(state, symbol, venue, dust.quantity),
        }
        for (symbol, venue), dust in sorted(state.trades.dust.items())
        if dust.quantity
    ]


def _mark(state: State, symbol: str, venue: str, quantity: Decimal) -> Decimal | None:
    """Return at what it could be traded away when that was recorded last."""
    price = state.marks.prices.get((symbol, venue))
    return None if price is None else price.side(quantity)


def _shown(row: dict[str, Any]) -> tuple[str, ...]:
    side = "long" if row["quantity"] > 0 else "short"
    fate = " (if its order filled)" if row.get("possible") else " (as far as is known)" if row.get("unknown") else ""
    price, cost, mark = row.get("average_price"), row.get("cost_usd"), row["mark_price"]
    return (
        row["kind"],
        row["symbol"],
        row["venue"],
        f"{side} {text(EXACT.abs(row['quantity']))} {row['asset']}{fate}",
        "" if price is None else text(price),
        "" if cost is None else usd(cost),
        "" if mark is None else text(mark),
        row.get("trade_id", ""),
    )
