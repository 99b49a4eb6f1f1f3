"""A summary (`trioarb summary --json`) held against the figures of its events, to the last digit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

from recount.exact import NONE, number
from recount.whole import Recount

__all__ = ["differences"]

Summary = Mapping[str, Any]
_PARTS = (
    "entry",
    "decided",
    "unfilled",
    "latency",
    "slippage",
    "uneven",
    "exit",
    "fees",
    "left",
    "funding",
    "late",
    "fx",
)
_OF_ENTRY = (*_PARTS[:6], "fx")
_MILLIONTHS = 10**6


def differences(books: Recount, summary: Summary) -> list[str]:
    """Return where a summary differs from what the events come to, and what is wrong with these."""
    return [
        *books.problems,
        *_ledger(books, summary),
        *_results(books, summary),
        *_performance(books, summary),
        *_open(books, summary),
        *_equity(books, summary),
        *_attribution(books, summary),
        *_funnel(books, summary),
        *_moved(books, summary),
    ]


def _amount(what: str, said: Any, is_: Fraction) -> Iterator[str]:
    value = number(said) if said is not None else NONE
    if value != is_:
        yield f"{what}: the summary says {said}, the events come to {float(is_)} (off by {float(value - is_):g})"


def _count(what: str, said: Any, is_: Any) -> Iterator[str]:
    if said != is_:
        yield f"{what}: the summary says {said}, the events come to {is_}"


def _ledger(books: Recount, summary: Summary) -> Iterator[str]:
    said = {(venue, asset): one for venue, assets in summary["balances"].items() for asset, one in assets.items()}
    for place in sorted({*said, *books.ledger.accounts}):
        account, one = books.ledger.accounts[place], said.get(place, {})
        for name in ("initial", "trades", "fees", "funding", "carried", "moved", "final"):
            yield from _amount(f"{name} of {place}", one.get(name), getattr(account, name))


def _results(books: Recount, summary: Summary) -> Iterator[str]:
    pairs = books.pairs
    yield from _amount("pnl_usd", summary["pnl_usd"], books.pnl_usd)
    yield from _amount("fees_usd", summary["fees_usd"], sum(books.postings.fees_usd.values(), NONE))
    yield from _count("closed_trades", summary["closed_trades"], pairs.closed)
    yield from _count("unwound_entries", summary["unwound_entries"], pairs.unwound)
    count = pairs.closed + pairs.unwound
    rate = Fraction(pairs.won + pairs.unwound_won, count) if count else NONE
    yield from _amount("win_rate", summary.get("win_rate"), Fraction(round(rate * _MILLIONTHS), _MILLIONTHS))
    for kind, outcomes in summary["pairs"].items():
        for outcome, said in outcomes.items():
            yield from _count(f"{kind} {outcome}", said, pairs.outcomes[kind, outcome])
    for trade in summary["trades"]:
        ours = pairs.trades[trade["trade_id"]]
        yield from _amount(f"pnl_usd of {trade['trade_id']}", trade["pnl_usd"], ours.pnl_usd)
        yield from _amount(f"fees_usd of {trade['trade_id']}", trade["fees_usd"], ours.fees_usd)


def _performance(books: Recount, summary: Summary) -> Iterator[str]:
    said = summary.get("performance")
    if said is None:
        return
    came = [one.pnl_usd for one in books.pairs.trades.values() if one.is_over]
    won, lost = [one for one in came if one > 0], [one for one in came if one < 0]
    yield from _count("trades that won", said["won"], len(won))
    yield from _count("trades that lost", said["lost"], len(lost))
    yield from _amount("turnover_usd", said["turnover_usd"], books.turnover_usd)
    quotients = {
        "average_win_usd": (sum(won, NONE), len(won)),
        "average_loss_usd": (sum(lost, NONE), len(lost)),
        "profit_factor": (sum(won, NONE), -sum(lost, NONE)),
    }
    for name, (part, whole) in quotients.items():
        yield from _amount(
            name, said.get(name), Fraction(round(part / whole * _MILLIONTHS), _MILLIONTHS) if whole else NONE
        )


def _open(books: Recount, summary: Summary) -> Iterator[str]:
    holdings = books.holdings
    risk = summary["risk_stats"]["global"]
    yield from _amount("exposure", risk["total_exposure_usd"], books.exposure_usd)
    loss = books.postings.daily_loss_usd(books.last_ns)
    yield from _amount("realised loss of the day", risk["total_daily_loss_usd"], loss)
    yield from _count("open positions", [one["trade_id"] for one in summary["open_positions"]], [*holdings.positions])
    for one in summary["open_positions"]:
        held = holdings.positions[one["trade_id"]].quantity
        yield from _amount(f"quantity of {one['trade_id']}", one["quantity"], held)
    yield from _count("residuals", {one["residual_id"] for one in summary["residuals"]}, {*holdings.residuals})
    for one in summary["residuals"]:
        ours = holdings.residuals[one["residual_id"]]
        for name, is_ in (("quantity", ours.quantity), ("booked_value", ours.booked), ("cost_usd", ours.cost_usd)):
            yield from _amount(f"{name} of {one['residual_id']}", one[name], is_)
    said = {(one["symbol"], one["venue"]): one for one in summary["dust"]}
    for place in sorted({*said, *holdings.dust}):
        dust, one = holdings.dust[place], said.get(place, {})
        for name, is_ in (("quantity", dust.quantity), ("booked_value", dust.booked), ("cost_usd", dust.cost_usd)):
            if dust.quantity or one:
                yield from _amount(f"{name} of dust {place}", one.get(name), is_)


def _equity(books: Recount, summary: Summary) -> Iterator[str]:
    said, ours = summary["equity"], books.equity.figures()
    for name, is_ in ours.items():
        yield from _amount(f"equity {name}", said.get(name), is_)
    change = ours["now_usd"] - ours["start_usd"]
    yield from _amount("equity change_usd", said["change_usd"], change)
    yield from _amount("the parts of equity", said["change_usd"], sum(list(ours.values())[2:], NONE))
    yield from _amount("peak_exposure_usd", said["peak_exposure_usd"], books.peak_exposure_usd)
    yield from _amount("drawdown_usd", said["drawdown_usd"], books.drawdown_usd)


def _attribution(books: Recount, summary: Summary) -> Iterator[str]:
    said = summary.get("attribution")
    if said is None:
        return
    parts = {name: number(said.get(f"{name}_usd", "0")) for name in _PARTS}
    over = [one for one in books.pairs.trades.values() if one.is_over]
    pnl = sum((one.pnl_usd for one in over), NONE)
    ours = {
        "exit": sum((one.exit_usd for one in over), NONE),
        "fees": -sum((one.fees_usd for one in over), NONE),
        "left": sum((one.left_usd for one in over), NONE),
        "funding": sum((one.funding_usd for one in over), NONE),
        "late": sum((one.late_usd for one in over), NONE),
    }
    entry = pnl - sum(ours.values(), NONE)
    ours["funding"] += books.left.unassigned_usd
    yield from _count("entries that are over", said["entries"], len(over))
    for name, is_ in ours.items():
        yield from _amount(f"attribution {name}", said.get(f"{name}_usd"), is_)
    told = sum((parts[name] for name in _OF_ENTRY), NONE)
    if told != entry:
        yield f"attribution: entries brought {float(entry)}, and its parts come to {float(told)}"
    going_on = sum((one.pnl_usd for one in books.pairs.trades.values() if not one.is_over), NONE)
    yield from _amount("attribution still_open_usd", said["still_open_usd"], going_on)
    yield from _amount("attribution residuals_usd", said["residuals_usd"], books.postings.residuals_usd)
    whole = sum(parts.values(), NONE) + number(said["residuals_usd"]) + number(said["still_open_usd"])
    yield from _amount("the sum of the attribution", str(summary["pnl_usd"]), whole)


def _funnel(books: Recount, summary: Summary) -> Iterator[str]:
    funnel, decisions = books.funnel, summary["decisions"]
    answers = {answer: decisions.get(answer, 0) for answer in ("ALLOW", "REDUCE", "DENY", "STOP")}
    yield from _count("answers", answers, {answer: funnel.answers[answer] for answer in answers})
    yield from _count("by_rule", decisions["by_rule"], dict(funnel.by_rule))
    yield from _count("orders", summary["orders"], {name: funnel.orders[name] for name in summary["orders"]})
    filled = sum(one["filled"] for one in funnel.of.values())
    yield from _count("trades_executed", summary["risk_stats"]["global"]["trades_executed"], filled)
    for symbol, said in summary["funnel"].items():
        ours = funnel.of[symbol]
        for step in ("allowed", "sent", "filled", "closed"):
            yield from _count(f"{step} of {symbol}", said[step], ours[step])
        for step in said.keys() - {"allowed", "sent", "filled", "closed"}:
            yield from _count(f"{step} of {symbol}", said[step], funnel.counted.get(symbol, {}).get(step, 0))
        routes = {f"{buy}>{sell}": funnel.of_route(symbol, (buy, sell)) for buy, sell in funnel.routes[symbol]}
        yield from _count(f"routes of {symbol}", summary["routes"][symbol], routes)
        reasons = funnel.counted.get(symbol, {}).get("not_sized", {})
        yield from _count(f"not sized of {symbol}", summary["not_sized"]["symbols"][symbol], reasons)


def _moved(books: Recount, summary: Summary) -> Iterator[str]:
    said, ours = summary.get("transfers"), books.moved
    if said is None:
        yield from _count("transfers", 0, ours.count)
        return
    yield from _count("transfers sent", said["sent"], ours.count)
    yield from _count("transfers arrived", said["arrived"], ours.count - len(ours.under_way))
    yield from _amount("fees_usd of transfers", said["fees_usd"], ours.fees_usd)
    yield from _count("assets moved", {*said["assets"]}, {*ours.assets})
    for asset, one in ours.assets.items():
        for name in ("sent", "arrived", "fees"):
            yield from _amount(f"{name} of {asset}, moved", said["assets"][asset][name], getattr(one, name))
    coming = {one["transfer_id"]: number(one["amount"]) for one in said["in_transit"]}
    yield from _count("under way", coming, ours.under_way)
