"""`trioarb replay --answers`: go through a recorded run again, with the answers that it got, and compare."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import attrs

from trioarb.cli.journal import keep_anew, keep_on, new_path, require_free
from trioarb.cli.options import Shown
from trioarb.cli.output import check_outputs
from trioarb.cli.running import Foreground
from trioarb.config.load import Loaded, load_config, load_table
from trioarb.config.plugin_files import changed_files, plugins_for, plugins_of_journal
from trioarb.config.stored import differences, from_text
from trioarb.course.comparison import Comparison, Difference, compare
from trioarb.course.told import CourseFile, ToldCourse, courses_in
from trioarb.errors import JournalError
from trioarb.journal.log import END, Log, body_of
from trioarb.journal.recorded import KIND, claim, open_journal
from trioarb.model.event import CampaignResumed, Event, Record, StopCleared
from trioarb.model.wire import encode
from trioarb.plugin.registry import Plugins
from trioarb.quotes.part import recover
from trioarb.report.console import LastingConsole

__all__ = ["replay_answered"]


@attrs.frozen(kw_only=True)
class _Stretch:
    """What was recorded of a run from its beginning, or from when it was resumed, up to event ``until_seq``.

    ``config``, ``close_only`` and ``clear_stop`` are what it was begun or resumed with.
    """

    course: CourseFile
    until_seq: int | None
    config: str
    close_only: bool = False
    clear_stop: bool = False


def replay_answered(
    answers: Path,
    quotes: Sequence[Path],
    exchanges: Mapping[str, str],
    shown: Shown,
    *,
    config: Path | None,
    overrides: Sequence[str] | None,
    plugin: Sequence[Path] | None,
    journal: Path | None,
) -> int:
    """Go through the run of a journal again; return 0 if it comes to the same, and otherwise 1.

    Raises:
        TrioarbError: the journal or the recording can't be read, the course of the run is not in it, or a
            configuration is wrong.
    """
    inputs = [answers, *quotes, *filter(None, (config, journal))]
    check_outputs({"--events": shown.events, "--summary": shown.summary}, inputs=inputs)
    say = LastingConsole(stderr=True).say
    _recover(quotes, say)
    is_same = True
    for number, stretch in enumerate(_stretches(answers, quotes)):
        table = from_text(stretch.config)
        plugins = plugins_of_journal(table, answers, plugin) if config is None else plugins_for(config, plugin)
        for change in changed_files(table, plugins):
            say(change, style="yellow")
        loaded = _loaded(config, overrides, table, plugins, answers)
        if config is not None:
            stored = load_table(table, plugins, file=str(answers))
            for one in differences(stored.config, loaded.config):
                say(f"the configuration is another than the run's: {one}", style="yellow")
        path = new_path(Path("journals"), f"{answers.stem}-again") if journal is None or number else journal
        if path == journal:
            require_free(path)
        told = ToldCourse(stretch.course, quotes, exchanges, depth=loaded.config.engine.depth)
        told.table = loaded.table
        comparison = _again(answers, stretch, told, loaded, plugins, shown, path)
        is_same &= comparison.is_same
        _say(stretch, told, comparison, say)
    return 0 if is_same else 1


def _recover(quotes: Sequence[Path], say: Callable[..., None]) -> None:
    """Make files that can be read of what a recording left that was killed."""
    for folder in quotes:
        for path, rows in recover(folder) if folder.is_dir() else ():
            say(f"recovered {rows} quotes of a recording that was cut off: {path}")


def _stretches(answers: Path, quotes: Sequence[Path]) -> Sequence[_Stretch]:
    with open_journal(answers) as journal:
        campaign_id = str(journal.header.get("campaign_id", ""))
        courses = courses_in(quotes, campaign_id)
        config = str(journal.header.get("config", "{}"))
        begun = {0: partial(_Stretch, config=config)}
        last: Event | None = None
        for record in journal.records():
            event = record.event
            if isinstance(event, CampaignResumed):
                begun[event.last_seq] = partial(_Stretch, config=event.config, close_only=event.close_only)
            elif isinstance(event, StopCleared) and isinstance(last, CampaignResumed):
                begun[last.last_seq] = partial(begun[last.last_seq], clear_stop=True)
            last = event
    if not courses:
        raise JournalError(
            f"{', '.join(map(str, quotes))}: no course of {campaign_id}, the campaign of {answers}, was kept there; "
            "`trioarb run --record` and `trioarb resume --record` keep one, in real time"
        )
    ends = dict(zip(begun, [*list(begun)[1:], None], strict=True))
    return [
        begun[one.after_seq](course=one, until_seq=ends[one.after_seq]) for one in courses if one.after_seq in begun
    ]


def _loaded(
    config: Path | None, overrides: Sequence[str] | None, table: Mapping[str, Any], plugins: Plugins, answers: Path
) -> Loaded:
    """Return the run's configuration, or the one that is given. Nothing outside is opened, so no secret is read."""
    laid_over = tuple(overrides or ())
    if config is None:
        return load_table(table, plugins, file=str(answers), overrides=laid_over)
    return load_config(config, plugins, overrides=laid_over)


def _again(
    answers: Path,
    stretch: _Stretch,
    told: ToldCourse,
    loaded: Loaded,
    plugins: Plugins,
    shown: Shown,
    path: Path,
) -> Comparison:
    """Run it again, kept in a new journal, and compare that with the run's."""
    after, until = stretch.course.after_seq, stretch.until_seq
    foreground = Foreground(name=path.stem, shown=shown, told=told)
    with loaded.config.redactor.in_errors():
        if after:
            _copy(answers, path, after)
            with claim(path) as claimed:
                foreground.run(
                    loaded,
                    plugins,
                    keep_on(claimed, loaded, close_only=stretch.close_only, clear_stop=stretch.clear_stop, inline=True),
                    path,
                )
        else:
            foreground.run(loaded, plugins, keep_anew(path, loaded, inline=True), path)
    with open_journal(answers) as run, open_journal(path) as again:
        return compare(
            islice(run.records(), after, until), islice(again.records(), after, told.over_seq), is_cut=told.is_cut
        )


def _copy(answers: Path, path: Path, until_seq: int) -> None:
    """Make a new journal of the beginning of another one."""
    if path.exists() and not path.stat().st_size:
        os.unlink(path)
    with open_journal(answers) as journal:
        log = Log.create(path, KIND, {key: value for key, value in journal.header.items() if key != KIND}, sync=True)
        copied = 0
        try:
            for block in journal.blocks():
                if copied >= until_seq:
                    break
                *bodies, last = map(body_of, block[: until_seq - copied])
                log.append([*bodies, last.removesuffix(END)])
                log.write()
                copied += len(block)
        finally:
            log.close()


def _say(stretch: _Stretch, told: ToldCourse, comparison: Comparison, say: Callable[..., None]) -> None:
    """Say in which way a stretch came to the same, or where it first did not."""
    if comparison.event is not None:
        _say_difference("the first event that differs", comparison.event, say)
    if comparison.decision is not None:
        _say_difference(
            f"after {comparison.decisions} decisions that are the same, one differs", comparison.decision, say
        )
    if told.clock.missed:
        say(f"{told.clock.missed} times nobody waited who had gone on in the run", style="yellow")
    if told.is_cut:
        why = f" ({told.cut})" if told.cut else ""
        say(f"the recording was cut off{why}; {comparison.beyond} events of the run came later, and are not compared")
    where = (
        "" if not stretch.course.after_seq else f" from event {stretch.course.after_seq + 1} on, where it was resumed,"
    )
    times = (
        "at the same times"
        if not comparison.latest_ns
        else f"at times that differ by {comparison.latest_ns} ns at most"
    )
    counts = f"{comparison.decisions} decisions and {comparison.events} events of the run{where} are the same, {times}"
    say(counts if comparison.is_same else f"not the same: {counts}", style="green" if comparison.is_same else "red")


def _say_difference(what: str, difference: Difference, say: Callable[..., None]) -> None:
    say(f"{what}:", style="red")
    for name, record in (("run", difference.run), ("replay", difference.replay)):
        say(f"  {name}: {'nothing more' if record is None else _line(record)}")


def _line(record: Record) -> str:
    return (encode(record) + b"}").decode()
