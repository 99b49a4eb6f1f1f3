"""What became of a campaign that was killed, from its journal and from what its paper venues remember."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
from recount import recount
from venue_memory import Told, contradictions, doubled, executed, lost, venue_lines

from trioarb.journal.recorded import open_journal
from trioarb.model.event import CampaignEnded, CampaignOpened, CampaignResumed, Record
from trioarb.model.wire import to_json_object
from trioarb.verify.verification import Verification, Verifier

__all__ = ["Aftermath", "AtKill", "at_kill", "events_of", "examine", "verified"]


@attrs.frozen(kw_only=True)
class AtKill:
    """How a campaign was when it was killed.

    ``in_flight`` orders were submitted, or executed by a venue, and have no last word in the journal; ``not_kept`` ones
    among them were executed, and the journal does not know them at all. ``ran_seconds``: over all stretches.
    """

    in_flight: int
    not_kept: int
    ran_seconds: float


@attrs.frozen(kw_only=True)
class Aftermath:
    """What became of a campaign. ``problems`` are broken promises; an empty list is what is hoped for.

    ``lost`` orders were executed and do not stand in the journal with exactly the venue's fills, ``doubled`` ones
    were executed more than once. ``differences`` were booked as deposits.
    """

    orders: int
    lost: tuple[str, ...]
    doubled: tuple[str, ...]
    differences: tuple[str, ...]
    residuals: int
    transfers: int
    problems: tuple[str, ...]


def verified(journal: Path) -> tuple[list[Record], Verification]:
    """Return the journal's records, and what `trioarb verify` finds of them."""
    verifier = Verifier()
    with open_journal(journal) as stored:
        records = list(stored.records())
    verifier.fold(records)
    return records, verifier.result()


def events_of(journal: Path) -> list[dict[str, Any]]:
    """Return the journal's events as `--events` writes them."""
    with open_journal(journal) as stored:
        return [to_json_object(record) for record in stored.records()]


def at_kill(journal: Path) -> AtKill:
    """Return how a campaign was when it was killed."""
    records, verification = verified(journal)
    not_kept = {order_id for _, order_id, _ in executed(venue_lines(journal))} - Told(records).submitted.keys()
    ran_ns = start_ns = last_ns = 0
    for record in records:
        if isinstance(record.event, CampaignOpened | CampaignResumed):
            ran_ns, start_ns = ran_ns + last_ns - start_ns, record.ts_ns
        last_ns = record.ts_ns
    return AtKill(
        in_flight=len(not_kept.union(verification.facts.unknown_orders)),
        not_kept=len(not_kept),
        ran_seconds=(ran_ns + last_ns - start_ns) / 1e9,
    )


def examine(journal: Path) -> Aftermath:
    """Examine a campaign that was killed, and brought to its end: a kill loses nothing, so no balance may differ."""
    (records, verification), venues = verified(journal), venue_lines(journal)
    told, facts = Told(records), verification.facts
    gone, twice = [*lost(told, venues)], [*doubled(venues)]
    differences = [f"{one.amount} {one.asset} at {one.venue}" for one in told.differences]
    named = {residual.client_order_id for residual in facts.residuals}
    match records[-1].event:
        case CampaignEnded(error=error):
            problems = [f"it ended with an error: {error}"] if error else []
        case last:
            problems = [f"the last event is {type(last).__name__}"]
    problems += [f"lost: {text}" for text in gone] + [f"doubled: {text}" for text in twice]
    problems += contradictions(told, venues)
    problems += [f"pair {pair_id} has not ended" for pair_id in facts.in_flight]
    problems += [f"{order_id} has no last word" for order_id in facts.unknown_orders if order_id not in named]
    problems += [f"position {trade_id} is open" for trade_id in facts.open_positions]
    problems += [f"difference: {text}" for text in differences]
    problems += [f"verify: {one.check.value}: {one}" for one in verification.violations[:5]]
    problems += [f"recount: {text}" for text in recount(map(to_json_object, records)).problems[:5]]
    return Aftermath(
        orders=len(told.submitted),
        lost=tuple(gone),
        doubled=tuple(twice),
        differences=tuple(differences),
        residuals=len(facts.residuals),
        transfers=len({moved for _, moved, _ in told.moved}),
        problems=tuple(problems),
    )
