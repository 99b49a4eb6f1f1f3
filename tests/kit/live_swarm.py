"""Play live campaigns on two simulated venues: real processes, real signatures, faults, kills, resumes; and audit them.

The venues run in this process, so that what they hold in the end can be looked at, and so that a campaign can be killed
at the very moment in which its order arrives.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from base64 import b64encode
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from decimal import Decimal
from pathlib import Path
from random import Random
from urllib.parse import quote, quote_plus

import attrs
import trio
from live_books import IDS, Books, audit
from live_plan import LASTING, Kill, LivePlan

from trioarb_sim.account import Key
from trioarb_sim.faults import Fault, Faults
from trioarb_sim.listing import OF_QUOTE, PRICES
from trioarb_sim.order import OrderTerms, Refusal, Refused, VenueOrder
from trioarb_sim.simulator import Simulator, open_simulator
from trioarb_sim.strangers import Wandering

__all__ = ["LivePlayed", "Process", "open_venues", "play", "play_all", "prepare", "shown_in", "start"]

JOURNAL = "j.journal"
#: A campaign is ended before.
_LONGEST_SECONDS = 600
#: It waits so long for fills.
_FILLS_WITHIN_SECONDS = 40
#: A command that takes longer hangs. What may still arrive is waited for, which takes half a minute.
_PATIENCE_SECONDS = 120
_LISTENS_WITHIN_SECONDS = 100
#: After so long all orders have a last word: none that was sent before can arrive any more.
_CALM_WITHIN_SECONDS = 50


@attrs.frozen(kw_only=True)
class LivePlayed:
    """A seed that was played. ``problems`` are broken promises; ``venues`` run no more, and can be looked at."""

    plan: LivePlan
    folder: Path
    kills: Counter[str]
    faults: Counter[str]
    resumes: int
    exit_codes: tuple[int, ...]
    books: Books | None
    venues: Mapping[str, Simulator]
    violations: Mapping[str, int]
    problems: tuple[str, ...]

    @property
    def again(self) -> str:
        """The command that plays it again."""
        return f"python benchmarks/live_swarm.py --from {self.plan.seed} --seeds 1 --keep DIR"


@attrs.define
class Process:
    """A command that runs in a folder; what it says is in files there."""

    popen: subprocess.Popen[bytes]
    errors: Path

    @property
    def has_ended(self) -> bool:
        return self.popen.poll() is not None

    def kill(self) -> None:
        """Kill it as the system would, if it still runs."""
        if not self.has_ended:
            self.popen.send_signal(signal.SIGKILL)
            self.popen.wait()

    async def finish(self, seconds: float = _PATIENCE_SECONDS) -> int:
        """Return its exit code, or -9 if it hung and had to be killed."""
        until = trio.current_time() + seconds
        while not self.has_ended and trio.current_time() < until:  # noqa: ASYNC110 - another process's doing
            await trio.sleep(0.05)
        self.kill()
        return int(self.popen.returncode)


# The venues


@asynccontextmanager
async def open_venues(plan: LivePlan) -> AsyncIterator[tuple[dict[str, Simulator], dict[str, str]]]:
    """Run the venues of a plan; give them, and the secrets of each by the names of their variables."""
    wandering = Wandering(
        prices={**PRICES, "USDT": Decimal(1)},
        of_quote=OF_QUOTE,
        seed=plan.seed,
        basis_bps=plan.basis_bps,
        size_value=plan.levels_usd,
    )
    secrets, venues = dict[str, str](), dict[str, Simulator]()
    async with AsyncExitStack() as stack:
        for name, kind in plan.venues.items():
            key, secret = _key(name, ed25519=name in plan.ed25519)
            secrets |= {f"{name.upper()}_KEY": key.api_key, f"{name.upper()}_SECRET": secret}
            venues[name] = await stack.enter_async_context(
                open_simulator(kind, key=key, tls=plan.tls, wandering=wandering, every_seconds=0.1)
            )
        yield venues, secrets


def _key(name: str, *, ed25519: bool) -> tuple[Key, str]:
    """Return a key, and what its owner keeps secret of it."""
    api_key = f"key/of+{name}=Zq3"
    if not ed25519:
        secret = f"the-s3cret/+=&\"'é-of-{name}"
        return Key(api_key=api_key, secret=secret), secret
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

    key = Ed25519PrivateKey.from_private_bytes(Random(name).randbytes(32))
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    return Key(api_key=api_key, public_key=public), private


# The campaign


def table_of(plan: LivePlan, venues: Mapping[str, Simulator], folder: Path) -> str:
    """Return the configuration of a campaign on these venues, as TOML; writes the certificates that it names."""
    kinds = list(plan.venues.values())
    source = "binance" if "binance" in kinds else "upbit"
    quote = "USDT" if source == "binance" else "KRW"
    source_name = next(name for name, kind in plan.venues.items() if kind == source)
    korean = [name for name, kind in plan.venues.items() if kind != "binance"]
    tables = [
        f"""
[session]
mode = "live"
max_runtime_seconds = {_LONGEST_SECONDS}
loop_interval_ms = 0
durability = "{plan.durability}"

[live]
capital_cap_usd = 1_000_000
warm_seconds = 0

[universe]
source = "{source}"
mode = "FIXED_LIST"
base_quote = "{quote}"
whitelist = [{", ".join(f'"{base}{quote}"' for base in plan.symbols)}]

[universe.settings]
{_reached(venues[source_name], folder, source_name)}

[execution]
leg_timeout_seconds = 2
hedge_deadline_seconds = 4

[engine]
depth = 5

[strategy]
plugin = "{plan.strategy}"
order_size_usd = {plan.size_usd}
{_strategy(plan)}

[guards.global]
max_total_exposure_usd = 100_000
max_daily_loss_usd = 10_000
emergency_stop_loss_usd = 20_000

[guards.exchange]
min_orders = 1000000
down_unknown_count = 1000000
max_venue_daily_loss_usd = 100_000

[guards.portfolio]
total_capital_usd = 1_000_000

[guards.symbol]
max_position_size_usd = 5_000
max_symbol_daily_loss_usd = 10_000
cooldown_seconds = 0.2
circuit_breaker_loss_count = 0
"""
    ]
    if quote == "KRW":
        tables.append('[fx.KRW]\nrate = "0.0007"\n')
    elif korean:
        markets = ", ".join(f'"{name}"' for name in korean)
        tables.append(f'[fx.KRW]\nsymbol = "USDTKRW"\nmarkets = [{markets}]\nmax_age_ms = 10_000\n')
    for name, kind in plan.venues.items():
        same_as = 'same_as = { KRW = "USDT" }' if quote == "USDT" and kind != "binance" else ""
        tables.append(f"""
[exchanges.{name}]
plugin = "{kind}"
api_key = {{ env = "{name.upper()}_KEY" }}
api_secret = {{ env = "{name.upper()}_SECRET" }}
{_reached(venues[name], folder, name)}
{_streams(venues[name])}
{same_as}
""")
    return "\n".join(tables)


def prepare(plan: LivePlan, venues: Mapping[str, Simulator], folder: Path) -> None:
    """Make a campaign's folder, with its configuration."""
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text(table_of(plan, venues, folder))


def _strategy(plan: LivePlan) -> str:
    match plan.strategy:
        case "maker_taker":
            maker = next(iter(plan.venues))
            return f'maker = "{maker}"\nentry_bps = -25\nreach_bps = 40\nmin_requote_ms = 200'
        case "spread":
            return "entry_bps = -25\nexit_bps = -60\nmax_holding_seconds = 2"
        case _:
            return "entry_bps = -30"


def _reached(venue: Simulator, folder: Path, name: str) -> str:
    lines = f'rest_url = "{venue.rest_url}"'
    if venue.authority is not None:
        path = folder / f"{name}.pem"
        if not path.exists():
            venue.authority.write(path)
        lines += f'\nca_file = "{path}"'
    return lines


def _streams(venue: Simulator) -> str:
    lines = f'stream_url = "{venue.socket_url}"'
    if venue.name == "binance":
        return f'{lines}\napi_url = "{venue.socket_url}/ws-api/v3"'
    path = "/websocket/v1/private" if venue.name == "upbit" else "/websocket/v2/private"
    return f'{lines}\nprivate_stream_url = "{venue.socket_url}{path}"'


def environment_of(folder: Path, secrets: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a campaign's process."""
    return {**os.environ, "NO_COLOR": "1", "XDG_STATE_HOME": str(folder / "state"), **secrets}


def start(folder: Path, secrets: Mapping[str, str], *arguments: str) -> Process:
    """Start a command of the program in a folder."""
    number = len([*folder.glob("*.err")]) + 1
    errors = folder / f"{number}-{arguments[0]}.err"
    command = [sys.executable, "-m", "trioarb", *arguments]
    with errors.open("wb") as err, errors.with_suffix(".out").open("wb") as out:
        popen = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=environment_of(folder, secrets)
        )
    return Process(popen, errors)


# A seed


class _Trap:
    """Kills a campaign at a moment of one of its orders: what arrives at a venue goes through here."""

    def __init__(self, venues: Mapping[str, Simulator], journal: Path) -> None:
        self._journal = journal
        self._venues = venues
        self._process: Process | None = None
        self._kill: Kill | None = None
        self._left = 0
        self.has_sprung = trio.Event()
        for simulator in venues.values():
            self._watch(simulator)

    def set(self, process: Process, kill: Kill) -> None:
        """Kill this process at that moment."""
        self._process, self._kill, self._left = process, kill, kill.number
        self.has_sprung = trio.Event()

    def open(self) -> None:
        """Kill nobody any more."""
        self._kill = None

    def _watch(self, simulator: Simulator) -> None:
        venue, ids = simulator.venue, IDS[simulator.name]
        place, cancel = venue.place, venue.cancel

        def placed(account: str, terms: OrderTerms) -> VenueOrder:
            if self._is_now("lost"):
                raise Refused(Refusal.NO_FUNDS)  # it never came; nobody is there to hear this
            order = place(account, terms)
            ours = ids.decode(terms.client_id) or ""
            if order.is_open:
                self._is_now("resting")
            if self._kill is not None and self._kill.moment == "hedge" and self._evens_out(ours):
                self._is_now("hedge")
            self._is_now("arrived")
            return order

        def cancelled(order: VenueOrder, *, request_id: str = "") -> None:
            cancel(order, request_id=request_id)
            self._is_now("cancel")

        venue.place, venue.cancel = placed, cancelled  # type: ignore[method-assign]

    def _is_now(self, moment: str) -> bool:
        if self._kill is None or self._process is None or self._kill.moment != moment:
            return False
        self._left -= 1
        if self._left > 0:
            return False
        self._kill = None
        self._process.kill()
        self.has_sprung.set()
        return True

    def _evens_out(self, ours: str) -> bool:
        """Whether an order is a leg of no pair, by its intent in the journal, which is there before it is sent."""
        for line in self._journal.read_bytes().splitlines():
            if f'"{ours}"'.encode() in line and b'"order_submitted"' in line:
                return b'"purpose":"leg"' not in line
        return False


async def play(plan: LivePlan, folder: Path) -> LivePlayed:
    """Play a plan in a folder of its own, which is new."""
    async with open_venues(plan) as (venues, secrets):
        prepare(plan, venues, folder)
        return await _Seed(plan, folder, venues, secrets).run()


def forms_of(secret: str) -> set[str]:
    """Return how a secret may be written: as it is, URL-encoded, in base64 or hex, as JSON and Python write it."""
    raw = secret.encode()
    found = {secret, quote(secret), quote(secret, safe=""), quote_plus(secret), raw.hex()}
    found |= {json.dumps(secret)[1:-1], repr(secret)[1:-1], repr(raw)[2:-1]}
    found |= {b64encode(raw).decode(), b64encode(b"me:" + raw).decode()[4:-4]}
    lines = [line for line in secret.splitlines() if not line.startswith("-----")]
    return found | (set(lines) if len(lines) > 1 or "-----" in secret else set())


def shown_in(text: str, secrets: Mapping[str, str]) -> list[str]:
    """Return the names of the secrets that a text shows in any form."""
    return [name for name, secret in secrets.items() if any(form in text for form in forms_of(secret) if form)]


class _Seed:
    """One campaign, from its first process to its last."""

    def __init__(
        self, plan: LivePlan, folder: Path, venues: Mapping[str, Simulator], secrets: Mapping[str, str]
    ) -> None:
        self._plan, self._folder, self._venues, self._secrets = plan, folder, venues, secrets
        self._journal = folder / JOURNAL
        self._trap = _Trap(venues, self._journal)
        self._kills = Counter[str]()
        self._codes: list[int] = []
        self._problems: list[str] = []
        self._resumes = 0

    async def run(self) -> LivePlayed:
        async with trio.open_nursery() as nursery:
            armed = await start(self._folder, self._secrets, "check", "config.toml", "--online").finish()
            if armed:
                self._problems.append(f"it can't be armed: exit code {armed}")
            process = start(
                self._folder,
                self._secrets,
                *("run", "config.toml", "--live", f"--journal={JOURNAL}", "--events=events", "--log-level=DEBUG"),
            )
            try:
                nursery.start_soon(self._misbehave, process)
                for kill in self._plan.kills:
                    if process.has_ended or not await self._killed(process, kill):
                        break
                    process = self._resume(*self._how_to_go_on())
                if not self._plan.closes or not self._resumes:
                    await self._end(process)
                self._codes.append(await process.finish())
                nursery.cancel_scope.cancel()
            finally:
                process.kill()
        books = await self._calmed()
        for command in (("summary", JOURNAL, "--json"), ("export", JOURNAL, "--out=export")):
            await start(self._folder, self._secrets, *command).finish()
        self._problems += self._said()
        return LivePlayed(
            plan=self._plan,
            folder=self._folder,
            kills=self._kills,
            faults=sum((Counter(one.faults.happened) for one in self._venues.values()), Counter[str]()),
            resumes=self._resumes,
            exit_codes=tuple(self._codes),
            books=books,
            venues=self._venues,
            violations={
                f"{name}: {what}": times
                for name, venue in self._venues.items()
                for what, times in venue.violations.items()
            },
            problems=tuple(self._problems),
        )

    def _how_to_go_on(self) -> Sequence[str]:
        if self._plan.closes:
            return ["--close-only"]
        return []

    def _resume(self, *how: str) -> Process:
        self._resumes += 1
        return start(self._folder, self._secrets, "resume", JOURNAL, "--live", *how)

    async def _listens(self, process: Process) -> bool:
        """Wait until a campaign hears both venues; say whether it does."""
        until = trio.current_time() + _LISTENS_WITHIN_SECONDS
        while trio.current_time() < until and not process.has_ended:
            if self._journal.exists() and all(venue.open_sockets >= 2 for venue in self._venues.values()):
                return True
            await trio.sleep(0.02)
        return False

    async def _killed(self, process: Process, kill: Kill) -> bool:
        """Kill a process at a moment, or some time later at any; say whether it was killed, and can be resumed."""
        await self._listens(process)
        self._trap.set(process, kill)
        with trio.move_on_after(kill.seconds):
            await self._trap.has_sprung.wait()
        self._trap.open()
        sprung = self._trap.has_sprung.is_set()
        if process.has_ended and not sprung:
            return False
        process.kill()
        self._kills[kill.moment if sprung else "any"] += 1
        return self._journal.exists()

    async def _end(self, process: Process) -> None:
        """Tell a campaign to end, as Ctrl-C does, once it has done enough and hears of its orders at all venues."""
        await self._listens(process)
        await trio.sleep(self._plan.seconds)
        until = trio.current_time() + _FILLS_WITHIN_SECONDS
        while (  # noqa: ASYNC110 - another process's doing
            (self._fills() < self._plan.fills or self._is_deaf())
            and not process.has_ended
            and trio.current_time() < until
        ):
            await trio.sleep(0.1)
        if not process.has_ended:
            process.popen.send_signal(signal.SIGINT)

    def _fills(self) -> int:
        return sum(len(one.executions) for venue in self._venues.values() for one in venue.venue.orders("main"))

    def _is_deaf(self) -> bool:
        """Whether the last word on some venue's updates is that they are down."""
        told = re.findall(rb'"type":"updates_(up|down)","venue":"(\w+)"', self._journal.read_bytes())
        return b"down" in {venue: word for word, venue in told}.values()

    async def _misbehave(self, process: Process) -> None:
        await self._listens(process)
        started = trio.current_time()
        async with trio.open_nursery() as nursery:
            for one in self._plan.misdeeds:
                await trio.sleep_until(started + one.at)
                faults = self._venues[one.venue].faults
                faults.switch_on(one.fault, times=one.times)
                if one.fault in LASTING:
                    nursery.start_soon(_end_later, faults, one.fault, one.seconds)

    async def _calmed(self) -> Books | None:
        """Let the campaign end without faults, and audit it."""
        for venue in self._venues.values():
            venue.faults.clear()
        if not self._journal.exists():
            self._problems.append("it never began")
            return None
        until = trio.current_time() + _CALM_WITHIN_SECONDS
        while True:
            code = await self._resume("--close-only", "--clear-stop").finish()
            self._codes.append(code)
            books = audit(self._journal, self._venues)
            if (not books.unknown and code in (0, 3)) or trio.current_time() > until:
                break
            await trio.sleep(3)  # a venue may have banned us, or an order may still be under way
        if code not in (0, 3) or (code == 3 and not books.residuals):
            self._problems.append(f"without faults it ends with exit code {code}")
        self._problems += books.wrong
        return books

    def _said(self) -> list[str]:
        """Return what is wrong with what was said: a traceback, or a secret, wherever it was written down."""
        found = []
        for path in sorted(self._folder.rglob("*")):
            if not path.is_file():
                continue
            text = path.read_bytes().decode(errors="replace")
            if path.suffix in (".err", ".out") and any(word in text for word in ("Traceback", "Exception ignored")):
                found.append(f"{path.name}: " + "\n".join(text.splitlines()[-12:]))
            found += [f"{path.name} shows the secret {name}" for name in shown_in(text, self._secrets)]
        return found


async def _end_later(faults: Faults, fault: Fault, seconds: float) -> None:
    await trio.sleep(seconds)
    faults.switch_off(fault)


async def play_all(
    plans: Iterable[LivePlan],
    folder: Path,
    told: Callable[[LivePlayed], None],
    at_a_time: int = 2,
) -> None:
    """Play plans beside each other, each in a folder of its own; tell of each as it is done."""
    room = trio.CapacityLimiter(at_a_time)

    async def one(plan: LivePlan) -> None:
        async with room:
            told(await play(plan, folder / str(plan.seed)))

    async with trio.open_nursery() as nursery:
        for plan in plans:
            nursery.start_soon(one, plan)
