"""Judge a campaign of the swarm by its journal, by what the venues' files hold, and by what it said at its end."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from hashlib import sha256
from pathlib import Path
from typing import Any

import attrs
from swarm_plan import Plan

from trioarb.engine.campaign import Campaign
from trioarb.errors import JournalError
from trioarb.journal.recorded import open_journal
from trioarb.model import event as model
from trioarb.model.event import Record
from trioarb.model.order import Purpose, Side
from trioarb.model.trade import Answer, PairKind, Phase
from trioarb.verify.verification import Verification, Verifier

__all__ = ["Ended", "Verdict", "judge", "unsettled"]

_NONE = Fraction(0)
_SECOND_NS = 10**9
#: The error that a fault explains: a venue that can't be reached for so long doesn't say its balances to a recovery.
_EXPLAINED = re.compile(
    r"[abc] did not say its balances, so the ledger could not be compared: [abc]: (not connected|429)"
)
_CANCELLED = "the campaign was cancelled"

Books = defaultdict[tuple[str, str], Fraction]


@attrs.frozen(kw_only=True)
class Ended:
    """What a campaign said of itself at its end."""

    began: bool
    exit_code: int
    ended_by: str
    error: str
    problems: tuple[str, ...]
    is_stopped: bool
    residuals: frozenset[str]
    told_residuals: int
    open_orders: frozenset[str]
    balances: Mapping[str, Mapping[str, Decimal]]
    imbalances: tuple[str, ...]
    tasks_left: int

    @classmethod
    def of(cls, campaign: Campaign, *, tasks_left: int, summary: Mapping[str, Any]) -> Ended:
        parts = campaign.parts
        return cls(
            began=True,
            exit_code=campaign.exit_code,
            ended_by=campaign.ended_by.value if campaign.ended_by else "",
            error=campaign.error,
            problems=tuple(campaign.problems),
            is_stopped=campaign.state.statistics.is_stopped,
            residuals=frozenset(parts.trades.residuals),
            told_residuals=len(summary["residuals"]),
            open_orders=frozenset(parts.trades.orders),
            balances={
                venue: {asset: balance.final for asset, balance in assets.items()}
                for venue, assets in parts.ledger.balances().items()
            },
            imbalances=tuple(parts.ledger.imbalances()),
            tasks_left=tasks_left,
        )

    @classmethod
    def before_it_began(cls) -> Ended:
        return cls(
            began=False,
            exit_code=1,
            ended_by="",
            error=_CANCELLED,
            problems=(),
            is_stopped=False,
            residuals=frozenset(),
            told_residuals=0,
            open_orders=frozenset(),
            balances={},
            imbalances=(),
            tasks_left=0,
        )


@attrs.frozen(kw_only=True)
class Verdict:
    """``violations`` are broken promises; the rest is what the journal tells."""

    violations: tuple[str, ...] = ()
    digest: str = ""
    hours: float = 0
    events: int = 0
    orders: int = 0
    pairs: int = 0
    outcomes: Mapping[str, int] = attrs.field(factory=dict)
    residuals: int = 0
    differences: int = 0
    stops: int = 0


def judge(journal: Path, plan: Plan, ended: Ended | None) -> Verdict:
    """Judge what is in the present folder."""
    try:
        digest = sha256()
        with open_journal(journal) as stored:
            records = []
            for record, line in stored.lines():
                records.append(record)
                digest.update(line.plain)
    except JournalError as error:
        if ended is None or not ended.began:
            return Verdict()
        return Verdict(violations=(f"the journal can't be read: {error}",))
    verifier = Verifier()
    verifier.fold(records)
    verification = verifier.result()
    venues = _venue_lines(journal)
    course = _Course(records)
    violations = [f"verify: {one.check.value}: {one}" for one in verification.violations[:5]]
    violations += course.violations
    violations += _orders(course, venues)
    violations += _uneven(course)
    violations += _differences(course, venues, plan)
    if ended is not None and ended.began:
        violations += _money(ended, course, venues)
        violations += _closed(journal, records)
        violations += _end(ended, course, verification, plan)
    facts = verification.facts
    return Verdict(
        violations=tuple(violations),
        digest=digest.hexdigest() if plan.is_deterministic else "",
        hours=(facts.last_ns - facts.first_ns) / _SECOND_NS / 3600,
        events=facts.events,
        orders=facts.orders,
        pairs=sum(course.outcomes.values()),
        outcomes=course.outcomes,
        residuals=len(course.left) + course.resolved,
        differences=course.differed,
        stops=course.stops,
    )


def unsettled(journal: Path, ended: Ended | None) -> Iterator[str]:
    """Yield what a campaign left unsettled that ended when all its venues answered."""
    with open_journal(journal) as stored:
        records = list(stored.records())
    course = _Course(records)
    if ended is None:
        yield "it has not ended"
        return
    yield from (f"{order_id} has no last word" for order_id in course.unanswered)
    yield from (f"{one.residual_id} is of unknown size" for one in course.left.values() if one.unknown)
    yield from (f"the ledger is not balanced: {text}" for text in ended.imbalances)
    yield from (f"{trade_id} is open" for trade_id in course.positions)
    yield from ended.problems
    # A loss of closing may stop it once more, which is to be said, too.
    if ended.exit_code != (3 if course.left or ended.is_stopped else 0):
        yield f"exit code {ended.exit_code} {ended.error}"


class _Course:
    """What the events come to, by arithmetic of its own: exact fractions."""

    def __init__(self, records: Iterable[Record]) -> None:
        self.violations: list[str] = []
        self.orders: dict[str, model.OrderSubmitted] = {}
        self.fills: defaultdict[str, list[model.OrderFilled]] = defaultdict(list)
        self.last_words: Counter[str] = Counter()
        self.left: dict[str, model.ResidualLeft] = {}
        self.positions: dict[str, tuple[model.PositionOpened, Fraction]] = {}
        self.dust: defaultdict[str, Fraction] = defaultdict(Fraction)
        self.deposits, self.booked = Books(Fraction), Books(Fraction)
        self.outcomes: Counter[str] = Counter()
        self.flying: dict[str, model.PairOpened] = {}
        self.resolved = self.differed = self.stops = 0
        self.close_only = False
        self._phase = Phase.STARTING
        for record in records:
            self._fold(record)

    @property
    def unanswered(self) -> dict[str, model.OrderSubmitted]:
        """The orders without a last word."""
        return {order_id: order for order_id, order in self.orders.items() if not self.last_words[order_id]}

    def _fold(self, record: Record) -> None:
        match record.event:
            case model.CampaignResumed(close_only=close_only):
                self._phase, self.close_only = Phase.STARTING, close_only
            case model.PhaseEntered(phase=phase):
                self._phase = phase
            case model.Decided(answer=Answer.STOP):
                self.stops += 1
            case model.Decided(answer=Answer.ALLOW):
                self._refuse_late(record, "an entry is allowed")
            case model.PairOpened() as opened:
                self.flying[opened.pair_id] = opened
                if opened.kind is PairKind.ENTRY:
                    self._refuse_late(record, "an entry is opened")
            case model.OrderSubmitted() as order:
                self._submit(record, order)
            case model.OrderFilled() as fill:
                self._fill(record, fill)
            case model.OrderCancelled(client_order_id=order_id) | model.OrderRejected(client_order_id=order_id):
                self._last_word(record, order_id)
            case model.PositionOpened() as position:
                self.positions[position.trade_id] = position, Fraction(position.quantity)
            case model.PositionReduced(trade_id=trade_id, quantity=quantity):
                self.positions[trade_id] = self.positions[trade_id][0], Fraction(quantity)
            case model.PositionClosed(trade_id=trade_id):
                del self.positions[trade_id]
            case model.PairEnded() as pair:
                del self.flying[pair.pair_id]
                self.dust[pair.symbol] += Fraction(pair.dust)
                self.outcomes[f"{pair.kind.value} {pair.outcome.value}"] += 1
            case model.ResidualLeft() as residual:
                self.left[residual.residual_id] = residual
            case model.ResidualResolved(residual_id=residual_id):
                del self.left[residual_id]
                self.resolved += 1
            case model.Deposited() as deposit:
                books = self.booked if deposit.reason == "difference" else self.deposits
                books[deposit.venue, deposit.asset] += Fraction(deposit.amount)
                self.differed += deposit.reason == "difference"
            case model.SymbolQuarantined(symbol=symbol, error=error):
                self.violations.append(f"seq {record.seq}: {symbol} failed: {error}")
            case _:
                pass

    def _submit(self, record: Record, order: model.OrderSubmitted) -> None:
        if order.client_order_id in self.orders:
            self.violations.append(f"seq {record.seq}: {order.client_order_id} is submitted twice")
        self.orders[order.client_order_id] = order
        pair = self.flying.get(order.pair_id)
        is_entry = order.purpose is Purpose.LEG and pair is not None and pair.kind is PairKind.ENTRY
        if is_entry:
            self._refuse_late(record, f"{order.client_order_id}, an entry's leg, is sent")

    def _fill(self, record: Record, fill: model.OrderFilled) -> None:
        fills = self.fills[fill.client_order_id]
        fills.append(fill)
        filled = sum((Fraction(one.quantity) for one in fills), _NONE)
        if filled == Fraction(self.orders[fill.client_order_id].quantity):
            self._last_word(record, fill.client_order_id)

    def _last_word(self, record: Record, order_id: str) -> None:
        self.last_words[order_id] += 1
        if self.last_words[order_id] > 1:
            self.violations.append(f"seq {record.seq}: {order_id} has a second last word")

    def _refuse_late(self, record: Record, what: str) -> None:
        if self._phase in (Phase.DRAINING, Phase.CLOSED):
            self.violations.append(f"seq {record.seq}: {what} while the campaign is {self._phase.value}")


def _venue_lines(journal: Path) -> dict[str, list[dict[str, Any]]]:
    """Return what each paper venue remembers."""
    stem = journal.name.removesuffix(".journal")
    return {
        path.name.removeprefix(f"{stem}.").removesuffix(".venue"): [
            {"type": "opened", **json.loads(line)} for line in path.open()
        ]
        for path in sorted(journal.parent.glob(f"{stem}.*.venue"))
    }


def _executed(venues: Mapping[str, Sequence[Mapping[str, Any]]]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for venue, lines in venues.items():
        yield from ((venue, line) for line in lines if line["type"] == "executed")


def _sum(fills: Iterable[tuple[Any, Any, Any, str]]) -> tuple[Any, ...]:
    """Return quantity, value and fees (by asset) of fills, however they are split."""
    quantity = value = _NONE
    fees: defaultdict[str, Fraction] = defaultdict(Fraction)
    for one, price, fee, asset in fills:
        quantity += Fraction(one)
        value += Fraction(one) * Fraction(price)
        fees[asset] += Fraction(fee)
    return quantity, value, tuple(sorted(item for item in fees.items() if item[1]))


def _there(line: Mapping[str, Any]) -> tuple[Any, ...]:
    fills = line["report"].get("fills", ())
    return _sum((fill["quantity"], fill["price"], fill["fee"], fill["fee_asset"]) for fill in fills)


def _orders(course: _Course, venues: Mapping[str, Sequence[Mapping[str, Any]]]) -> Iterator[str]:
    """Yield what the venues executed and the journal holds otherwise, and the other way round."""
    known, unanswered = Counter[str](), course.unanswered
    for venue, line in _executed(venues):
        order_id = line["order"]["client_order_id"]
        known[order_id] += 1
        order = course.orders.get(order_id)
        if order is None:
            yield f"{order_id} was executed at {venue}, and the journal doesn't know it"
            continue
        sent = line["order"]
        if (order.venue, order.symbol, order.side.value, Fraction(order.limit_price)) != (
            venue,
            sent["symbol"],
            sent["side"],
            Fraction(sent["limit_price"]),
        ) or Fraction(sent["quantity"]) > order.quantity:
            yield f"{order_id} is another order at {venue} than in the journal"
        here = _sum((fill.quantity, fill.price, fill.fee, fill.fee_asset) for fill in course.fills[order_id])
        if order_id not in unanswered and here != _there(line):
            yield f"{order_id}: {venue} executed {_there(line)}, the journal says {here}"
    yield from (f"{order_id} was executed {count} times" for order_id, count in known.items() if count > 1)
    yield from (f"{order_id} has fills, and no venue knows it" for order_id in course.fills if not known[order_id])


def _uneven(course: _Course) -> Iterator[str]:
    """Yield what was bought or sold one-sidedly, and is neither position, residual, dust, nor in flight."""
    flying = {pair.symbol for pair in course.flying.values()}
    net = Books(Fraction)
    for fills in course.fills.values():
        for fill in fills:
            net[fill.venue, fill.symbol] += Fraction(fill.quantity) * (1 if fill.side is Side.BUY else -1)
    for residual in course.left.values():
        if not residual.possible:
            net[residual.venue, residual.symbol] -= Fraction(residual.quantity)
    for position, quantity in course.positions.values():
        net[position.buy_venue, position.symbol] -= quantity
        net[position.sell_venue, position.symbol] += quantity
    for (venue, symbol), quantity in net.items():
        if abs(quantity) > course.dust[symbol] and symbol not in flying:
            yield f"{float(quantity):g} of {symbol} at {venue} is neither position, residual nor dust"


def _differences(course: _Course, venues: Mapping[str, Sequence[Mapping[str, Any]]], plan: Plan) -> Iterator[str]:
    """Yield differences that were booked, unless they are what a venue was given and a kill took from the journal."""
    given = Books(Fraction)
    for venue, lines in venues.items():
        for line in lines:
            if line["type"] == "opened":
                for asset, amount in line["balances"].items():
                    given[venue, asset] += Fraction(amount)
            elif line["type"] == "granted":
                given[venue, line["asset"]] += Fraction(line["amount"])
    for place, amount in course.booked.items():
        if amount != given[place] - course.deposits[place]:
            yield f"a difference of {float(amount):g} {place[1]} at {place[0]} was booked that no lost grant explains"


def _money(ended: Ended, course: _Course, venues: Mapping[str, Sequence[Mapping[str, Any]]]) -> Iterator[str]:
    """Yield where the ledger, and what orders of unknown fate filled, is not what the venue holds."""
    held, expected = Books(Fraction), Books(Fraction)
    for venue, assets in ended.balances.items():
        for asset, amount in assets.items():
            expected[venue, asset] += Fraction(amount)
    for venue, lines in venues.items():
        for line in lines:
            match line["type"]:
                case "opened":
                    for asset, amount in line["balances"].items():
                        held[venue, asset] += Fraction(amount)
                case "granted":
                    held[venue, line["asset"]] += Fraction(line["amount"])
                case "executed":
                    _book(held, venue, line)
                    if line["order"]["client_order_id"] in course.unanswered:
                        _book(expected, venue, line)
    for place in sorted(held.keys() | expected.keys()):
        if held[place] != expected[place]:
            yield f"{place[0]} holds {float(held[place] - expected[place]):g} {place[1]} more than the ledger says"


def _book(books: Books, venue: str, line: Mapping[str, Any]) -> None:
    quantity, value, fees = _there(line)
    sign = 1 if line["order"]["side"] == "buy" else -1
    books[venue, line["base"]] += sign * quantity
    books[venue, line["quote"]] -= sign * value
    for asset, fee in fees:
        books[venue, asset] -= fee


def _closed(journal: Path, records: Sequence[Record]) -> Iterator[str]:
    if not isinstance(records[-1].event, model.CampaignEnded):
        yield f"the last event is {type(records[-1].event).__name__}"
    with open_journal(journal) as stored:
        for _ in stored.records():
            pass
        if stored.torn:
            yield f"the journal ends with {stored.torn} bytes of no step"


def _end(ended: Ended, course: _Course, verification: Verification, plan: Plan) -> Iterator[str]:
    """Yield what the campaign left behind, or did not tell."""
    if ended.tasks_left:
        yield f"{ended.tasks_left} tasks are alive"
    yield from (f"the ledger is not balanced: {text}" for text in ended.imbalances)
    yield from (f"{pair_id} has not ended" for pair_id in course.flying)
    named = {residual.client_order_id for residual in course.left.values()}
    yield from (
        f"{order_id} has no last word, and no residual names it" for order_id in course.unanswered.keys() - named
    )
    if ended.open_orders != course.unanswered.keys():
        yield f"open orders: the campaign says {sorted(ended.open_orders)}, the journal {sorted(course.unanswered)}"
    of_journal = {residual.residual_id for residual in verification.facts.residuals}
    if not ended.residuals == of_journal == course.left.keys() or ended.told_residuals != len(of_journal):
        yield f"residuals: the campaign has {sorted(ended.residuals)}, the journal {sorted(of_journal)}, or not all"
    closes = plan.table["session"]["close_positions_at_end"] or ended.is_stopped or course.close_only
    if closes and course.positions and not ended.problems:
        yield f"positions are open, and no problem says so: {sorted(course.positions)}"
    is_clean = not (ended.residuals or ended.problems or ended.is_stopped)
    expected = 1 if ended.error else 0 if is_clean else 3
    if ended.exit_code != expected:
        yield f"exit code {ended.exit_code} instead of {expected}"
    cancelled = any(act.what == "cancel" for act in plan.acts)
    for error in ended.error.split("; ") if ended.error else ():
        if not _EXPLAINED.match(error) and not (cancelled and error == _CANCELLED):
            yield f"it ended with an error that no fault explains: {error}"
