"""A first campaign, made of a few answers: a short configuration whose comments say why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any

import attrs

from trioarb.plugin.registry import Plugins
from trioarb.plugin.spec import ExchangeSpec, MarketDataSpec, StrategySpec, SymbolSourceSpec
from trioarb.settings.key import join_key
from trioarb.settings.keydoc import toml_literal

__all__ = ["Care", "FirstCampaign", "MadeUp", "Real", "Recorded", "real_venues"]

#: What an example of a real venue's stand-in holds.
_EXAMPLE_USD = 20_000
#: Counted as dollars without a market that says so. USDT needs no rate.
_DOLLARS = ("USD", "USDC", "BUSD", "FDUSD")
#: Stablecoins.
_PEGGED = ("USDT", "USDC", "BUSD")
_SIMULATED, _MADE_UP, _RECORDED, _STRATEGY = "paper", "dummy", "recorded", "inventory"


class Care(Enum):
    """How careful a campaign is."""

    CAREFUL = "careful"
    BALANCED = "balanced"
    BOLD = "bold"


@attrs.frozen
class _Limits:
    """Shares of the stock of a symbol, and of all money; an edge in bps, and a pause in seconds."""

    order: Decimal
    exposure: Decimal
    daily_loss: Decimal
    stop_loss: Decimal
    entry_bps: int
    cooldown_seconds: int


_LIMITS = {
    Care.CAREFUL: _Limits(Decimal("0.05"), Decimal("0.1"), Decimal("0.005"), Decimal("0.01"), 5, 30),
    Care.BALANCED: _Limits(Decimal("0.1"), Decimal("0.25"), Decimal("0.01"), Decimal("0.025"), 3, 10),
    Care.BOLD: _Limits(Decimal("0.2"), Decimal("0.5"), Decimal("0.03"), Decimal("0.06"), 2, 2),
}


@attrs.frozen
class MadeUp:
    """A market that a program makes up as it goes, at two venues."""


@attrs.frozen
class Recorded:
    """Recorded quotes: where, of which exchanges, in which quote asset."""

    path: Path
    exchanges: tuple[str, ...]
    quote_asset: str


@attrs.frozen
class Real:
    """The real markets of these installed venues; trades are on paper."""

    venues: tuple[str, ...]


@attrs.frozen(kw_only=True)
class FirstCampaign:
    """What was answered. ``symbols``: their names, or how many; ``money_usd`` is at each venue.

    Without ``seconds`` it runs until Ctrl-C, or to the end of recorded quotes.
    """

    market: MadeUp | Recorded | Real
    symbols: Sequence[str] | int
    money_usd: Decimal
    care: Care
    seconds: Decimal | None

    def render(self, plugins: Plugins, file: str, plugin_files: Sequence[str] = ()) -> str:
        """Return the configuration as TOML. ``file`` is what it will be called.

        Raises:
            ConfigError: a plugin that it names isn't installed.
        """
        limits, venues = _LIMITS[self.care], self._venues(plugins)
        order, total = _round(self._stock() * limits.order), self.money_usd * len(venues)
        strategy = plugins.get(StrategySpec, _STRATEGY)
        parts = [
            "# Written by `trioarb init --wizard`. Every key and its default: trioarb init all.toml.\n"
            f"#\n#   trioarb check {file}\n#   trioarb run {file}\n",
            self._session(),
            self._universe(plugins),
            *venues.values(),
            *self._rates(plugins),
            f"[strategy]\n"
            f"plugin = {toml_literal(strategy.name)}          # {strategy.doc}\n"
            f"order_size_usd = {_number(order)}\n"
            f"entry_bps = {limits.entry_bps}                 # net of both venues' fees: what has to be left\n"
            f"skew_bps = 2                  # asked more of a trade that drifts stock further apart\n"
            f"max_quote_age_ms = 2_000\n",
            f"# {self.care.value.capitalize()}. Losses and exposure count what is open at executable prices.\n"
            f"[guards.global]\n"
            f"max_total_exposure_usd = {_number(_round(total * limits.exposure))}\n"
            "# From the first loss of a UTC day on nothing is entered; from the second all is closed, and it ends.\n"
            f"max_daily_loss_usd = {_number(_round(total * limits.daily_loss))}\n"
            f"emergency_stop_loss_usd = {_number(_round(total * limits.stop_loss))}\n",
            f"[guards.portfolio]\ntotal_capital_usd = {_number(total)}    # shared out among the symbols\n",
            f"[guards.symbol]\n"
            f"max_position_size_usd = {_number(order * 2)}\n"
            f"max_imbalance = 0.5           # a trade leaves no venue with less than half of an equal share of stock\n"
            f"cooldown_seconds = {limits.cooldown_seconds}\n",
        ]
        if plugin_files:
            parts.append(_table("plugins", {"paths": list(plugin_files)}))
        return "\n".join(parts)

    def _session(self) -> str:
        is_made_up = isinstance(self.market, MadeUp)
        lines = [
            "[session]",
            'mode = "paper"                # simulated venues fill orders; nothing is sent anywhere',
            'clock = "real"'
            if isinstance(self.market, Real)
            else 'clock = "virtual"             # "real": to watch it',
            "loop_interval_ms = 250" if is_made_up else "loop_interval_ms = 0          # act on every quote",
        ]
        if self.seconds is not None:
            lines.append(f"max_runtime_seconds = {_number(self.seconds)}")
        return "\n".join([*lines, "close_positions_at_end = true", ""])

    def _universe(self, plugins: Plugins) -> str:
        quote_asset = self.market.quote_asset if isinstance(self.market, Recorded) else "USDT"
        lines = ["[universe]", f"source = {toml_literal(self._source(plugins))}"]
        if isinstance(self.symbols, int):
            lines += ['mode = "TOP_N"                # the most traded ones first, where volumes are known']
            lines += [f"top_n = {self.symbols}", f"base_quote = {toml_literal(quote_asset)}"]
            pegged = [f"{asset}{quote_asset}" for asset in _PEGGED if asset != quote_asset]
            lines += [f"blacklist = {toml_literal(pegged)}    # their prices hardly move"]
        else:
            lines += ['mode = "FIXED_LIST"', f"whitelist = {toml_literal(list(self.symbols))}"]
        return "\n".join([*lines, ""])

    def _source(self, plugins: Plugins) -> str:
        if isinstance(self.market, MadeUp):
            return _MADE_UP
        if isinstance(self.market, Real):
            sources = {one.spec.name for one in plugins.registered if isinstance(one.spec, SymbolSourceSpec)}
            for venue in self.market.venues:
                if venue in sources and not _example(plugins, venue).get("same_as"):
                    return venue
        return _RECORDED  # whatever the venues' markets hold

    def _venues(self, plugins: Plugins) -> Mapping[str, str]:
        """Return the table of each venue."""
        match self.market:
            case MadeUp():
                market = {"plugin": _MADE_UP, **plugins.get(MarketDataSpec, _MADE_UP).example}
                return {name: self._simulated(name, market, "USDT", plugins) for name in ("a", "b")}
            case Recorded(path=path, exchanges=exchanges, quote_asset=quote_asset):
                return {
                    name: self._simulated(
                        name, {"plugin": _RECORDED, "path": path, "exchange": name}, quote_asset, plugins
                    )
                    for name in exchanges
                }
            case Real(venues=names):
                return {name: self._real(name, plugins) for name in names}

    def _simulated(self, name: str, market: Mapping[str, Any], quote_asset: str, plugins: Plugins) -> str:
        example = plugins.get(ExchangeSpec, _SIMULATED).example
        held = {"inventory_usd_per_symbol": self._stock(), "balances": {quote_asset: f"{_round(self.money_usd / 2):f}"}}
        return "\n".join(
            [
                _table(join_key("exchanges", name), {"plugin": _SIMULATED, **example, **held}),
                _table(join_key("exchanges", name, "market"), market),
            ]
        )

    def _real(self, name: str, plugins: Plugins) -> str:
        example = _example(plugins, name)
        head = {"plugin": name, **{key: value for key, value in example.items() if key != "paper"}}
        stand_in = {"plugin": _SIMULATED, **plugins.get(ExchangeSpec, _SIMULATED).example, **example.get("paper", {})}
        share = self.money_usd / _EXAMPLE_USD / 2
        stand_in["balances"] = {
            asset: f"{_round(Decimal(amount) * share):f}" for asset, amount in stand_in["balances"].items()
        }
        stand_in["inventory_usd_per_symbol"] = self._stock()
        said = "# Its market is real; keys (api_key, …) are needed for the modes shadow and live only.\n"
        return "\n".join(
            [
                said + _table(join_key("exchanges", name), head),
                _table(join_key("exchanges", name, "paper"), stand_in),
            ]
        )

    def _rates(self, plugins: Plugins) -> Sequence[str]:
        """Return the tables of rates that venues with other quote assets need."""
        if isinstance(self.market, Recorded) and self.market.quote_asset in _DOLLARS:
            return [f"[fx]\n{self.market.quote_asset} = 1                      # a dollar, for ever\n"]
        venues = self.market.venues if isinstance(self.market, Real) else ()
        asked: dict[tuple[str, str], list[str]] = {}
        for venue in venues:
            for asset, common in _example(plugins, venue).get("same_as", {}).items():
                asked.setdefault((asset, common), []).append(venue)
        return [
            f"[{join_key('fx', asset)}]\nsymbol = {toml_literal(common + asset)}\nmarkets = {toml_literal(markets)}\n"
            f"max_age_ms = 10_000\n"
            for (asset, common), markets in asked.items()
        ]

    def _stock(self) -> Decimal:
        many = self.symbols if isinstance(self.symbols, int) else len(self.symbols)
        return _round(self.money_usd / 2 / max(1, many))


def real_venues(plugins: Plugins) -> Sequence[str]:
    """Return the installed venues that are real, and bring their market along."""
    markets = {one.spec.name for one in plugins.registered if isinstance(one.spec, MarketDataSpec)}
    specs = (one.spec for one in plugins.registered if isinstance(one.spec, ExchangeSpec))
    return [spec.name for spec in specs if spec.real and spec.name in markets]


def _example(plugins: Plugins, venue: str) -> Mapping[str, Any]:
    return plugins.get(ExchangeSpec, venue).example


def _table(name: str, values: Mapping[str, Any]) -> str:
    return f"[{name}]\n" + "".join(f"{key} = {toml_literal(value)}\n" for key, value in values.items())


def _round(amount: Decimal) -> Decimal:
    """Return an amount with two significant digits or whole, whichever says more."""
    return amount.quantize(Decimal(1) if amount >= 10 else Decimal("0.01"))


def _number(amount: Decimal) -> str:
    return toml_literal(amount)
