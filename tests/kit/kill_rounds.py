"""Kill real campaigns at random moments, resume them, and see that nothing was lost and nothing done twice.

A round is one campaign: it is started as a user starts it, killed with SIGKILL one to three times, resumed to its
end, and examined. What a round does follows from its seed; the moment of the kill, being real, does only roughly.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

import attrs
from aftermath import Aftermath, at_kill, events_of, examine

from trioarb.errors import JournalError

__all__ = ["Plan", "Played", "Started", "fast_campaign", "killed_soon", "play", "play_all", "start"]

#: A process that takes longer hangs, which is a defect.
_PATIENCE_SECONDS = 60
_POLL_SECONDS = 0.002
#: How often a campaign is stopped to see whether orders are under way, before it is killed without any.
_LOOKS = 40
_SYMBOLS = ("BTCUSDT", "DOGEUSDT", "ETHUSDT", "LTCUSDT", "SOLUSDT", "XRPUSDT")

_MOVES = """
[transfers]
simulate = true
check_seconds = 0.05
tolerance = 0
most_fee_bps = 10_000
spread = 1
"""


def fast_campaign(
    *,
    symbols: Sequence[str] = ("BTCUSDT", "SOLUSDT"),
    venues: Sequence[str] = ("a", "b"),
    latencies_ms: Sequence[int] = (30, 45, 60),
    durability: str = "order",
    margin: bool = False,
    fee_asset: str = "quote",
    reject_rate: float = 0,
    size_usd: int = 4000,
    loop_interval_ms: int = 25,
    max_holding_seconds: float = 0.4,
    holds: bool = True,
    loops: bool = False,
    quotes: bool = False,
    moves: bool = False,
    seed: int = 7,
) -> str:
    """Return the configuration of a campaign that has orders in flight nearly all the time, and never ends.

    Without ``holds`` it buys and sells once, from stock. ``loops``: it goes around BTC, ETH and USDT at each venue.
    If it ``quotes``, orders rest at the first venue, and are hedged at the others. If it ``moves``, what has drifted
    goes from venue to venue all the time.
    """
    if loops:
        symbols, margin, fee_asset = ("BTCUSDT", "ETHBTC", "ETHUSDT"), False, "quote"
    exits = f"exit_bps = -4\nmax_holding_seconds = {max_holding_seconds}" if holds else 'plugin = "inventory"'
    exits = 'plugin = "triangular"' if loops else exits
    if quotes:
        exits = 'plugin = "maker_taker"\nreach_bps = 40\nmin_requote_ms = 100'
    assets = 'USDT = "100000", BTC = "3", ETH = "50"' if loops else 'USDT = "100000"'
    size = f"size_usd = {size_usd}{', crosses = true' if loops else ''}"
    tables = [
        f"""
[session]
max_runtime_seconds = 10000
loop_interval_ms = {loop_interval_ms}
durability = "{durability}"
seed = {seed}

[universe]
mode = "FIXED_LIST"
whitelist = [{", ".join(f'"{symbol}"' for symbol in symbols)}]

[execution]
leg_timeout_seconds = 4
hedge_deadline_seconds = 4
hedge_retry_ms = 20
{"dust_usd = 11" if loops else ""}

[strategy]
order_size_usd = 500
entry_bps = {0 if loops else 5}
{exits}

[guards.global]
max_total_exposure_usd = 100_000
max_daily_loss_usd = 100_000
emergency_stop_loss_usd = 200_000

[guards.symbol]
max_position_size_usd = 5_000
cooldown_seconds = 0
circuit_breaker_loss_count = 0
max_symbol_daily_loss_usd = 100_000
"""
    ]
    if moves:
        moved = sorted({"USDT", *(symbol.removesuffix("USDT") for symbol in symbols if symbol.endswith("USDT"))})
        terms = "\n".join(f'{asset} = {{ fee = "0.00001", minutes = "0.006" }}' for asset in moved)
        tables += [_MOVES, *(f"[withdrawals.{venue}]\n{terms}\n" for venue in venues)]
    for venue, latency_ms in zip(venues, latencies_ms, strict=False):
        account = 'account = "margin"\nmax_borrow_usd = 20_000' if margin else "inventory_usd_per_symbol = 5_000"
        if moves and venue != venues[0]:  # it begins with what lacks there
            account, assets = account.replace("5_000", "2_000"), assets.replace('"100000"', '"60000"')
        account = 'account = "spot"' if loops else account
        tables.append(f"""
[exchanges.{venue}]
{account}
balances = {{ {assets} }}
taker_fee_bps = 1
fee_asset = "{fee_asset}"
latency_ms = {latency_ms}
reject_rate = {reject_rate}
market = {{ plugin = "dummy", step_ms = 50, basis_bps = 15, basis_half_life_seconds = 0.3, {size} }}
""")
    return "".join(tables)


@attrs.frozen(kw_only=True)
class Plan:
    """What a round does."""

    seed: int
    durability: str
    config: str
    kills: int
    close_only: bool

    @classmethod
    def of(cls, seed: int, *, quotes: bool = False) -> Plan:
        random = Random(f"round {seed}")
        durability = ("order", "batch")[seed % 2]
        slow = random.random() < 0.7
        config = fast_campaign(
            symbols=random.sample(_SYMBOLS, random.randint(2, 4)),
            venues="abc" if random.random() < 0.3 else "ab",
            latencies_ms=[random.randint(20, 60) if slow else random.randint(0, 8) for _ in "abc"],
            durability=durability,
            margin=random.random() < 0.25,
            fee_asset=random.choice(["quote", "quote", "received"]),
            reject_rate=random.choice([0, 0, 0, 0.05, 0.2]),
            size_usd=random.choice([800, 4000, 20_000]),
            loop_interval_ms=random.choice([0, 25]),
            holds=(once := Random(f"round {seed} once").random()) < 0.7,
            loops=(loops := Random(f"round {seed} loops").random() < 0.2 and not quotes),
            moves=Random(f"round {seed} moves").random() < 0.3,
            quotes=quotes or (once >= 0.85 and not loops),
            seed=seed,
        )
        return cls(
            seed=seed,
            durability=durability,
            config=config,
            kills=random.choice([1, 1, 1, 2, 3]),
            close_only=random.random() < 0.6,
        )


@attrs.frozen(kw_only=True)
class Played:
    """A round that was played: its kills, how many of them met orders in flight, and what became of it.

    ``orders_not_kept`` were executed by a venue, and the kill took them from the journal before they were on disk.
    """

    plan: Plan
    folder: Path
    kills: int
    kills_in_flight: int
    orders_in_flight: int
    orders_not_kept: int
    aftermath: Aftermath | None
    problems: tuple[str, ...]

    @property
    def again(self) -> str:
        """The command that plays this round again."""
        return f"python benchmarks/kill_rounds.py --from {self.plan.seed} --rounds 1 --keep DIR"


@attrs.define
class Started:
    """A command that runs in a folder; what it says is in files there."""

    popen: subprocess.Popen[bytes]
    errors: Path

    def kill(self) -> bool:
        """Kill it as the system would; say whether it still ran."""
        self.popen.send_signal(signal.SIGKILL)
        return self.popen.wait() == -signal.SIGKILL

    def finish(self) -> int:
        """Return its exit code, or -9 if it hung and had to be killed."""
        try:
            return self.popen.wait(_PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            return -signal.SIGKILL


def start(folder: Path, *arguments: str) -> Started:
    """Start a command of the program in a folder."""
    number = len([*folder.glob("*.err")]) + 1
    errors = folder / f"{number}-{arguments[0]}.err"
    command = [sys.executable, "-m", "trioarb", *arguments]
    with errors.open("wb") as err, errors.with_suffix(".out").open("wb") as out:
        environment = {**os.environ, "NO_COLOR": "1"}
        popen = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=environment)
    return Started(popen, errors)


def killed_soon(folder: Path, config: str) -> Path:
    """Run a campaign and kill it while orders are in flight, once it has opened a position; return its journal."""
    (folder / "config.toml").write_text(config)
    journal = folder / "j.journal"
    started = start(folder, "run", "config.toml", "--journal=j.journal")
    try:
        _wait_for_events(journal, started)
        _wait_until(lambda: b'"type":"position_opened"' in journal.read_bytes(), started)
        _stop_in_flight(journal, started)
        return journal
    finally:
        started.kill()


def play(seed: int, folder: Path, *, quotes: bool = False) -> Played:
    """Play a round in an empty folder; with ``quotes`` one in which orders rest."""
    plan, random = Plan.of(seed, quotes=quotes), Random(f"moments {seed}")
    (folder / "config.toml").write_text(plan.config)
    journal = folder / "j.journal"
    kills = kills_in_flight = orders_in_flight = orders_not_kept = 0
    problems: list[str] = []
    started = start(folder, "run", "config.toml", "--journal=j.journal")
    code: int | None = None
    try:
        _wait_for_events(journal, started)
        while kills < plan.kills and code is None:
            _wait_to_kill(journal, started, random, is_first=not kills)
            if started.kill():
                kills += 1
                left = at_kill(journal)
                kills_in_flight += bool(left.in_flight)
                orders_in_flight += left.in_flight
                orders_not_kept += left.not_kept
                if left.not_kept:
                    problems.append(f"{left.not_kept} orders were executed before their intent was in the journal")
                more = f"--runtime={left.ran_seconds + random.uniform(0.2, 0.8):.3f}"
                started = start(folder, "resume", "j.journal", "--close-only" if plan.close_only else more)
            else:
                code = started.popen.returncode
        code = started.finish() if code is None else code
    except JournalError as error:
        problems.append(f"the journal can't be read: {error}")
    finally:
        started.kill()
    problems += _said(folder)
    aftermath = None
    if code not in (0, 3):
        problems.append(f"exit code {code}: {_tail(started.errors)}")
    elif code == 3 and not _reasons(started.errors.with_suffix(".out")):
        problems.append("exit code 3 without a reason")
    if code in (0, 3):
        aftermath = examine(journal)
        problems += aftermath.problems
        if code == 0 and aftermath.residuals:
            problems.append(f"exit code 0, and {aftermath.residuals} residuals")
    return Played(
        plan=plan,
        folder=folder,
        kills=kills,
        kills_in_flight=kills_in_flight,
        orders_in_flight=orders_in_flight,
        orders_not_kept=orders_not_kept,
        aftermath=aftermath,
        problems=tuple(problems),
    )


def play_all(seeds: Iterable[int], folder: Path, *, at_a_time: int = 4, quotes: bool = False) -> Iterator[Played]:
    """Play rounds beside each other, each in a folder of its own; yield them in the order of their seeds."""

    def one(seed: int) -> Played:
        own = folder / str(seed)
        own.mkdir(parents=True)
        return play(seed, own, quotes=quotes)

    with ThreadPoolExecutor(at_a_time) as pool:
        yield from pool.map(one, seeds)


def _wait_for_events(journal: Path, started: Started) -> None:
    """Wait until the first events are in the journal: a campaign without any never began, and can't be resumed."""

    def has_events() -> bool:
        try:
            return bool(events_of(journal))
        except JournalError:
            return False

    _wait_until(lambda: _size(journal) > 0 and has_events(), started)


def _wait_to_kill(journal: Path, started: Started, random: Random, *, is_first: bool) -> None:
    """Wait for a moment to kill: any, or (mostly) one in which orders are under way."""
    if is_first:
        time.sleep(random.choice([random.uniform(0, 0.15), random.uniform(0.2, 0.9), random.uniform(0.2, 0.9)]))
        if random.random() < 0.8:
            _stop_in_flight(journal, started, random)
        return
    # A resumed campaign is killed while it reads, asks, evens out, or closes.
    match random.choice(["any", "order", "order"]):
        case "any":
            _wait_until(lambda: False, started, seconds=random.uniform(0.2, 1.0))
        case "order":
            _stop_in_flight(journal, started, random)


def _stop_in_flight(journal: Path, started: Started, random: Random | None = None) -> None:
    """Stop the process while orders are under way, or have just been: however slow the machine is."""
    for _ in range(_LOOKS):
        started.popen.send_signal(signal.SIGCONT)
        if not _wait_for_order(journal, started, random):
            return
        started.popen.send_signal(signal.SIGSTOP)
        if at_kill(journal).in_flight:
            return


def _wait_for_order(journal: Path, started: Started, random: Random | None = None) -> bool:
    """Wait until a venue has executed one more order, and with ``random`` a little longer; say whether it has."""
    stem = journal.name.removesuffix(".journal")
    paths = list(journal.parent.glob(f"{stem}.*.venue"))
    before = sum(map(_size, paths))
    has_executed = _wait_until(lambda: sum(map(_size, paths)) > before, started, seconds=3)
    if random is not None:
        time.sleep(random.choice([0, random.uniform(0, 0.005), random.uniform(0, 0.06)]))
    return has_executed


def _wait_until(condition: Callable[[], bool], started: Started, *, seconds: float = 20) -> bool:
    """Wait until it is so, the process has ended, or time is up; say whether it is so."""
    until = time.monotonic() + seconds
    while not (is_so := condition()) and started.popen.poll() is None and time.monotonic() < until:
        time.sleep(_POLL_SECONDS)
    return is_so


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _said(folder: Path) -> Iterator[str]:
    for path in sorted(folder.glob("*.err")):
        if any(text in path.read_text() for text in ("Traceback", "Exception ignored")):
            yield f"{path.name}: {_tail(path)}"


def _reasons(output: Path) -> list[str]:
    """Return the lines of the summary that say why it asks for the user's hand."""
    words = ("residual", "problem", "stop", "could not be closed", "no answer yet", "held", "holds")
    return [line for line in output.read_text().splitlines() if any(word in line.lower() for word in words)]


def _tail(path: Path) -> str:
    return "\n".join(path.read_text().splitlines()[-12:])
