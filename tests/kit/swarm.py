"""Play the swarm: each seed's campaign in virtual time, its processes killed and resumed as planned, and verified.

Every stretch of a campaign runs in a forked process: it can be killed at any record or step, and a hang is seen.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import shutil
import signal
import sys
import traceback
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import chdir, nullcontext
from functools import cache, partial
from pathlib import Path
from typing import Any

import attrs
import structlog
import swarm_market
import trio
from swarm_check import Ended, Verdict, judge, unsettled
from swarm_plan import Act, Plan, Stretch, calmed, plan_of

from trioarb.cli.journal import keep_anew, keep_on
from trioarb.cli.running import report_of
from trioarb.config.load import Loaded, load_table
from trioarb.engine.campaign import Campaign
from trioarb.engine.keeping import Keeping
from trioarb.engine.run import run_campaign
from trioarb.errors import PluginFault, TrioarbError
from trioarb.journal.recorded import claim
from trioarb.model.event import (
    KillSwitchPulled,
    OrderAcknowledged,
    OrderCancelled,
    OrderFilled,
    OrderSubmitted,
    PairEnded,
    PairOpened,
    Record,
    TransactionOpened,
)
from trioarb.model.trade import EndedBy
from trioarb.plugin.registry import Plugins, load_plugins
from trioarb.report.summary import summarise
from trioarb.time.virtual import VirtualClock

__all__ = ["Played", "broken", "play", "play_all"]

JOURNAL = Path("c.journal")
#: A stretch that takes longer hangs.
_PATIENCE_SECONDS = 60
_OF_ORDERS = (
    PairOpened,
    TransactionOpened,
    OrderSubmitted,
    OrderAcknowledged,
    OrderFilled,
    OrderCancelled,
    PairEnded,
)


@attrs.frozen(kw_only=True)
class Played:
    """A seed that was played. ``killed``: how many kills came in time; ``violations``: broken promises."""

    seed: int
    kills: int
    resumes: int
    never_began: bool
    faults: Mapping[str, int]
    ended: Ended | None
    verdict: Verdict
    violations: tuple[str, ...]
    cpu_seconds: float
    is_repeated: bool


@attrs.define
class _Stretch:
    """What a process told of a stretch; ``failed``: the error with which it did not begin."""

    ended: Ended | None = None
    failed: str = ""
    faults: Counter[str] = attrs.field(factory=Counter)
    logged: list[str] = attrs.field(factory=list)
    tail: str = ""


def play_all(
    seeds: Iterable[int], folder: Path, *, hours: float | None = None, jobs: int | None = None, keep: bool = False
) -> Iterator[Played]:
    """Play the seeds in several processes, and yield each as it is done. Some are played twice."""
    work = partial(play, folder=folder, hours=hours, keep=keep)
    _plugins()
    with multiprocessing.get_context("fork").Pool(jobs or os.cpu_count()) as pool:
        yield from pool.imap_unordered(work, seeds)


def play(seed: int, *, folder: Path, hours: float | None = None, keep: bool = False) -> Played:
    """Play a seed in a folder of its own, which is removed unless ``keep`` or a violation asks for it."""
    cpu = _cpu_seconds()
    plan, place = plan_of(seed, hours), folder / str(seed)
    shutil.rmtree(place, ignore_errors=True)
    stretches, verdict, violations = _play(plan, place, trio_seed=seed)
    is_repeated = seed % 4 == 0 and plan.is_deterministic
    if is_repeated:
        again = place.with_name(f"{seed}.again")
        digest = _play(plan, again, trio_seed=seed + 1)[1].digest
        shutil.rmtree(again)
        if digest != verdict.digest:
            violations.append("played twice, the events differ")
    if not keep and not violations:
        shutil.rmtree(place)
    return Played(
        seed=seed,
        kills=sum(one.ended is None and not one.failed for one in stretches),
        resumes=len(stretches) - 1,
        never_began="its campaign never began" in stretches[-1].failed,
        faults=sum((one.faults for one in stretches), Counter()),
        ended=stretches[-1].ended,
        verdict=verdict,
        violations=tuple(violations),
        cpu_seconds=_cpu_seconds() - cpu,
        is_repeated=is_repeated,
    )


def broken(plan: Plan, folder: Path) -> list[str]:
    """Play a plan in a new folder; return the promises that it broke, and which stretches were not killed."""
    stretches, _, violations = _play(plan, folder, trio_seed=1)
    return violations + [
        f"stretch {number} was not killed" for number, one in enumerate(stretches[:-1]) if one.ended is not None
    ]


def _play(plan: Plan, folder: Path, *, trio_seed: int) -> tuple[list[_Stretch], Verdict, list[str]]:
    """Play a plan in a new folder. Trio reorders tasks as ``trio_seed`` says: the same steps can be seen again."""
    folder.mkdir(parents=True)
    (folder / "plan.txt").write_text(f"{attrs.asdict(plan)}\n")
    stretches: list[_Stretch] = []
    with chdir(folder):
        for number, planned in enumerate((*plan.stretches, Stretch())):
            if number and not _follows(plan, number, stretches[-1]):
                break
            if number and JOURNAL.exists():
                with JOURNAL.open("ab") as file:
                    file.write(planned.torn)
            stretches.append(_forked(plan, planned, number, trio_seed))
        verdict = judge(JOURNAL, plan, stretches[-1].ended)
        calm = _calm(plan, stretches, trio_seed)
    violations = [text for stretch in stretches for text in (*stretch.logged, stretch.tail) if text]
    last = stretches[-1]
    if last.failed and "its campaign never began" not in last.failed:
        violations.append(f"it could not go on: {last.failed}")
    elif last.ended is None and not last.failed and not last.tail:
        violations.append("it has not ended")
    return stretches, verdict, [*violations, *verdict.violations, *calm]


def _calm(plan: Plan, stretches: Sequence[_Stretch], trio_seed: int) -> list[str]:
    """Let the campaign go on once more, without faults, to close what is open; return what is not settled after it."""
    last = stretches[-1]
    if last.ended is None or not last.ended.began:
        return []
    stretch = _forked(
        attrs.evolve(plan, table=calmed(plan.table)),
        Stretch(close_only=True, clear_stop=True),
        len(stretches),
        trio_seed,
    )
    if stretch.failed or stretch.tail:
        return [f"without faults: {stretch.failed or stretch.tail}"]
    return [f"without faults: {text}" for text in (*stretch.logged, *unsettled(JOURNAL, stretch.ended))]


def _follows(plan: Plan, number: int, last: _Stretch) -> bool:
    """Whether a stretch of this number comes after the last one: beyond the plan, if that was cancelled too soon."""
    is_planned = number < len(plan.stretches)
    if last.failed or last.tail:
        return False
    if last.ended is None:
        return is_planned
    return plan.goes_on and is_planned if last.ended.began else number > 1


# A stretch, in a process of its own


def _forked(plan: Plan, planned: Stretch, number: int, trio_seed: int) -> _Stretch:
    """Run a stretch in a fork of this process, and return what it tells."""
    told = Path(f"stretch{number}.pickle")
    pid = os.fork()
    if not pid:
        code = 1
        try:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(_PATIENCE_SECONDS)
            trio._core._run._r.seed(trio_seed)
            _Life(plan, planned, told, resumed=number > 0).run()
            code = 0
        except BaseException:
            told.with_suffix(".error").write_text(traceback.format_exc())
        finally:
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    stretch: _Stretch = pickle.loads(told.read_bytes()) if told.exists() else _Stretch()
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGALRM:
        stretch.tail = f"stretch {number} hangs: it ran for {_PATIENCE_SECONDS} s"
    elif os.WIFSIGNALED(status) and os.WTERMSIG(status) != signal.SIGKILL:
        stretch.tail = f"stretch {number} was ended by signal {os.WTERMSIG(status)}"
    elif os.WIFEXITED(status) and os.WEXITSTATUS(status):
        stretch.tail = f"stretch {number} raised\n{told.with_suffix('.error').read_text()}"
    return stretch


class _Life:
    """One process of a campaign."""

    def __init__(self, plan: Plan, planned: Stretch, told: Path, *, resumed: bool) -> None:
        self._plan = plan
        self._planned = planned
        self._resumed = resumed
        self._told = told
        self._clock = VirtualClock()
        self._stretch = _Stretch()
        self._around = trio.CancelScope()
        self._campaign: Campaign | None = None

    def run(self) -> None:
        """Run it to its end, or until it is to be killed; leave what is told of it in a file."""
        structlog.configure(processors=[self._listen], cache_logger_on_first_use=False)
        loaded = load_table(self._plan.table, _plugins())
        planned = self._planned
        try:
            with claim(JOURNAL) if self._resumed else nullcontext() as claimed:
                if claimed is None:
                    keeping = keep_anew(JOURNAL, loaded)
                else:
                    keeping = keep_on(claimed, loaded, close_only=planned.close_only, clear_stop=planned.clear_stop)
                self._stretch.ended = self._run(loaded, keeping)
        except TrioarbError as error:
            self._stretch.failed = f"{type(error).__name__}: {error}"
        self._tell()

    def _run(self, loaded: Loaded, keeping: Keeping) -> Ended:
        moments = [_Moment(act, self._clock, partial(self._do, act)) for act in self._planned.acts]
        steps = [moment for moment in moments if moment.act.counting == "steps"]

        def on_open(campaign: Campaign) -> None:
            self._campaign = campaign

        async def main() -> int:
            living = trio.lowlevel.current_statistics().tasks_living
            with self._around:
                await run_campaign(
                    loaded.config,
                    _plugins(),
                    clock=self._clock,
                    observers=[moment.observe for moment in moments if moment not in steps],
                    on_open=on_open,
                    keeping=keeping,
                )
            return trio.lowlevel.current_statistics().tasks_living - living

        left = trio.run(main, clock=self._clock, instruments=steps)
        if self._campaign is None:  # cancelled before anything was open
            return Ended.before_it_began()
        return Ended.of(self._campaign, tasks_left=left, summary=summarise(report_of(self._campaign)))

    def _do(self, act: Act) -> None:
        campaign = self._campaign
        match act.what:
            case "kill":
                self._tell()
                os.kill(os.getpid(), signal.SIGKILL)
            case "cancel":
                self._around.cancel()
            case "touch":
                Path(self._plan.kill_file).touch()
            case "remove":
                Path(self._plan.kill_file).unlink(missing_ok=True)
            case "kill_switch" if campaign is not None and act.counting == "steps" and campaign.ended_ns is None:
                campaign.parts.journal.record(KillSwitchPulled(source="SIGUSR1"))
            case "signal" if campaign is not None:
                campaign.signals += 1
                if campaign.signals == 1:
                    campaign.end(EndedBy.SIGNAL)
                else:
                    campaign.parts.executor.hurry()
                    if campaign.closing is not None:
                        hurry = float(campaign.config.execution.hurry_seconds)
                        campaign.closing.deadline = min(campaign.closing.deadline, trio.current_time() + hurry)

    def _tell(self) -> None:
        self._told.write_bytes(pickle.dumps(self._stretch))

    def _listen(self, _: object, method: str, event: Mapping[str, Any]) -> str:
        """Count faults, and keep what the engine reports as errors."""
        if event["event"] == "faults":
            self._stretch.faults.update(event["faults"])
        elif method in ("error", "exception", "critical"):
            error = event.get("exc_info")
            error = sys.exception() if error is True else error
            if isinstance(error, PluginFault) and "place returned one fill twice" in str(error):
                raise structlog.DropEvent  # a fault that the border is there for
            told = "".join(traceback.format_exception(error)) if isinstance(error, BaseException) else ""
            self._stretch.logged.append(f"log: {dict(event)}\n{told}")
        raise structlog.DropEvent


class _Moment(trio.abc.Instrument):
    """Waits for the time and then for the number of an act, and does it, once."""

    def __init__(self, act: Act, clock: VirtualClock, do: Any) -> None:
        self.act = act
        self._at_ns = int(act.at_seconds * 1e9)
        self._rest = act.number
        self._clock = clock
        self._do = do

    def observe(self, record: Record) -> None:
        if self.act.counting == "records" or isinstance(record.event, _OF_ORDERS):
            self.before_task_step(None)

    def before_task_step(self, task: object) -> None:
        if self._rest and self._clock.elapsed_ns >= self._at_ns:
            self._rest -= 1
            if not self._rest:
                self._do()


@cache
def _plugins() -> Plugins:
    return load_plugins({"walk": swarm_market.PLUGIN})


def _cpu_seconds() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
