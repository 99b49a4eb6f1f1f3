"""Run the cases of a kind on a plugin, one after the other, each with a plugin of its own and a deadline."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any

import attrs
import trio

from trioarb.api import CampaignTime, Listing
from trioarb.config.secrets import SecretReader
from trioarb.errors import ConfigError, Interrupt, PluginError, describe, leaves
from trioarb.plugin.registry import Plugins, load_plugins
from trioarb.settings.problem import Problem
from trioarb.settings.redact import Redactor
from trioarb.testing.conformance.case import Case, Failed, NotOffered, Outcome, Verdict
from trioarb.testing.conformance.kinds import Kind, kind_named
from trioarb.testing.conformance.patience import raised_at, run_apart
from trioarb.testing.conformance.report import Report
from trioarb.testing.conformance.subject import START_NS, Subject, Trial
from trioarb.testing.tapes import listing
from trioarb.time.campaign_time import RealTime
from trioarb.time.virtual import VirtualClock, VirtualTime

__all__ = ["judge"]

#: How long a case may take in all; in virtual time, which costs nothing, it may be that of some fundings.
_CASE_SECONDS, _VIRTUAL_CASE_SECONDS = 120.0, 7 * 86_400.0
#: After so long, in real time, a case is left behind that can't be ended.
_HELD_SECONDS = 150.0


def judge(
    *,
    kind: str,
    name: str,
    settings: Mapping[str, Any] | None = None,
    symbols: Sequence[Listing] = (),
    stage: Callable[[], AbstractAsyncContextManager[Any]] | None = None,
    plugins: Plugins | Mapping[str, object] | None = None,
    cases: Collection[str] = (),
    until_one_fails: bool = False,
    tell: Callable[[Case[Any]], None] = lambda case: None,
) -> Report:
    """Judge a plugin by the numbered cases of its kind; return what came of each.

    One that is `live` is judged in real time, any other in virtual time. Calls `trio.run`, once a case: use it in plain
    functions.

    Args:
        kind: Its kind, such as ``exchange``.
        name: Its name.
        settings: Its table; values as TOML has them, or floats and paths.
        symbols: What it is asked about; BTCUSDT where there are none.
        stage: Opens what stands behind it; see `Stage`.
        plugins: Modules or objects with hooks, by a name for errors, that are registered beside the installed ones; or
            all that there are.
        cases: Only these, by their ids, and those that they need; all where there are none.
        until_one_fails: Run none after one that fails.
        tell: Called with each case before it begins.

    Raises:
        ConfigError: There is no such plugin, case or kind, or a setting is wrong.
        PluginError: It can't be judged as asked for; says what to do.
    """
    found = kind_named(kind)
    registered = plugins if isinstance(plugins, Plugins) else load_plugins(plugins)
    subject = Subject(
        plugins=registered,
        spec=registered.get(found.spec, name, key="name"),
        settings=settings or {},
        listings=tuple(symbols) or (listing("BTC"),),
        stage=stage,
        secrets=SecretReader(environment=os.environ, origin=lambda key: ""),
    )
    if refusal := found.refusal(subject):
        raise PluginError(f"{found.spec.kind} {name!r} can't be judged: {refusal}")
    if stage is None:
        subject.table({})  # a setting that is wrong is no failure of a case
    outcomes: dict[str, Outcome] = {}
    for case in _chosen(found, cases):
        tell(case)
        outcome = outcomes[case.id] = _kept_from(case, outcomes) or _run(found, case, subject)
        if until_one_fails and outcome.verdict is Verdict.FAIL:
            break
    redact = Redactor.of(subject.secrets.values).text
    return Report(
        kind=found.spec.kind,
        plugin=name,
        outcomes=tuple(
            attrs.evolve(one, expected=redact(one.expected), got=redact(one.got), why=redact(one.why))
            for one in outcomes.values()
        ),
    )


def _chosen(kind: Kind, ids: Collection[str]) -> Iterator[Case[Any]]:
    """Yield the cases of these ids and those that they need; all, if there are none.

    Raises:
        ConfigError: there is no case of an id.
    """
    known = {case.id: case for case in kind.cases}
    if unknown := [one for one in ids if one not in known]:
        raise ConfigError(
            [
                Problem(key="case", message="there is no such case", value=f'"{one}"', allowed=", ".join(known))
                for one in unknown
            ]
        )
    wanted, waiting = set[str](), list(ids)
    while waiting:
        wanted.add(one := waiting.pop())
        waiting += [need for need in known[one].needs if need not in wanted]
    yield from (case for case in kind.cases if not ids or case.id in wanted)


def _kept_from(case: Case[Any], outcomes: Mapping[str, Outcome]) -> Outcome | None:
    """Return what comes of a case that can't be tried after what was tried before it."""
    for need in case.needs:
        if outcomes[need].verdict in (Verdict.FAIL, Verdict.BLOCKED):
            return Outcome(case=case, verdict=Verdict.BLOCKED, why=f"needs {need}, which did not pass")
    for need in case.needs:
        if outcomes[need].verdict is Verdict.NOT_OFFERED:
            why = outcomes[need].why
            # The first that isn't offered says why; what needs that one in turn names it, and no chain of them.
            return Outcome(
                case=case, verdict=Verdict.NOT_OFFERED, why=why if why.startswith("as ") else f"as {need}: {why}"
            )
    return None


def _run(kind: Kind, case: Case[Any], subject: Subject) -> Outcome:
    clock = None if subject.is_live else VirtualClock()
    try:
        run_apart(partial(trio.run, partial(_tried, kind, case, subject, clock), clock=clock), _HELD_SECONDS)
    except Interrupt:
        raise
    except (Exception, BaseExceptionGroup) as error:
        found = leaves(error)
        if any(isinstance(one, KeyboardInterrupt) for one in found):
            raise
        return _outcome(case, found, error)
    return Outcome(case=case, verdict=Verdict.PASS)


async def _tried(kind: Kind, case: Case[Any], subject: Subject, clock: VirtualClock | None) -> None:
    now: CampaignTime = RealTime(time.time_ns()) if clock is None else VirtualTime(clock, START_NS)
    seconds = _CASE_SECONDS if clock is None else _VIRTUAL_CASE_SECONDS
    with trio.move_on_after(seconds) as scope:
        async with kind.trial(Trial(subject=subject, time=now, clock=clock)) as trial:
            await case.run(trial)
    if scope.cancelled_caught:
        raise Failed(f"an end of the case within {seconds:g} s", "none")


def _outcome(case: Case[Any], found: Sequence[BaseException], error: BaseException) -> Outcome:
    for one in found:
        if isinstance(one, Failed):
            return Outcome(case=case, verdict=Verdict.FAIL, expected=one.expected, got=one.got)
    for one in found:
        if isinstance(one, NotOffered):
            return Outcome(case=case, verdict=Verdict.NOT_OFFERED, why=str(one))
    return Outcome(
        case=case, verdict=Verdict.FAIL, expected=case.criteria, got=f"{describe(error)}{raised_at(found[0])}"
    )
