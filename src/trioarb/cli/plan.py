"""`trioarb plan`: what would have to be moved between venues, and what that costs. Nothing is ever withdrawn."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import attrs
from cyclopts import Parameter

from trioarb.cli.folded import report_on
from trioarb.cli.opened import ask_at
from trioarb.cli.options import AsJson, Overrides, PluginFiles
from trioarb.cli.output import print_json
from trioarb.config.load import load_config
from trioarb.config.plugin_files import plugins_for
from trioarb.config.schema import Config
from trioarb.engine.campaign import Campaign
from trioarb.errors import ConfigError
from trioarb.model.event import FxRated
from trioarb.model.fx import FxState, Said
from trioarb.model.number import ZERO, text
from trioarb.report.aligned import aligned
from trioarb.report.figures import usd
from trioarb.report.plain import present
from trioarb.report.report import Report
from trioarb.settings.problem import Problem
from trioarb.strategy.rebalance import Rebalancing, Transfer, rebalanced
from trioarb.strategy.transfer_costs import Listed, TransferCosts

__all__ = ["plan"]


@attrs.frozen(kw_only=True)
class _Known:
    """What is held, by asset and venue, and what moving it costs, as far as prices are known.

    ``rates``: the last that was known of assets whose rate is at markets.
    """

    config: Config
    holdings: Mapping[str, Mapping[str, Decimal]]
    costs: TransferCosts
    rates: Mapping[str, FxRated] = attrs.field(factory=dict)


def plan(
    source: Annotated[
        Path, Parameter(help="Configuration (.toml): what its venues hold now. Or a journal: what its campaign left.")
    ],
    /,
    *,
    tolerance: Annotated[
        Decimal, Parameter(help="A venue is left alone that is within this share of what all hold on average.")
    ] = Decimal("0.1"),
    overrides: Overrides = None,
    plugin: PluginFiles = None,
    as_json: AsJson = False,
) -> int:
    """Print the plan; return 0.

    Raises:
        ConfigError: a withdrawal would be needed whose fee is nowhere configured.
    """
    if not 0 <= tolerance <= 1:
        raise ConfigError(
            [Problem(file="--tolerance", message="not a share", value=text(tolerance), allowed="between 0 and 1")]
        )
    if source.suffix == ".toml":
        plugins = plugins_for(source, plugin)
        loaded = load_config(source, plugins, overrides=overrides or (), environment=os.environ)
        known = ask_at(loaded, plugins, _ask)
    elif overrides:
        raise ConfigError([Problem(file="--set", message="a journal's configuration is what it is; leave it out")])
    else:
        known = report_on(source, _read, plugin, has_figures=False)
    found = rebalanced(known.holdings, known.config.withdrawals, tolerance=tolerance)
    if found.unknown:
        raise ConfigError([_unknown(source, venue, asset) for venue, asset in found.unknown])
    rows = [_row(known, transfer) for transfer in found.transfers]
    if as_json:
        print_json(_json(found, rows))
    else:
        for line in _lines(known, found, rows):
            print(line)
    return 0


async def _ask(campaign: Campaign) -> _Known:
    """Ask the venues what they hold."""
    world = campaign.world
    held = {venue: await exchange.balances() for venue, exchange in world.exchanges.items()}
    prices = {}
    for symbol, board in world.boards.items():
        for venue in world.instruments[symbol]:
            touch = board.touch(venue)
            prices[symbol, venue] = (None, None) if touch is None else (touch.bid, touch.ask)
    return _known(campaign.config, held, world.instruments, prices)


def _read(report: Report) -> _Known:
    """Read of a journal what its venues held at its end."""
    venues = report.config.exchanges
    held = {venue: report.state.ledger.held(venue) for venue in venues}
    prices = {place: (price.bid, price.ask) for place, price in report.state.marks.prices.items()}
    known = _known(report.config, held, report.statistics.instruments, prices)
    rates, fx = dict[str, FxRated](), dict[str, Said]()
    for asset, figures in report.state.fx.rates.items():
        last, marked = figures.last, report.state.marks.recorded_rates.get(asset)
        bid, ask = (None, None) if last is None else (last.bid, last.ask)
        if marked is not None:
            bid, ask = marked.bid, marked.ask
        if last is not None and bid is not None and ask is not None:
            usd_per_common = report.config.fx[figures.common]
            rates[asset], fx[asset] = last, Said(bid * usd_per_common, ask * usd_per_common)
    return attrs.evolve(known, rates=rates, costs=attrs.evolve(known.costs, said=fx))


def _known(
    config: Config,
    held: Mapping[str, Mapping[str, Decimal]],
    instruments: Mapping[str, Mapping[str, Listed]],
    prices: Mapping[tuple[str, str], tuple[Decimal | None, Decimal | None]],
) -> _Known:
    """Put what is held beside where it could be held: where a symbol of that asset is listed."""
    holdings: defaultdict[str, dict[str, Decimal]] = defaultdict(dict)
    for by_venue in instruments.values():
        for venue, listed in by_venue.items():
            for asset in (listed.base, listed.quote):
                holdings[asset][venue] = held[venue].get(asset, ZERO)
    costs = TransferCosts(fx=config.fx, instruments=instruments, prices=prices)
    return _Known(config=config, holdings=holdings, costs=costs)


def _unknown(source: Path, venue: str, asset: str) -> Problem:
    return Problem(
        file=str(source),
        key=f"withdrawals.{venue}.{asset}",
        message=f"missing: {asset} would have to leave {venue}, and what that costs isn't known",
        allowed='such as { fee = "0.0002", minutes = 30 }, as the venue says it',
    )


def _row(known: _Known, transfer: Transfer) -> dict[str, Any]:
    """Return a transfer with what it costs in USD, and what it would cost to trade it back instead."""
    price, back = known.costs.price(transfer), known.costs.traded_back(transfer)
    return {
        **attrs.asdict(transfer),
        "arrives": transfer.arrives,
        "amount_usd": None if price is None else transfer.amount * price,
        "fee_usd": None if price is None else transfer.fee * price,
        "trade_back_usd": back,
    }


def _lines(known: _Known, found: Rebalancing, rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if not rows:
        yield "Nothing has to be moved: all venues hold about as much of every asset."
    else:
        head = ("asset", "from", "to", "amount", "USD", "fee", "fee (USD)", "minutes", "or traded back (USD)")
        cells = [
            (
                row["asset"],
                row["source"],
                row["target"],
                text(row["amount"]),
                _usd(row["amount_usd"]),
                text(row["fee"]),
                _usd(row["fee_usd"]),
                text(row["minutes"]),
                _usd(row["trade_back_usd"]),
            )
            for row in rows
        ]
        yield from aligned([head, *cells], right={3, 4, 5, 6, 7, 8})
        fees = [row["fee_usd"] for row in rows]
        total = "not all are known" if None in fees else f"{usd(sum(fees))} USD"
        slowest = text(max(row["minutes"] for row in rows))
        yield f"{len(rows)} transfers; fees: {total}; the slowest takes {slowest} minutes."
        if any(row["trade_back_usd"] is None or row["amount_usd"] is None for row in rows):
            yield "-: no price is known; a journal knows those that its campaign marked."
        for asset, rated in known.rates.items():
            doubt = "" if rated.state is FxState.GOOD else f", and was {rated.state.value} then"
            yield f"{asset} is valued at its last recorded rate, {known.costs.said[asset].bid:.4g} USD{doubt}."
    for asset, venue, amount in found.too_small:
        yield f"{text(amount)} {asset} stay at {venue}: the venue's least, or its fee, is as much."
    yield "This is a plan. trioarb never withdraws anything."


def _usd(amount: Decimal | None) -> str:
    return "-" if amount is None else usd(amount)


def _json(found: Rebalancing, rows: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    return {
        "transfers": [present(dict(row)) for row in rows],
        "too_small": [
            present({"asset": asset, "venue": venue, "amount": amount}) for asset, venue, amount in found.too_small
        ],
    }
