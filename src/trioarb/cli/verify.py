"""`trioarb verify`: hold a journal against every rule that its events have to keep."""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import attrs
from cyclopts import Parameter

from trioarb import __version__
from trioarb.cli.options import AsJson, PluginFiles
from trioarb.cli.output import print_json
from trioarb.cli.reading import JournalPath, with_progress
from trioarb.config.load import load_table
from trioarb.config.plugin_files import plugins_named
from trioarb.config.stored import from_text
from trioarb.errors import ConfigError, TrioarbError
from trioarb.journal.journal import uncollected
from trioarb.journal.log import hash_of, plain
from trioarb.journal.recorded import DamagedJournal, RecordedJournal, open_journal
from trioarb.model.event import Record
from trioarb.report.aligned import aligned
from trioarb.report.figures import usd
from trioarb.report.plain import iso_time, present
from trioarb.report.timeline import describe_residual, utc
from trioarb.report.visible import say
from trioarb.settings.problem import Problem
from trioarb.verify.verification import Facts, Verification, Verifier

__all__ = ["verify"]

_MOST_SHOWN = 50


def verify(
    journal: JournalPath,
    /,
    *,
    digest: Annotated[
        bool, Parameter(negative="", help="Print the SHA-256 of the event stream first, alone on its line.")
    ] = False,
    head: Annotated[
        str | None,
        Parameter(
            help="`[SEQ:]HASH` as a run printed it when it ended: that of the journal's last event, or of the "
            "event SEQ. Nothing else notices lines that are missing at its end, or that all of it was written anew."
        ),
    ] = None,
    plugin: PluginFiles = None,
    as_json: AsJson = False,
) -> int:
    """Verify a journal; return 0, or 1 if it is damaged, breaks a rule or has another head."""
    verifier, wanted, damage, torn = Verifier(), None if head is None else _Head(head), "", ""
    sha256 = hashlib.sha256()
    try:
        with open_journal(journal) as stored, uncollected():
            records = _read(stored, sha256, wanted) if digest or wanted else stored.records()
            verifier.fold(with_progress(records, stored.last_seq, f"verifying {journal}"))
            damage = ("" if wanted is None else wanted.problem(stored)) or _header_problem(stored, plugin)
            if stored.torn:
                torn = (
                    f"{journal} ends with {stored.torn:,} bytes of a step that was cut off, or is just being written; "
                    "they count for nothing, and are cut off when it is resumed"
                )
    except DamagedJournal as error:
        damage = str(error)
    verification = verifier.result()
    is_sound = verification.is_sound and not damage
    hex_digest = sha256.hexdigest() if digest and not damage else ""
    if as_json:
        print_json(_json(verification, is_sound, damage, torn, hex_digest))
        return 0 if is_sound else 1
    if hex_digest:
        say(hex_digest)
    _print(verification)
    if torn:
        say(f"Torn: {torn}.")
    if damage:
        sys.stdout.flush()
        say(f"error: {damage}", file=sys.stderr)
    elif is_sound:
        say(f"{journal} is sound{f' up to event {verification.facts.events:,}' if torn else ''}.")
    else:
        say(f"{journal} is not sound: {sum(one.violations for one in verification.checks):,} violations.")
    return 0 if is_sound else 1


def _header_problem(journal: RecordedJournal, plugin: Sequence[Path] | None) -> str:
    """Return why the configuration in line 1 isn't the one that it says, or ''. What isn't installed can't be known.

    A file that the journal names isn't run: the journal may come from anybody. One that the command line names stands
    for it, and counts as what the journal says that it was.
    """
    header = journal.header
    try:
        table = from_text(header.get("config", ""))
    except ValueError:
        return f"{journal.path} is damaged: line 1 holds no configuration that can be read"
    try:
        plugins = attrs.evolve(plugins_named(plugin), files=())
        digest = load_table(table, plugins, file=str(journal.path)).config.digest
    except TrioarbError:
        return ""
    given = header.get("config_digest", "")
    if digest == given or header.get("version") != __version__:
        return ""
    return (
        f"{journal.path}: the configuration in line 1 has digest {digest[:12]}, and line 1 says {given[:12]}: it was "
        "changed, or a plugin has other settings now"
    )


class _Head:
    """The head that a journal should have."""

    def __init__(self, text: str) -> None:
        parsed = re.fullmatch(r"(?:(\d+):)?([0-9a-f]{32})", text.strip().lower())
        if parsed is None:
            allowed = "[SEQ:]HASH, 32 hex digits"
            raise ConfigError([Problem(file="--head", message="no head of a journal", value=text, allowed=allowed)])
        self.seq, self.hash = None if parsed[1] is None else int(parsed[1]), parsed[2]
        #: The hash of the journal's event SEQ.
        self.found = ""

    def problem(self, journal: RecordedJournal) -> str:
        """Return why it isn't that of a journal which was read, or ''."""
        last_seq, _, last_hash = journal.head.partition(":")
        found = last_hash if self.seq is None else self.found
        if found == self.hash:
            return ""
        if self.seq is not None and int(last_seq) < self.seq:
            return f"{journal.path} ends with event {last_seq}, its head was that of {self.seq}: its end is missing"
        return (
            f"{journal.path} has another head: the hash of event {self.seq or last_seq} is {found}, not {self.hash}. "
            "Each line follows on the one before, so it was written anew from some line on, which can't be known, or "
            "its end is missing"
        )


def _read(journal: RecordedJournal, sha256: Any, head: _Head | None) -> Iterator[Record]:
    for record, line in journal.lines():
        sha256.update(plain(line))
        if head is not None and record.seq == head.seq:
            head.found = hash_of(line).decode()
        yield record


def _print(verification: Verification) -> None:
    rows = [("check", "looked at", "", "result")]
    for one in verification.checks:
        result = f"{one.violations:,} violations" if one.violations else "ok"
        rows.append((one.check.value, f"{one.looked_at:,}", one.unit, result))
    say("\n".join(aligned(rows, right={1})))
    say()
    say("\n".join(_told(verification.facts)))
    for violation in verification.violations[:_MOST_SHOWN]:
        say(f"Violation: {violation.check.value}: {violation}")
    if len(verification.violations) > _MOST_SHOWN:
        say("(the first 50; --json has more)")


def _told(facts: Facts) -> list[str]:
    if not facts.events:
        return ["No event could be read."]
    ended = f"ended by {facts.ended_by}" if facts.is_finished else "not ended: it still runs, or broke off"
    times = facts.stretches - 1
    resumed = {0: "", 1: ", resumed once"}.get(times, f", resumed {times:,} times")
    lines = [
        f"Campaign {facts.campaign_id}, {ended}{resumed}",
        f"{utc(facts.first_ns)} to {utc(facts.last_ns)} UTC, {facts.events:,} events",
        f"{facts.trades:,} trades, {facts.closed:,} of them closed; {facts.orders:,} orders, {facts.fills:,} fills",
        f"Realised PnL {usd(facts.pnl_usd)} USD",
    ]
    if facts.open_positions:
        lines.append(f"Open positions: {', '.join(facts.open_positions)}")
    if facts.in_flight:
        lines.append(f"In flight at the end: {', '.join(facts.in_flight)}")
    if facts.unknown_orders:
        lines.append(f"Orders without a last word: {', '.join(facts.unknown_orders)}")
    if facts.orders_without_journal:
        lines.append(f"Orders sent while the journal could not be written: {facts.orders_without_journal:,}")
    return lines + [f"Left: {describe_residual(left)}" for left in facts.residuals]


def _json(verification: Verification, is_sound: bool, damage: str, torn: str, digest: str) -> dict[str, Any]:
    facts = verification.facts
    return present(
        {
            "ok": is_sound,
            "digest": digest or None,
            "damage": damage or None,
            "torn": torn or None,
            "checks": {
                one.check.value: {"looked_at": one.looked_at, "unit": one.unit, "violations": one.violations}
                for one in verification.checks
            },
            "violations": [attrs.asdict(one, recurse=False) for one in verification.violations],
            "facts": present(
                {
                    **attrs.asdict(facts, recurse=False, filter=lambda field, _: not field.name.endswith("_ns")),
                    "campaign_id": facts.campaign_id or None,
                    "ended_by": facts.ended_by or None,
                    "first_at": iso_time(facts.first_ns),
                    "last_at": iso_time(facts.last_ns),
                    "residuals": [left.residual_id for left in facts.residuals],
                }
            ),
        }
    )
