"""Judge a campaign of the swarm by its journal, by what the venues' files hold, and by what it said at its end."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from fractions import Fraction
from hashlib import sha256
from pathlib import Path
from typing import Any

import attrs
from aftermath import verified
from recount import differences, recount
from swarm_plan import Plan, trades_contracts
from venue_memory import Books, Lines, Told, contradictions, doubled, given_by, lost, money_of, venue_lines

from trioarb.engine.campaign import Campaign
from trioarb.errors import JournalError
from trioarb.journal.log import plain
from trioarb.journal.recorded import open_journal
from trioarb.model import event as model
from trioarb.model.event import Record
from trioarb.model.trade import Answer
from trioarb.model.wire import to_json_object
from trioarb.verify.verification import Facts

__all__ = ["Ended", "Verdict", "judge", "unsettled"]

_SECOND_NS = 10**9
#: The error that a fault explains: a venue that can't be reached for so long doesn't say its balances to a recovery.
_EXPLAINED = re.compile(
    r"[abc] did not say its balances, so the ledger could not be compared: [abc]: (not connected|429)"
)
_CANCELLED = "the campaign was cancelled"
_TOO_SMALL = "it is too small for"


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
    summary: Mapping[str, Any]
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
            summary=summary,
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
            summary={},
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
    transfers: int = 0


def judge(journal: Path, plan: Plan, ended: Ended | None) -> Verdict:
    """Judge what is in the present folder."""
    digest = sha256()
    try:
        records, verification = verified(journal)
        with open_journal(journal) as stored:
            for _, line in stored.lines():
                digest.update(plain(line))
            torn = stored.torn
    except JournalError as error:
        if ended is None or not ended.began:
            return Verdict()
        return Verdict(violations=(f"the journal can't be read: {error}",))
    facts, told, course, venues = verification.facts, Told(records), _Course(records), venue_lines(journal)
    unknown = facts.unknown_orders
    violations = [f"verify: {one.check.value}: {one}" for one in verification.violations[:5]]
    violations += course.failures
    violations += lost(told, venues, unknown=unknown, is_altered=True)
    violations += doubled(venues)
    violations += _differences(told, venues)
    if ended is not None and ended.began:
        violations += contradictions(told, venues, unknown=unknown)
        if torn:
            violations.append(f"the journal ends with {torn} bytes of no step")
        violations += _end(ended, course, told, facts, plan)
        violations += [
            f"recount: {text}" for text in differences(recount(map(to_json_object, records)), ended.summary)[:5]
        ]
    return Verdict(
        violations=tuple(violations),
        digest=digest.hexdigest() if plan.is_deterministic else "",
        hours=(facts.last_ns - facts.first_ns) / _SECOND_NS / 3600,
        events=facts.events,
        orders=facts.orders,
        pairs=sum(course.outcomes.values()),
        outcomes=course.outcomes,
        residuals=len(facts.residuals) + course.resolved,
        differences=len(told.differences),
        stops=course.stops,
        transfers=len({moved for _, moved, _ in told.moved}),
    )


def unsettled(journal: Path, ended: Ended | None) -> Iterator[str]:
    """Yield what a campaign left unsettled that ended when all its venues answered."""
    _, verification = verified(journal)
    facts = verification.facts
    if ended is None:
        yield "it has not ended"
        return
    yield from (f"{order_id} has no last word" for order_id in facts.unknown_orders)
    yield from (f"{one.residual_id} is of unknown size" for one in facts.residuals if one.unknown)
    yield from (f"the ledger is not balanced: {text}" for text in ended.imbalances)
    # What no venue takes at the present prices stays open, and is named.
    too_small = [problem for problem in ended.problems if _TOO_SMALL in problem]
    if len(facts.open_positions) > len(too_small):
        yield from (f"{trade_id} is open" for trade_id in facts.open_positions)
    yield from (problem for problem in ended.problems if problem not in too_small)
    # A loss of closing may stop it once more, which is to be said, too.
    if ended.exit_code != (3 if facts.residuals or ended.is_stopped or too_small else 0):
        yield f"exit code {ended.exit_code} {ended.error}"


class _Course:
    """What befell the campaign."""

    def __init__(self, records: Iterable[Record]) -> None:
        self.failures: list[str] = []
        self.outcomes: Counter[str] = Counter()
        self.resolved = self.stops = 0
        self.close_only = False
        for record in records:
            match record.event:
                case model.CampaignResumed(close_only=close_only):
                    self.close_only = close_only
                case model.Decided(answer=Answer.STOP):
                    self.stops += 1
                case model.PairEnded() as pair:
                    self.outcomes[f"{pair.kind.value} {pair.outcome.value}"] += 1
                case model.ResidualResolved() | model.ResidualTaken(rest=0):
                    self.resolved += 1
                case model.SymbolQuarantined(symbol=symbol, error=error):
                    self.failures.append(f"seq {record.seq}: {symbol} failed: {error}")
                case _:
                    pass


def _differences(told: Told, venues: Lines) -> Iterator[str]:
    """Yield differences that were booked, unless they are what a venue was given and a kill took from the journal."""
    given, booked = given_by(venues), Books(Fraction)
    for one in told.differences:
        booked[one.venue, one.asset] += Fraction(one.amount)
    for place, amount in booked.items():
        if told.deposits[place] != given[place]:
            yield f"a difference of {float(amount):g} {place[1]} at {place[0]} was booked that no lost grant explains"


def _contracts(told: Told, plan: Plan) -> Books:
    """Return what was bought and sold of contracts, by venue and contract."""
    counts, venues = Books(Fraction), plan.table["exchanges"]
    for fills in told.fills.values():
        for fill in fills:
            if trades_contracts(venues[fill.venue]):
                sign = 1 if fill.side.value == "buy" else -1
                counts[fill.venue, f"{fill.symbol}-PERP"] += sign * Fraction(fill.quantity)
    return counts


def _end(ended: Ended, course: _Course, told: Told, facts: Facts, plan: Plan) -> Iterator[str]:
    """Yield what the campaign left behind, or did not tell."""
    if not facts.is_finished:
        yield "the last event does not end the campaign"
    if ended.tasks_left:
        yield f"{ended.tasks_left} tasks are alive"
    booked = money_of(told)
    said = {(venue, asset): held for venue, assets in ended.balances.items() for asset, held in assets.items()}
    contracts = _contracts(told, plan)
    # Cash moves by what contracts realise and by funding: for that the verifier has books of its own.
    of_cash = {venue for venue, exchange in plan.table["exchanges"].items() if not trades_contracts(exchange)}
    places = {place for place in (*said, *booked) if place[0] in of_cash}
    if any(said.get(place, 0) != booked[place] for place in places):
        yield "the campaign's ledger is not what its deposits and fills come to"
    if any(said.get(place, 0) != count for place, count in contracts.items()):
        yield "the contracts that the campaign says are not what fills come to"
    yield from (f"the ledger is not balanced: {text}" for text in ended.imbalances)
    yield from (f"{pair_id} has not ended" for pair_id in facts.in_flight)
    named = {residual.client_order_id for residual in facts.residuals}
    yield from (
        f"{order_id} has no last word, and no residual names it"
        for order_id in facts.unknown_orders
        if order_id not in named
    )
    if ended.open_orders != set(facts.unknown_orders):
        yield f"open orders: the campaign says {sorted(ended.open_orders)}, the journal {sorted(facts.unknown_orders)}"
    of_journal = {residual.residual_id for residual in facts.residuals}
    if ended.residuals != of_journal or len(ended.summary["residuals"]) != len(of_journal):
        yield f"residuals: the campaign has {sorted(ended.residuals)}, the journal {sorted(of_journal)}, or not all"
    closes = plan.table["session"]["close_positions_at_end"] or ended.is_stopped or course.close_only
    if closes and facts.open_positions and not ended.problems:
        yield f"positions are open, and no problem says so: {sorted(facts.open_positions)}"
    is_clean = not (ended.residuals or ended.problems or ended.is_stopped)
    expected = 1 if ended.error else 0 if is_clean else 3
    if ended.exit_code != expected:
        yield f"exit code {ended.exit_code} instead of {expected}"
    cancelled = any(act.what == "cancel" for act in plan.acts)
    for error in ended.error.split("; ") if ended.error else ():
        if not _EXPLAINED.match(error) and not (cancelled and error == _CANCELLED):
            yield f"it ended with an error that no fault explains: {error}"
