"""The referee: do campaigns still give the events that they gave before?

    python benchmarks/referee.py take OUT [--revision REV] [--only NAME ...]
    python benchmarks/referee.py compare BEFORE AFTER [--only NAME ...]
    python benchmarks/referee.py self-test TAKEN

`take` runs the campaigns of `referee_campaigns` by the command line, with this interpreter's trioarb or with that of a
revision, in an environment made for it, and keeps in OUT what `trioarb events` prints. `compare` exits with 1 if an
event differs that no change of `referee_changes` accounts for. `self-test` plants a changed digit in every field of
every type of event, one at a time, and exits with 1 if one goes unnoticed.

Before they are compared, streams are normalised: lines that are no events, ``seq`` and what secures a line are dropped;
so are the events in `ADDED_EVENTS`, the fields in `MASKED` and `ADDED`; the campaign's id, also within order ids,
becomes ``CAMPAIGN``; a reference to another event's ``seq`` becomes the number of that decision, or how many events ago
it was.
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import os
import re
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import attrs
from referee_campaigns import CAMPAIGNS, CONFIGS, Campaign, Skipped
from referee_changes import ADDED, ADDED_EVENTS, CHANGES, OTHER_COURSE, Event, Rounded

ROOT = Path(__file__).parents[1]
AT_A_TIME = 2
PATIENCE_SECONDS = 300
INDEX = "takes.json"
JOURNAL = "c.journal"

#: Fields that say where or with what a campaign ran, not what it did.
MASKED: Mapping[str, frozenset[str]] = {
    "campaign_opened": frozenset({"campaign_id", "version", "config_digest"}),
    "campaign_resumed": frozenset({"version", "config_digest"}),
}
#: Keys that number and secure a line.
_FRAME = frozenset({"seq", "hash", "end", "type"})
_NO_EVENT = (None, "header")


@attrs.frozen(kw_only=True)
class Took:
    """A campaign that was run: the exit code of each step, its events, and why it can't count, if so."""

    codes: Sequence[int] = ()
    lines: Sequence[bytes] = ()
    skipped: str = ""
    problem: str = ""


def take(out: Path, names: Sequence[str], revision: str | None) -> int:
    out.mkdir(parents=True, exist_ok=True)
    before = _index(out) if (out / INDEX).is_file() else {}
    index = {name: took for name, took in before.items() if name in CAMPAIGNS}
    failed = False
    with tempfile.TemporaryDirectory(prefix="referee-") as made:
        folder = Path(made)
        python = Path(sys.executable) if revision is None else _environment(revision, folder)
        _add_plugin(folder / "site")
        pool = ThreadPoolExecutor(AT_A_TIME)
        try:
            for name, took in zip(names, pool.map(lambda name: _take(name, python, folder), names), strict=True):
                said = f"skipped: {took.skipped}" if took.skipped else took.problem
                codes = " ".join(map(str, took.codes))
                print(f"{name:<20} {len(took.lines):>7,} events  exit {codes:<8} {said}", flush=True)
                (out / f"{name}.jsonl.gz").write_bytes(gzip.compress(b"".join(took.lines), 6, mtime=0))
                index[name] = {"codes": took.codes, "skipped": took.skipped}
                (out / INDEX).write_text(json.dumps(index, indent=1) + "\n", encoding="utf-8")
                failed = failed or bool(took.problem)
        finally:
            pool.shutdown(cancel_futures=True)
    return 1 if failed else 0


def _index(folder: Path) -> dict[str, dict[str, Any]]:
    if not (folder / INDEX).is_file():
        raise SystemExit(f"{folder} holds no streams; `take {folder}` puts them there")
    found: dict[str, dict[str, Any]] = json.loads((folder / INDEX).read_text(encoding="utf-8"))
    return found


def _environment(revision: str, folder: Path) -> Path:
    """Install a revision with its plugin packages, and return the interpreter that has them."""
    source, environment = folder / "source", folder / "environment"
    archive = subprocess.run(["git", "-C", ROOT, "archive", revision], capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(source, filter="data")
    packages = [f"{source}[recorded]", *sorted(path.parent for path in source.glob("plugins/*/pyproject.toml"))]
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    python = environment / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "-qq", *packages], check=True)
    return python


def _add_plugin(site: Path) -> None:
    """Make the plugin in ``referee/`` known by an entry point, as an installed package is."""
    info = site / "fragile-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: fragile\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[trioarb]\nfragile = fragile\n")


def _take(name: str, python: Path, folder: Path) -> Took:
    campaign, own = CAMPAIGNS[name], folder / name
    own.mkdir()
    environment = os.environ | {"PYTHONPATH": f"{folder / 'site'}{os.pathsep}{CONFIGS}", "TRIOARB_CACHE_DIR": ""}
    codes: list[int] = []
    try:
        campaign.prepare(own)
        for step in campaign.steps:
            codes.append(code := _step([str(python), "-m", "trioarb"], step, campaign, own, environment))
            if code not in (0, 3, -signal.SIGKILL):
                raise OSError(f"exit code {code}: {_last_words(own)}")
        ran = subprocess.run(
            [python, "-m", "trioarb", "events", JOURNAL],
            cwd=own,
            env=environment,
            capture_output=True,
            check=False,
            timeout=PATIENCE_SECONDS,
        )
        return Took(codes=codes, lines=ran.stdout.splitlines(keepends=True), problem="" if ran.stdout else "no event")
    except Skipped as why:
        return Took(skipped=str(why))
    except (OSError, subprocess.SubprocessError) as error:
        return Took(codes=codes, problem=f"{type(error).__name__}: {error}")


def _last_words(folder: Path) -> str:
    return " ".join((folder / "stderr").read_text(encoding="utf-8", errors="replace").splitlines()[-3:])


def _step(program: Sequence[str], step: str, campaign: Campaign, folder: Path, environment: Mapping[str, str]) -> int:
    """Run a step to its end; return its exit code."""
    words = step.split()
    if words[0] == "resume":
        words.insert(1, JOURNAL)
    else:
        words[1] = str(CONFIGS / f"{words[1]}.toml")
        words[2:2] = [part for one in campaign.overrides.split() for part in ("--set", one)]
        words += [] if "--journal" in words else ["--journal", JOURNAL]
    with (folder / "stdout").open("wb") as stdout, (folder / "stderr").open("wb") as stderr:
        return subprocess.run(
            [*program, *words, "--plain"],
            cwd=folder,
            env=environment,
            stdout=stdout,
            stderr=stderr,
            check=False,
            timeout=PATIENCE_SECONDS,
        ).returncode


def events_of(lines: Iterable[bytes]) -> list[Event]:
    """Return a stream as it is compared."""
    events: list[Event] = []
    rounded = Rounded()
    campaign_id, places, decisions = "", dict[int, int](), dict[int, int]()
    for line in lines:
        text = line.decode()
        row = json.loads(text.replace(campaign_id, "CAMPAIGN") if campaign_id else text)
        kind = row.get("type")
        if kind in _NO_EVENT or kind in ADDED_EVENTS:
            continue
        if kind == "campaign_opened":
            campaign_id = row["campaign_id"]
        elif kind == "decided":
            decisions[row["seq"]] = len(decisions)
        places[row["seq"]] = len(events)
        if "decision_seq" in row:
            row["decision_seq"] = decisions.get(row["decision_seq"])
        if "last_seq" in row:
            row["last_seq"] = len(events) - places.get(row["last_seq"], 0)
        dropped = _FRAME | MASKED.get(kind, frozenset()) | ADDED.get(kind, frozenset())
        dropped |= rounded.fields(Event(kind, row))
        events.append(Event(kind, {key: value for key, value in row.items() if key not in dropped}))
    return events


def changed(events: Iterable[Event], applied: Counter[str]) -> list[Event]:
    """Return the events of before with all changes made, each counted by its name."""
    result = list(events)
    for change in CHANGES:
        made: list[Event] = []
        for event in result:
            stands_for_it = list(change(event))
            applied[change.__name__] += stands_for_it != [event]
            made += stands_for_it
        result = made
    return result


def first_difference(before: Sequence[Event], after: Sequence[Event]) -> int | None:
    """Return the index of the first event that differs or is missing."""
    for index, (old, new) in enumerate(zip(before, after, strict=False)):
        if old != new:
            return index
    return None if len(before) == len(after) else min(len(before), len(after))


def compare(before: Path, after: Path, only: Sequence[str]) -> int:
    old, new = _index(before), _index(after)
    different = 0
    for name in only or sorted({*old, *new}, key=list({**CAMPAIGNS, **old, **new}).index):
        if name in OTHER_COURSE:
            print(f"{name:<20} {'':>7} not compared: {OTHER_COURSE[name]}")
        elif name not in old or name not in new:
            different += 1
            print(f"{name:<20} {'':>7} MISSING {before if name not in old else after}")
        elif old[name]["skipped"] and new[name]["skipped"]:
            print(f"{name:<20} {'':>7} skipped: {new[name]['skipped']}")
        else:
            different += not _agree(name, before, after, old[name]["codes"], new[name]["codes"])
    print(f"{different} differ" if different else "all equal")
    return 1 if different else 0


def _agree(name: str, before: Path, after: Path, old_codes: Sequence[int], new_codes: Sequence[int]) -> bool:
    applied: Counter[str] = Counter()
    old, new = changed(events_of(_lines(before, name)), applied), events_of(_lines(after, name))
    index = first_difference(old, new)
    verdict = (
        ("equal" if new else "NO EVENTS") if index is None else f"DIFFERS at event {index + 1} (of {len(old):,} before)"
    )
    if old_codes != new_codes:
        verdict += f"; exit codes {old_codes} are {new_codes}"
    print(f"{name:<20} {len(new):>7,} {verdict}")
    for change, count in sorted(applied.items()):
        if count:
            print(f"{'':<28} {change}: {count:,}")
    if index is not None:
        for when, events in (("before", old), ("after", new)):
            print(f"  {when:<7}", json.dumps(events[index], ensure_ascii=False) if index < len(events) else "no more")
    return index is None and old_codes == new_codes and bool(new)


def _lines(folder: Path, name: str) -> list[bytes]:
    return gzip.decompress((folder / f"{name}.jsonl.gz").read_bytes()).splitlines(keepends=True)


def self_test(taken: Path) -> int:
    """Change a digit in the first value of every field of every type, and compare."""
    tried, unnoticed = set[tuple[str, str]](), list[tuple[str, str]]()
    for name in sorted(_index(taken), key=lambda name: (taken / f"{name}.jsonl.gz").stat().st_size):
        lines = _lines(taken, name)
        for number, line in enumerate(lines):
            row = json.loads(line)
            for field in row.keys() - _FRAME - MASKED.get(row.get("type"), frozenset()):
                value = json.dumps(row[field])
                planted = re.sub(r"\d(?=\D*$)", lambda digit: str((int(digit[0]) + 1) % 10), value)
                if planted != value and (row["type"], field) not in tried:
                    tried.add((row["type"], field))
                    spoiled = json.dumps({**row, field: json.loads(planted)}).encode()
                    start = lines[: number + 1]
                    if first_difference(events_of(start), events_of([*start[:-1], spoiled])) != number:
                        unnoticed.append((row["type"], field))
    print(f"a digit in each of {len(tried)} fields of {len({kind for kind, _ in tried})} types of events")
    print("not noticed: " + ", ".join(map(".".join, unnoticed)) if unnoticed else "all noticed")
    return 1 if unnoticed or not tried else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True, dest="command")
    taking, comparing = commands.add_parser("take"), commands.add_parser("compare")
    taking.add_argument("out", type=Path)
    taking.add_argument("--revision", help="of this repository; by default what this interpreter has installed")
    comparing.add_argument("before", type=Path)
    comparing.add_argument("after", type=Path)
    for command in (taking, comparing):
        command.add_argument("--only", nargs="+", default=[], metavar="NAME", choices=CAMPAIGNS)
    commands.add_parser("self-test").add_argument("taken", type=Path)
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    started = time.monotonic()
    match arguments.command:
        case "take":
            code = take(arguments.out, arguments.only or list(CAMPAIGNS), arguments.revision)
        case "compare":
            code = compare(arguments.before, arguments.after, arguments.only)
        case _:
            code = self_test(arguments.taken)
    print(f"{time.monotonic() - started:.0f} s, {sum(os.times()[:4]):.0f} s of processors")
    return code


if __name__ == "__main__":
    sys.exit(main())
