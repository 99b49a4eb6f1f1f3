"""A budget that several campaigns share: never more together, whoever is killed, and nobody kept waiting by it."""

from __future__ import annotations

import fcntl
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from trioarb.errors import VenueError
from trioarb.venue import Closed, Ledger, Limit, LimitRules, Limits, Priority, Request, Response, runtime_folder
from trioarb.venue.ledger import Entry, Full, Want

KIT = Path(__file__).parents[1] / "kit"
CANCEL, HEDGE, ENTRY, LISTING = Priority


class Now:
    def __init__(self) -> None:
        self.at = 1_000.0

    def __call__(self) -> float:
        return self.at


def want(weight: int = 1, *, allowed: int = 10, bucket: str = "orders", seconds: float = 1.0) -> Want:
    return Want(bucket=bucket, seconds=seconds, weight=weight, allowed=allowed)


@contextmanager
def sharers(count: int, clock: Callable[[], float]) -> Iterator[list[Ledger]]:
    with TemporaryDirectory() as folder:
        ledgers = [Ledger(Path(folder) / "budget", clock=clock) for _ in range(count)]
        try:
            yield ledgers
        finally:
            for ledger in ledgers:
                ledger.close()


@given(
    st.integers(1, 12),
    st.sampled_from([0.5, 1.0, 7.0]),
    st.lists(
        st.tuples(
            *(st.floats(0, 0.6), st.integers(0, 2), st.integers(1, 4)),
            *(st.none() | st.integers(0, 9), st.floats(0, 1)),
        ),
        max_size=60,
    ),
)
@settings(max_examples=60)
def test_never_more_than_allowed_together_in_any_window(
    allowed: int, seconds: float, steps: list[tuple[float, int, int, int | None, float]]
) -> None:
    now = Now()
    in_flight: list[tuple[int, float, Entry]] = []
    counted: list[tuple[float, int]] = []
    with sharers(3, now) as ledgers:
        for passed, who, weight, which, part in steps:
            now.at += passed
            took = ledgers[who].take([want(min(weight, allowed), allowed=allowed, seconds=seconds)])
            if not isinstance(took, Full):
                in_flight += ((who, now.at, entry) for entry in took)
            if which is not None and in_flight:
                of, sent_at, entry = in_flight.pop(which % len(in_flight))
                # The venue counts within a window of sending, however long its answer takes.
                counted_after = part * (now.at - sent_at) if now.at - sent_at < seconds else 0.0
                counted.append((sent_at + counted_after, entry.weight))
                ledgers[of].settle([(entry, entry.weight)])
        counted += ((sent_at, entry.weight) for _, sent_at, entry in in_flight)

    for begin, _ in counted:
        assert sum(weight for at, weight in counted if begin <= at < begin + seconds - 1e-6) <= allowed


def test_what_one_takes_is_not_there_for_the_other() -> None:
    now = Now()
    with sharers(2, now) as (one, other):
        assert not isinstance(one.take([want(7)]), Full)
        assert not isinstance(other.take([want(3)]), Full)
        assert other.used("orders", 1.0) == 10
        full = one.take([want(1)])
        assert isinstance(full, Full)
        assert 1.0 <= full.seconds <= 1.0 + 3 / 32
        now.at += full.seconds
        assert not isinstance(one.take([want(10)]), Full)


def test_all_or_nothing() -> None:
    with sharers(1, Now()) as (ledger,):
        ledger.take([want(10)])
        assert isinstance(ledger.take([want(1, bucket="weight"), want(1)]), Full)
        assert ledger.used("weight", 1.0) == 0


def test_of_large_limits_a_little_is_taken_ahead() -> None:
    now = Now()
    with sharers(2, now) as (one, other):
        for number in range(40):
            took = one.take([want(allowed=6_400, seconds=64.0)])
            assert not isinstance(took, Full)
            assert other.used("orders", 64.0) == 20 * (number // 20 + 1)
            one.settle([(took[0], 1)])
        took = one.take([want(allowed=6_400, seconds=64.0)])
        assert not isinstance(took, Full)
        one.settle([(took[0], 0)])
        assert other.used("orders", 64.0) == 60
        one.shut([("orders", 64.0)], 5.0)
        assert isinstance(one.take([want(allowed=6_400, seconds=64.0)]), Full)
        now.at += 10.0
        # What was left of it is given back with the next.
        one.take([want(allowed=6_400, seconds=64.0)])
        assert other.used("orders", 64.0) <= 60


def test_what_was_taken_ahead_is_not_for_whom_less_is_allowed() -> None:
    with sharers(2, Now()) as (one, other):
        one.take([want(allowed=3_200)])
        other.take([want(2_600, allowed=3_200)])
        assert isinstance(one.take([want(allowed=2_560)]), Full)
        assert not isinstance(one.take([want(allowed=3_200)]), Full)
        assert other.used("orders", 1.0) == 2_610


def test_an_answer_begins_the_window_anew() -> None:
    now = Now()
    with sharers(2, now) as (one, other):
        took = one.take([want(10)])
        assert not isinstance(took, Full)
        now.at += 0.9
        one.settle([(took[0], 10)])
        now.at += 0.9
        assert isinstance(other.take([want(1)]), Full)
        assert other.used("orders", 1.0) == 10
        now.at += 0.2
        assert other.used("orders", 1.0) == 0


def test_what_is_given_back_or_was_charged_less_is_there_again() -> None:
    with sharers(2, Now()) as (one, other):
        took = one.take([want(6), want(6, bucket="weight")])
        assert not isinstance(took, Full)
        one.settle([(took[0], 6), (took[1], 2)])
        one.give_back([took[0]])
        assert [other.used(name, 1.0) for name in ("orders", "weight")] == [0, 2]


def test_what_the_venue_closed_is_closed_to_all() -> None:
    now = Now()
    with sharers(2, now) as (one, other):
        one.shut([("orders", 1.0)], 60.0)
        one.shut([("orders", 1.0)], 5.0)
        assert other.take([want(1), want(1, bucket="weight")]) == Full(60.0, ("orders",))
        assert not isinstance(other.take([want(1, bucket="weight")]), Full)
        now.at += 60.0
        assert not isinstance(other.take([want(1)]), Full)


def test_another_boot_begins_anew(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    boot, now = tmp_path / "boot", Now()
    monkeypatch.setattr("trioarb.venue.budget_file._BOOT", boot)
    boot.write_text("one")
    before = Ledger(tmp_path / "budget", clock=now)
    before.take([want(10)])
    before.shut([("orders", 1.0)], 3_600.0)
    before.close()
    boot.write_text("two")
    after = Ledger(tmp_path / "budget", clock=now)
    assert not isinstance(after.take([want(10)]), Full)
    after.close()


@pytest.mark.parametrize("damage", [b"", b"x", b"nonsense" * 20_000])
def test_a_file_that_somebody_wrote_into_is_begun_anew(damage: bytes, tmp_path: Path) -> None:
    path = tmp_path / "budget"
    path.write_bytes(damage)
    one, other = Ledger(path), Ledger(path)
    one.take([want(10)])
    assert isinstance(other.take([want(1)]), Full)
    path.write_bytes(damage)
    assert not isinstance(other.take([want(10)]), Full)
    assert isinstance(one.take([want(1)]), Full)
    for ledger in (one, other):
        ledger.close()


def test_a_file_that_was_removed_is_left_for_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "budget"
    old = Ledger(path)
    took = old.take([want(10)])
    assert not isinstance(took, Full)
    path.unlink()
    new = Ledger(path)
    assert not isinstance(new.take([want(9)]), Full)
    assert not isinstance(old.take([want(1)]), Full)
    assert isinstance(old.take([want(1)]), Full)
    assert isinstance(new.take([want(1)]), Full)
    for ledger in (old, new):
        ledger.close()


def test_a_file_that_is_held_keeps_nobody_waiting_for_long(tmp_path: Path) -> None:
    now, path = Now(), tmp_path / "budget"
    ledger = Ledger(path, clock=now)
    ledger.take([want(10)])
    with path.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert ledger.take([want(1)]) == Full(0.005)
        now.at += 0.9
        assert ledger.take([want(1)]) == Full(0.005)
        now.at += 0.1
        assert ledger.take([want(1)]) == ()
        ledger.shut([("orders", 1.0)], 60)
    now.at += 0.1
    assert not isinstance(ledger.take([want(1)]), Full)
    ledger.close()


def test_no_room_for_too_many_windows(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "budget")
    ledger.expect([(f"bucket {number}", 1.0) for number in range(64)])
    ledger.expect([("bucket 0", 1.0)])
    with pytest.raises(VenueError, match="has no room for another limit than its 64"):
        ledger.expect([("one more", 1.0)])
    ledger.close()


def test_a_key_is_not_told_by_its_file(tmp_path: Path) -> None:
    for venue, key in (("here", "secret-key"), ("here", "other-key"), ("there", "secret-key"), ("here", "")):
        Ledger.of_key(tmp_path, venue, key).close()
    Ledger.of_key(tmp_path, "here", "secret-key").close()
    files = sorted(tmp_path.iterdir())
    assert len(files) == 4
    for file in files:
        assert "secret" not in file.name
        assert b"secret" not in file.read_bytes()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "budget").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(VenueError, match=r"budget can't be opened"):
        Ledger(tmp_path / "budget")
    assert not (tmp_path / "elsewhere").exists()


def test_the_folder_is_ours_alone(tmp_path: Path) -> None:
    folder = runtime_folder(tmp_path / "run")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert runtime_folder(tmp_path / "run") == folder
    folder.chmod(0o755)
    with pytest.raises(VenueError, match=r"is open to others; make it yours alone: chmod 700"):
        runtime_folder(tmp_path / "run")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "trioarb").symlink_to(tmp_path)
    with pytest.raises(VenueError, match="is no folder of yours"):
        runtime_folder(tmp_path / "other")
    (tmp_path / "file").touch()
    with pytest.raises(VenueError, match="can't be made"):
        runtime_folder(tmp_path / "file")


def costs_of(request: Request) -> dict[str, int]:
    return {"orders": 1}


def limits_of(path: Path, count: int, on_closed: Callable[[Closed], None] = lambda closed: None) -> Limits:
    rules = LimitRules(buckets={"orders": [Limit(count=count, seconds=1)], "other": []}, costs=costs_of)
    ledgers = {"orders": Ledger(path, clock=trio.current_time)}
    return Limits("here", rules, on_closed=on_closed, ledgers=ledgers)


async def test_two_campaigns_share_what_one_may_send(autojump_clock: MockClock, tmp_path: Path) -> None:
    sent: list[float] = []

    async def campaign(limits: Limits) -> None:
        while True:
            with await limits.acquire({"orders": 1}, HEDGE):
                sent.append(trio.current_time())
                await trio.sleep(0.01)

    with trio.move_on_after(10):
        async with trio.open_nursery() as nursery:
            for _ in range(2):
                nursery.start_soon(campaign, limits_of(tmp_path / "budget", 10))
    assert max(sum(begin <= at < begin + 1 - 1e-6 for at in sent) for begin in sent) == 10
    assert len(sent) >= 85


async def test_entries_of_another_campaign_leave_room_for_cancels(autojump_clock: MockClock, tmp_path: Path) -> None:
    one, other = (limits_of(tmp_path / "budget", 10) for _ in range(2))
    for _ in range(20):
        permit = one.try_acquire({"orders": 1}, ENTRY)
        if permit is not None:
            with permit:
                pass
    assert other.try_acquire({"orders": 1}, ENTRY) is None
    assert other.try_acquire({"orders": 1}, CANCEL) is not None


async def test_a_ban_of_one_campaign_is_told_to_the_other(autojump_clock: MockClock, tmp_path: Path) -> None:
    told: list[Closed] = []
    one, other = limits_of(tmp_path / "budget", 10), limits_of(tmp_path / "budget", 10, told.append)
    with await one.acquire({"orders": 1}) as permit:
        one.hear(permit, Response(status=418, headers={"retry-after": "180"}))
    for _ in range(3):
        assert other.try_acquire({"orders": 1}, CANCEL) is None
    assert told == [
        Closed(venue="here", buckets=("orders",), seconds=180, reason="another campaign of this key was refused")
    ]
    with await other.acquire({"orders": 1}, CANCEL):
        assert trio.current_time() == 180


async def test_orders_that_fill_are_given_back_to_all(autojump_clock: MockClock, tmp_path: Path) -> None:
    one, other = (limits_of(tmp_path / "budget", 1) for _ in range(2))
    with await one.acquire({"orders": 1}, CANCEL) as permit:
        pass
    assert other.try_acquire({"orders": 1}, CANCEL) is None
    one.give_back(permit, "orders")
    assert other.try_acquire({"orders": 1}, CANCEL) is not None


async def test_what_was_cancelled_before_it_was_sent_is_there_for_all(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    one, other = (limits_of(tmp_path / "budget", 1) for _ in range(2))
    first = await one.acquire({"orders": 1}, CANCEL)
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(one.acquire, {"orders": 1}, CANCEL)
            await trio.testing.wait_all_tasks_blocked()
            with first:
                pass
            one.give_back(first, "orders")
            scope.cancel()
    assert other.try_acquire({"orders": 1}, CANCEL) is not None


def test_real_processes_of_which_one_is_killed(tmp_path: Path) -> None:
    count, seconds, runs = 20, 0.4, 1.6
    outputs = [tmp_path / f"sent {number}" for number in range(3)]
    folder = runtime_folder(tmp_path)
    processes = [
        subprocess.Popen(
            [sys.executable, str(KIT / "budget_user.py"), str(folder), str(count), str(seconds), str(runs), str(output)]
        )
        for output in outputs
    ]
    try:
        # As soon as it has sent something; the others have begun by then, or begin.
        victim = processes[0]
        while not outputs[0].exists() or outputs[0].read_text().count("\n") < 3:
            assert victim.poll() is None
            time.sleep(0.01)
        victim.kill()
        for process in processes[1:]:
            assert process.wait(30) == 0
    finally:
        for process in processes:
            process.kill()
            process.wait()

    sent = sorted(float(line) for output in outputs for line in output.read_text().split() if line != "ready")
    assert max(sum(begin <= at < begin + seconds for at in sent) for begin in sent) <= count
    # Nothing stays taken by the one that was killed.
    lasted = sent[-1] - sent[0]
    assert len(sent) >= 0.5 * count * lasted / seconds


@pytest.mark.skipif(sys.platform != "linux", reason="the variable is Linux's")
def test_the_folder_is_where_the_system_has_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert runtime_folder() == tmp_path / "trioarb"
