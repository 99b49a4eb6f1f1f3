"""What a live campaign on two simulated venues meets: everything of it follows from a seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from random import Random

import attrs

from trioarb_sim.faults import Fault

__all__ = ["FAULTS", "Kill", "LivePlan", "Misdeed", "plan_of"]

#: Which venues play together; of two of one kind each has a simulator of its own.
_VENUES = (
    ("binance", "upbit"),
    ("binance", "bithumb"),
    ("upbit", "bithumb"),
    ("binance", "binance"),
)
#: What happens often, since orders and fills go wrong by it.
_OF_ORDERS = (
    Fault.LOST_ACKNOWLEDGEMENT,
    Fault.LATE_FILL,
    Fault.CUT_PRIVATE,
    Fault.CUT,
    Fault.DUPLICATE,
    Fault.SERVER_ERROR,
    Fault.TOO_MANY_REQUESTS,
    Fault.BANNED,
    Fault.MALFORMED,
    Fault.SLOW,
)
FAULTS = tuple(Fault)
#: Those that last until they are cleared; they are, a little later.
LASTING = frozenset(
    {Fault.SILENT, Fault.DUPLICATE, Fault.SKEWED_CLOCK, Fault.RETIRED, Fault.UNKNOWN, Fault.SLOW, Fault.HALVED}
)
#: A ban without a time, as these venues' is, is waited for two minutes long.
_BANS_SHORTLY = ("binance",)
_MOMENTS = ("any", "arrived", "arrived", "lost", "resting", "resting", "hedge", "cancel")


@attrs.frozen(kw_only=True)
class Misdeed:
    """A venue does something wrong, so long after the campaign listens; a lasting fault ends after ``seconds``."""

    at: float
    venue: str
    fault: Fault
    times: int
    seconds: float


@attrs.frozen(kw_only=True)
class Kill:
    """SIGKILL, at a moment: after ``seconds`` whatever happens, or when so many orders have come from then on.

    ``arrived``: the venue has taken and matched the order, and can't say so any more. ``lost``: the order never gets
    there. ``resting``: an order has come to rest. ``hedge``: an order that hedges, unwinds or completes has arrived.
    ``cancel``: a cancellation has. Where no such moment comes in time, the process is killed at any.
    """

    moment: str
    seconds: float
    number: int


@attrs.frozen(kw_only=True)
class LivePlan:
    """One campaign. ``venues``: kinds by name; ``ed25519``: which of them sign so, and not by HMAC.

    ``closes``: where it is killed, it is resumed to close what is open, and not to go on. It ends after ``seconds``,
    but not before venues have filled so many ``fills``, within a time.
    """

    seed: int
    venues: Mapping[str, str]
    strategy: str
    ed25519: frozenset[str]
    tls: bool
    symbols: Sequence[str]
    durability: str
    seconds: float
    fills: int
    size_usd: Decimal
    misdeeds: Sequence[Misdeed]
    kills: Sequence[Kill]
    closes: bool
    basis_bps: float
    levels_usd: Decimal


def plan_of(seed: int, *, seconds: float | None = None) -> LivePlan:
    """Return what becomes of a seed."""
    random = Random(f"live {seed}")
    kinds = _VENUES[seed % len(_VENUES)]
    venues = {kind if kinds.count(kind) == 1 else f"{kind}{number}": kind for number, kind in enumerate(kinds, 1)}
    # Prices in two quote assets are converted, which only a purchase and a sale at once can be done with.
    is_converted = "binance" in kinds and kinds != ("binance", "binance")
    strategy = "inventory" if is_converted else random.choice(["inventory", "spread", "maker_taker", "maker_taker"])
    length = seconds or random.uniform(8, 16)
    misdeeds = sorted(
        (_misdeed(random, list(venues), length) for _ in range(random.choice([0, 2, 4, 8, 12]))),
        key=lambda one: one.at,
    )
    kills = [
        Kill(moment=_moment(random, strategy), seconds=random.uniform(1, length), number=random.randint(1, 3))
        for _ in range(random.choice([0, 0, 1, 1, 2, 3]))
    ]
    return LivePlan(
        seed=seed,
        venues=venues,
        strategy=strategy,
        ed25519=frozenset(name for name, kind in venues.items() if kind == "binance" and random.random() < 0.5),
        tls=random.random() < 0.2,
        symbols=random.sample(("BTC", "ETH", "SOL", "XRP"), random.randint(1, 4)),
        durability=random.choice(["order", "batch"]),
        seconds=length,
        fills=10,
        size_usd=Decimal(random.choice([50, 200, 800])),
        misdeeds=misdeeds,
        kills=kills,
        closes=random.random() < 0.4,
        basis_bps=random.choice([20.0, 60.0]),
        levels_usd=Decimal(random.choice([100, 400, 2_000])),
    )


def _misdeed(random: Random, venues: Sequence[str], seconds: float) -> Misdeed:
    fault = random.choice(_OF_ORDERS if random.random() < 0.7 else FAULTS)
    venue = random.choice(venues)
    if fault is Fault.BANNED and not venue.startswith(_BANS_SHORTLY):
        fault = Fault.TOO_MANY_REQUESTS
    return Misdeed(
        at=random.uniform(0, seconds),
        venue=venue,
        fault=fault,
        times=random.choice([1, 1, 2, 3]),
        seconds=random.uniform(0.5, 3),
    )


def _moment(random: Random, strategy: str) -> str:
    wanted = [one for one in _MOMENTS if strategy == "maker_taker" or one not in ("resting", "cancel")]
    return random.choice(wanted)
