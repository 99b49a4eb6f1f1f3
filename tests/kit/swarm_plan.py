"""What the swarm does with a seed: a configuration, its market and faults, and how the campaign ends. All by chance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from random import Random
from typing import Any, Literal

import attrs
from swarm_market import PRICES

from trioarb.builtin.dummy_samples import SAMPLES

__all__ = ["Act", "Plan", "Stretch", "calmed", "plan_of", "trades_contracts"]

What = Literal["kill", "cancel", "signal", "kill_switch", "touch", "remove"]
Counting = Literal["records", "orders", "steps"]

_FILE = "pulled"
_DAY_NS = 86_400 * 10**9
_FIRST_DAY_NS = 1_735_689_600 * 10**9
_HOUR = 3600
_ORDER_FAULTS = (
    "delay",
    "reject",
    "partial",
    "lose_ack",
    "lose_order",
    "duplicate_fills",
    "reorder_fills",
    "rate_limit",
    "disconnect",
    "clock_skew",
)
_DUMMY_SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT", "DOGEUSDT", "PEPEUSDT", "LTCUSDT")
_LOOP = ("BTCUSDT", "ETHBTC", "ETHUSDT")
#: About what assets are worth, where something is moved.
_USD = {
    "USDT": Decimal(1),
    **{one.base: Decimal(one.price) for one in SAMPLES if one.quote == "USDT"},
    **{base: Decimal(str(price)) for base, price in PRICES.items()},
}
#: Lots of two venues that are no multiples of each other, in a unit of the symbol.
_LOTS = ("0.1", "0.03", "0.1", "0.25", "0.07", "1", "0.001", "0.01")


@attrs.frozen(kw_only=True)
class Act:
    """Something that befalls a campaign: ``number`` records, records of orders, or steps of Trio's scheduler after
    ``at_seconds`` of the stretch.

    ``signal``: a first one ends the campaign, a second one hurries it. ``touch``, ``remove``: the kill switch's file.
    """

    what: What
    at_seconds: float
    counting: Counting
    number: int


@attrs.frozen(kw_only=True)
class Stretch:
    """A process in which the campaign runs; ``torn``: what stands after the last whole step of the journal before."""

    acts: tuple[Act, ...] = ()
    close_only: bool = False
    clear_stop: bool = False
    torn: bytes = b""


@attrs.frozen(kw_only=True)
class Plan:
    """``stretches`` but the last are to be killed. ``goes_on``: after an end, too, the next one follows."""

    seed: int
    table: Mapping[str, Any]
    stretches: tuple[Stretch, ...]
    goes_on: bool

    @property
    def acts(self) -> Sequence[Act]:
        return [act for stretch in self.stretches for act in stretch.acts]

    @property
    def kill_file(self) -> str:
        return _FILE

    @property
    def is_deterministic(self) -> bool:
        """Whether nothing in it depends on how Trio orders its steps, or on processes."""
        return len(self.stretches) == 1 and all(act.counting != "steps" and act.what != "cancel" for act in self.acts)


def plan_of(seed: int, hours: float | None = None) -> Plan:
    """Return what becomes of a seed. ``hours``: the mean length of a long campaign; it changes nothing else."""
    return _Draw(Random(seed), hours or 2.4).plan(seed)


def calmed(table: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration of the same campaign without faults, and with time for answers."""
    exchanges = {venue: _without_faults(exchange) for venue, exchange in table["exchanges"].items()}
    session = {key: value for key, value in table["session"].items() if key != "max_iterations"}
    # Closing waits for quotes of both venues: of markets that quote seldom, for several of their pauses, and on quotes
    # that are as old as those.
    pause = max(_pause_seconds(exchange["market"]) for exchange in table["exchanges"].values())
    execution = {
        **table["execution"],
        "leg_timeout_seconds": 30,
        "close_deadline_seconds": max(300, 10 * pause),
        "max_exit_quote_age_ms": max(10_000, 2_000 * pause),
    }
    guards = {name: guard for name, guard in table["guards"].items() if name != "kill_switch"}
    return {**table, "exchanges": exchanges, "session": session, "execution": execution, "guards": guards}


def _pause_seconds(market: Mapping[str, Any]) -> Decimal:
    """Return how long a market says nothing of a symbol, on the average, when it is quiet."""
    inner = market
    while "wraps" in inner:
        inner = inner["wraps"]
    return max(Decimal(inner.get("calm_seconds", 0)), Decimal(inner.get("step_ms", 0)) / 1000)


def _without_faults(table: Mapping[str, Any]) -> dict[str, Any]:
    rates = dict.fromkeys((*_ORDER_FAULTS, "stale", "crossed", "drop", "silence", "nonsense", "reject_rate"), 0)
    # Markets go on, whenever the campaign was left; those that come as columns are made whole, and would never be.
    left_out = {"script", "ends_after_seconds", "columns"}
    calm = {key: rates.get(key, value) for key, value in table.items() if key not in left_out}
    return {key: _without_faults(value) if key in ("wraps", "market") else value for key, value in calm.items()}


def _without_exit(strategy: Mapping[str, Any], chance: Random) -> dict[str, Any]:
    """Return a strategy of the same sizes that buys and sells once, from stock."""
    kept = {key: strategy[key] for key in ("entry_bps", "order_size_usd", "max_quote_age_ms")}
    return {"plugin": "inventory", **kept, "skew_bps": chance.choice((0, 2, 10))}


def _quoted(table: dict[str, Any], chance: Random) -> None:
    """Have the campaign quote at a venue, and hedge at the others."""
    strategy, venues = table["strategy"], table["exchanges"]
    kept = {key: strategy[key] for key in ("entry_bps", "order_size_usd", "max_quote_age_ms")}
    table["strategy"] = {
        "plugin": "maker_taker",
        **kept,
        "reach_bps": strategy["entry_bps"] + chance.choice((5, 20, 100)),
        "requote_bps": chance.choice((Decimal("0.2"), 1, 3, 10)),
        "min_requote_ms": chance.choice((1, 500, 5_000)),
    }
    table["guards"]["symbol"]["cooldown_seconds"] = 0
    for venue in venues.values():
        while "wraps" in venue:
            venue = venue["wraps"]
        venue["resting"] = chance.choice(("through", "through", "queue"))
        if chance.random() < 0.7:
            venue["maker_fee_bps"] = venue["taker_fee_bps"] - chance.choice((Decimal("0.5"), 1, 2))


def _go_around(table: dict[str, Any], chance: Random) -> None:
    """Let it go around three symbols at each venue, from stock of what a loop spends."""
    table["universe"]["whitelist"] = list(_LOOP)
    strategy = table["strategy"]
    kept = {key: strategy[key] for key in ("order_size_usd", "max_quote_age_ms")}
    table["strategy"] = {"plugin": "triangular", **kept, "entry_bps": chance.choice((-3, 0, 2, 8))}
    table["execution"]["dust_usd"] = chance.choice((1, 11))
    for exchange in table["exchanges"].values():
        market, paper = exchange["market"], exchange
        while "wraps" in market:
            market = market["wraps"]
        while "wraps" in paper:
            paper = paper["wraps"]
        market["crosses"] = True
        usd = kept["order_size_usd"] * chance.choice((1, 40))
        paper["balances"] = {**paper["balances"], "BTC": f"{usd / 65_000:.6f}", "ETH": f"{usd / 3_390:.5f}"}
        paper.pop("min_notional", None)  # of one amount in USDT and in BTC


def _innermost(table: dict[str, Any]) -> dict[str, Any]:
    """Return the table of the plugin that others wrap."""
    while "wraps" in table:
        table = table["wraps"]
    return table


def trades_contracts(exchange: dict[str, Any]) -> bool:
    """Return whether a venue's account is a perpetual one."""
    return _innermost(exchange).get("account") == "perpetual"


def _contracts(table: dict[str, Any], chance: Random) -> None:
    """Let the last venue trade contracts, with funding now and then."""
    paper = _innermost([*table["exchanges"].values()][-1])
    for key in ("max_borrow_usd", "inventory_usd_per_symbol"):
        paper.pop(key, None)
    paper |= {"account": "perpetual", "leverage": chance.choice((1, 3, 20)), "fee_asset": "quote"}
    if chance.random() < 0.7:
        paper["funding_rate_bps"] = chance.choice((Decimal("-0.5"), 1, 10))
        paper["funding_interval_hours"] = chance.choice((Decimal("0.1"), 1, 8))
    table["guards"].setdefault("global", {})["min_liquidation_distance_pct"] = chance.choice((1, 5, 30))
    if chance.random() < 0.5:  # so little is there that contracts are liquidated now and then
        order_usd, part = Decimal(table["strategy"].get("order_size_usd", 500)), chance.choice(("0.04", "0.06"))
        wallet = order_usd * Decimal(part)
        paper |= {"leverage": 20, "maintenance_margin_bps": chance.choice((400, 490)), "balances": {"USDT": wallet}}
        table["guards"]["global"]["min_liquidation_distance_pct"] = 0


def _two_monies(table: dict[str, Any], chance: Random) -> None:
    """Let the last venue quote in KRW, at the rate that its own market, and perhaps another's, says."""
    venues = table["exchanges"]
    name, exchange = [*venues.items()][-1]
    table["universe"]["whitelist"] = chance.sample(("BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT"), chance.randint(1, 3))
    exchange["same_as"] = {"KRW": "USDT"}
    paper = _innermost(exchange)
    paper["balances"] = {"KRW": paper["balances"]["USDT"] * 1_390}
    paper.pop("min_notional", None)
    _innermost(exchange["market"])["premium_bps"] = chance.choice((0, 30, 200))
    others = [other for other in venues if other != name and chance.random() < 0.5]
    table["fx"] = {
        "KRW": {
            "symbol": "USDTKRW",
            "markets": [*others, name],
            "max_age_ms": chance.choice((500, 5_000, 60_000)),
            "outlier_bps": chance.choice((1, 20, 200)),
        }
    }


def _transfers(table: dict[str, Any], chance: Random, seconds: float) -> None:
    """Let stock that has drifted be moved between the spot accounts, and be under way for a part of the campaign."""
    order_usd = Decimal(table["strategy"]["order_size_usd"])
    bases = {
        symbol[: -len(quote)]
        for symbol in table["universe"]["whitelist"]
        for quote in ("USDT", "BTC")
        if symbol.endswith(quote)
    }
    check_seconds = seconds / chance.choice((10, 50, 200))
    minutes = check_seconds * chance.choice((0, 0.3, 3, 20)) / 60
    table["transfers"] = {
        "simulate": True,
        "check_seconds": Decimal(f"{check_seconds:.3g}"),
        "tolerance": chance.choice((0, Decimal("0.1"), Decimal("0.5"))),
        "most_fee_bps": chance.choice((10, 100, 10_000)),
        "least_gain_bps": chance.choice((0, 0, 5)),
        "spread": chance.choice((0, 1)),
    }
    fee_usd = order_usd * chance.choice((0, Decimal("0.0001"), Decimal("0.005")))
    terms = {
        asset: {"fee": Decimal(f"{fee_usd / _USD[asset]:.3g}"), "minutes": Decimal(f"{minutes:.3g}")}
        for asset in sorted(bases | {"USDT"})
    }
    table["withdrawals"] = dict.fromkeys(table["exchanges"], terms)
    # Some venue begins with less than the others.
    paper = _innermost(table["exchanges"][chance.choice([*table["exchanges"]])])
    if "inventory_usd_per_symbol" in paper:
        paper["inventory_usd_per_symbol"] /= chance.choice((1, 3, 10))
    paper["balances"] = {asset: Decimal(amount) / chance.choice((1, 3)) for asset, amount in paper["balances"].items()}


class _Draw:
    def __init__(self, random: Random, hours: float) -> None:
        self._random = random
        long = random.random() < 0.68
        self._seconds = random.uniform(0.5, 1.5) * hours * _HOUR if long else random.uniform(60, 900) * min(1.0, hours)
        self._venues = ["a", "b", "c"][: 3 if self._chance(0.3) else 2]
        self._quotes = random.choice((1_500, 3_000, 5_000))

    def _chance(self, probability: float) -> bool:
        return self._random.random() < probability

    def _log(self, low: float, high: float, digits: int = 3) -> Decimal:
        """Return a number between the two, of any magnitude alike."""
        return Decimal(f"{low * (high / low) ** self._random.random():.{digits}g}")

    def _between(self, low: float, high: float) -> Decimal:
        return Decimal(f"{self._random.uniform(low, high):.3g}")

    def plan(self, seed: int) -> Plan:
        random = self._random
        is_dummy = self._chance(0.4)
        symbols = random.sample(
            _DUMMY_SYMBOLS if is_dummy else [f"{base}USDT" for base in PRICES], random.randint(1, 4)
        )
        step_seconds = self._seconds * len(symbols) * len(self._venues) / self._quotes
        order_usd = self._log(30, 3_000)
        basis_bps = self._log(4, 60)
        market = self._dummy(step_seconds) if is_dummy else self._walk(step_seconds, len(symbols))
        table = {
            "session": self._session(seed),
            "universe": {
                "source": "dummy" if is_dummy else "walk",
                "mode": "FIXED_LIST",
                "whitelist": symbols,
            },
            "engine": {
                "max_concurrent_pairs": random.choice((1, 2, 10, 10)),
                "market_stale_seconds": self._log(2, 120),
            },
            "execution": self._execution(),
            "exchanges": {
                venue: self._venue(market, symbols, order_usd, basis_bps, is_dummy) for venue in self._venues
            },
            "strategy": self._strategy(order_usd, basis_bps, symbols),
            "guards": self._guards(order_usd, len(symbols)),
        }
        if (chance := Random(f"{seed}/once")).random() < 0.3:
            table["strategy"] = _without_exit(table["strategy"], chance)
        if (chance := Random(f"{seed}/quoted")).random() < 0.25:
            _quoted(table, chance)
        if is_dummy and (chance := Random(f"{seed}/depth")).random() < 0.6:
            table["engine"]["depth"] = chance.choice((2, 5, 10))
            for venue in table["exchanges"].values():
                if chance.random() < 0.3:
                    while "wraps" in venue:
                        venue = venue["wraps"]
                    venue["consumed"] = "until_next_quote"
        is_quoted = table["strategy"].get("plugin") == "maker_taker"
        if is_dummy and not is_quoted and (chance := Random(f"{seed}/loops")).random() < 0.35:
            _go_around(table, chance)
        is_plain = table["strategy"].get("plugin") not in ("maker_taker", "triangular")
        if is_plain and (chance := Random(f"{seed}/contracts")).random() < 0.2:
            _contracts(table, chance)
        is_plain = is_plain and not any(map(trades_contracts, table["exchanges"].values()))
        if is_plain and is_dummy and (chance := Random(f"{seed}/monies")).random() < 0.35:
            _two_monies(table, chance)
        accounts = [_innermost(exchange).get("account", "spot") for exchange in table["exchanges"].values()]
        if accounts.count("spot") > 1 and (chance := Random(f"{seed}/transfers")).random() < 0.4:
            _transfers(table, chance, self._seconds)
        elif Random(f"{seed}/shadow").random() < 0.15:  # transfers are for paper mode
            table["session"]["mode"] = "shadow"
        stretches, goes_on = self._stretches(table)
        return Plan(
            seed=seed,
            table=table,
            stretches=stretches,
            goes_on=goes_on,
        )

    def _session(self, seed: int) -> dict[str, Any]:
        random = self._random
        least_ms = self._seconds * 1000 / 2_500
        session: dict[str, Any] = {
            "clock": "virtual",
            "max_runtime_seconds": Decimal(f"{self._seconds:.1f}"),
            "loop_interval_ms": 0 if self._chance(0.55) else max(self._log(100, 5_000), Decimal(f"{least_ms:.0f}")),
            "seed": random.randrange(1_000_000),
            "close_positions_at_end": self._chance(0.7),
            "durability": random.choice(("order", "batch")),
        }
        if self._chance(0.15):
            session["max_iterations"] = random.randint(20, 1_500)
        return session

    def _execution(self) -> dict[str, Any]:
        deadline = self._log(0.5, 40)
        return {
            "leg_timeout_seconds": self._log(0.3, 8),
            "hedge_deadline_seconds": deadline,
            "hedge_retry_ms": max(self._log(50, 3_000), deadline * 20),
            "unwind_slippage_bps": self._random.choice((Decimal(0), Decimal(20), self._log(1, 200))),
            "close_deadline_seconds": self._log(1, 90),
            "hurry_seconds": self._random.choice((Decimal(0), Decimal(1), Decimal(5))),
        }

    def _strategy(self, order_usd: Decimal, basis_bps: Decimal, symbols: Sequence[str]) -> dict[str, Any]:
        basis = float(basis_bps)
        strategy: dict[str, Any] = {
            "entry_bps": self._between(0.1 * basis, 1.2 * basis),
            "exit_bps": self._between(-1.5 * basis, 0.2 * basis),
            "order_size_usd": order_usd,
            "max_quote_age_ms": self._log(500, 120_000),
        }
        for key, probability, low, high in (
            ("take_profit_bps", 0.3, 0.5, 30),
            ("stop_loss_bps", 0.3, 2, 80),
            ("max_holding_seconds", 0.5, 1, 900),
        ):
            if self._chance(probability):
                strategy[key] = self._log(low, high)
        return strategy

    # Markets

    def _dummy(self, step_seconds: float) -> dict[str, Any]:
        step_ms = max(250, int(1000 * step_seconds))
        return {
            "plugin": "dummy",
            "step_ms": step_ms,
            "volatility_bps": self._log(0.05, 3),
            "basis_half_life_seconds": Decimal(step_ms) / 1000 * self._log(0.5, 8),
        }

    def _walk(self, step_seconds: float, symbols: int) -> dict[str, Any]:
        random = self._random
        calm, burst, burst_seconds = random.randint(1, 12), random.randint(4, 50), self._log(0.05, 1.5)
        cycle = step_seconds * (calm + burst)
        return {
            "plugin": "walk",
            "start_ns": _FIRST_DAY_NS + random.randrange(_DAY_NS),
            "calm_seconds": Decimal(f"{max(0.5, (cycle - burst * float(burst_seconds)) / calm):.3f}"),
            "burst_seconds": burst_seconds,
            "calm_moments": calm,
            "burst_moments": burst,
            "volatility_bps": self._log(0.05, 20),
            "reversion": self._between(0.05, 0.9),
            "columns": self._chance(0.35),
        }

    # Venues

    def _venue(
        self, market: Mapping[str, Any], symbols: Sequence[str], order_usd: Decimal, basis_bps: Decimal, is_dummy: bool
    ) -> dict[str, Any]:
        random = self._random
        quoted = {**market, "basis_bps": basis_bps, "spread_bps": self._log(0.5, 6)}
        quoted["size_usd"] = order_usd * random.choice((Decimal("0.3"), Decimal(1), Decimal(5), Decimal(50)))
        if not is_dummy:
            quoted["lean_bps"] = self._between(-5, 5)
            quoted["silence"] = self._between(0, 0.5) if self._chance(0.4) else Decimal(0)
            quoted["nonsense"] = self._log(0.001, 0.1) if self._chance(0.3) else Decimal(0)
            if self._chance(0.04):
                quoted["ends_after_seconds"] = self._between(0.2 * self._seconds, 1.2 * self._seconds)
        if market.get("columns"):
            # It has to end to be laid out as columns: some time after the campaign should have.
            quoted.setdefault("ends_after_seconds", Decimal(f"{self._seconds + 900:.1f}"))
        elif self._chance(0.5):
            quoted = self._faulty_market(quoted)
        exchange = self._paper(symbols, order_usd, basis_bps, is_dummy)
        for _ in range(random.choice((0, 0, 1, 1, 1, 1, 1, 1, 1, 2))):
            exchange = self._faulty(exchange)
        return {**exchange, "market": quoted}

    def _paper(self, symbols: Sequence[str], order_usd: Decimal, basis_bps: Decimal, is_dummy: bool) -> dict[str, Any]:
        random = self._random
        plenty = order_usd * 40
        paper: dict[str, Any] = {
            "plugin": "paper",
            "taker_fee_bps": self._between(-0.5, 1) if self._chance(0.1) else self._between(0, float(basis_bps) / 3),
            "fee_asset": random.choice(("quote", "quote", "received")),
            "latency_ms": random.choice((Decimal(0), self._log(1, 400), self._log(1, 400), self._log(400, 9_000))),
            "balances": {"USDT": self._between(0.5, 3) * order_usd if self._chance(0.2) else plenty},
        }
        if self._chance(0.3):
            paper |= {"account": "margin", "max_borrow_usd": order_usd * random.choice((1, 3, 30))}
        if "account" not in paper or self._chance(0.4):
            paper["inventory_usd_per_symbol"] = self._between(0.5, 3) * order_usd if self._chance(0.2) else plenty
        if self._chance(0.15):
            paper["reject_rate"] = self._log(0.005, 0.3)
        if not is_dummy or self._chance(0.3):
            paper["min_notional"] = random.choice((0, 1, 5, 10, order_usd / 4))
        if not is_dummy:
            paper["instruments"] = {
                symbol: {
                    "lot_size": self._lot(order_usd, PRICES[symbol.removesuffix("USDT")]),
                    "tick_size": Decimal(1).scaleb(Decimal(PRICES[symbol.removesuffix("USDT")]).adjusted() - 5),
                }
                for symbol in symbols
            }
        return paper

    def _lot(self, order_usd: Decimal, price: float) -> Decimal:
        """Return a lot of which an order holds between a few and some hundreds."""
        unit = (order_usd / Decimal(price)).adjusted()
        return Decimal(self._random.choice(_LOTS)).scaleb(unit)

    # Faults

    def _faulty(self, exchange: Mapping[str, Any]) -> dict[str, Any]:
        random = self._random
        faulty: dict[str, Any] = {"plugin": "faulty", "wraps": exchange, "delay_ms": self._log(100, 15_000)}
        for fault in random.sample(_ORDER_FAULTS, random.choice((1, 1, 2, 3, 4, len(_ORDER_FAULTS)))):
            faulty[fault] = self._log(0.003, 0.4)
        for episode in ("rate_limit", "disconnect", "clock_skew"):
            faulty[f"{episode}_seconds"] = self._log(0.5, 120)
        if self._chance(0.5):
            faulty["active_seconds"] = Decimal(f"{self._seconds * random.uniform(0.3, 1):.1f}")
        if self._chance(0.1):
            faulty["script"] = [f"{random.randint(1, 30)}:{random.choice(_ORDER_FAULTS)}" for _ in range(4)]
        return faulty

    def _faulty_market(self, quoted: Mapping[str, Any]) -> dict[str, Any]:
        random = self._random
        faulty: dict[str, Any] = {"plugin": "faulty", "wraps": quoted, "stale_seconds": self._log(1, 300)}
        for fault, most in (("stale", 0.01), ("crossed", 0.1), ("drop", 0.3)):
            if self._chance(0.5):
                faulty[fault] = self._log(most / 100, most)
        if self._chance(0.3):
            faulty["skew_ms"] = random.choice((Decimal(1), self._log(1, 3_000)))
        return faulty

    # Guards

    def _guards(self, order_usd: Decimal, symbols: int) -> dict[str, Any]:
        random = self._random
        tight = self._chance(0.3)
        factor = Decimal(1) if tight else Decimal(20)
        loss = order_usd * (self._log(0.0005, 0.02) if tight else Decimal(1))
        cooldown = max(0.0, self._seconds * symbols / random.choice((10, 25, 60)))
        guards: dict[str, Any] = {
            "global": {
                "max_total_exposure_usd": order_usd * factor * self._between(0.8, 4),
                "max_daily_loss_usd": loss,
                "emergency_stop_loss_usd": loss * random.choice((Decimal("0.9"), Decimal(2), Decimal(20))),
            },
            "portfolio": {
                "total_capital_usd": order_usd * factor * 5,
                "max_symbol_allocation_pct": self._between(0.2, 1),
            },
            "symbol": {
                "max_position_size_usd": order_usd * self._between(0.9, 3),
                "max_position_count": random.choice((1, 2, 5)),
                "cooldown_seconds": Decimal(f"{cooldown:.1f}") if self._chance(0.85) else 0,
                "max_symbol_daily_loss_usd": loss,
                "circuit_breaker_loss_count": random.choice((0, 2, 3, 10)),
                "circuit_breaker_duration": self._log(5, 2_000),
            },
        }
        if self._chance(0.35):
            guards["exchange"] = {
                "window_orders": random.choice((5, 20, 50)),
                "min_orders": random.choice((1, 5)),
                "degraded_latency_ms": self._log(20, 3_000),
                "down_unknown_count": random.choice((1, 3)),
                "down_seconds": self._log(1, 300),
                "freeze_after_downs": random.choice((0, 2, 5)),
                "max_venue_daily_loss_usd": loss,
            }
        if self._chance(0.25):
            guards["kill_switch"] = {"file": _FILE, "flatten": self._chance(0.5)}
        return guards

    # What befalls the campaign

    def _stretches(self, table: Mapping[str, Any]) -> tuple[tuple[Stretch, ...], bool]:
        random = self._random
        kills = random.choice((1, 1, 1, 2, 3)) if self._chance(0.6) else 0
        goes_on = self._chance(0.08)
        count = 1 + max(kills, int(goes_on))
        stretches = []
        for number in range(count):
            acts = []
            if number < kills:
                acts.append(self._act("kill", at_once=number > 0 and self._chance(0.6)))
            if "kill_switch" in table["guards"]:
                acts += self._switched()
            if self._chance(0.3):
                acts += [self._act("signal")] * random.choice((1, 1, 2))
            if self._chance(0.15):
                acts.append(attrs.evolve(self._act("cancel"), counting="steps"))
            stretches.append(
                Stretch(
                    acts=tuple(acts),
                    close_only=number > 0 and self._chance(0.25),
                    clear_stop=number > 0 and self._chance(0.3),
                    torn=b'{"seq":1234567,"ts_ns":'[: random.randrange(24)] if self._chance(0.3) else b"",
                )
            )
        return tuple(stretches), goes_on

    def _switched(self) -> list[Act]:
        acts = []
        if self._chance(0.5):
            acts.append(self._act("touch"))
            if self._chance(0.6):
                acts.append(
                    attrs.evolve(acts[0], what="remove", at_seconds=acts[0].at_seconds + self._random.uniform(1, 300))
                )
        if self._chance(0.3):
            acts.append(self._act("kill_switch"))
        return acts

    def _act(self, what: What, *, at_once: bool = False) -> Act:
        random = self._random
        counting: Counting = random.choice(("orders", "orders", "orders", "records", "steps"))
        return Act(
            what=what,
            at_seconds=0.0 if at_once else random.uniform(0, 0.8) * self._seconds,
            counting=counting,
            number=int(self._log(1, 40 if counting == "orders" else 150)),
        )
