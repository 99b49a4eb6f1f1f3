"""Whatever happened to the file, what is read is what was written, up to where it says that it ends."""

from __future__ import annotations

import random
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from trioarb.errors import JournalError
from trioarb.journal.file import JournalFile, salvage
from trioarb.journal.format import DamagedJournal
from trioarb.journal.stored import open_journal
from trioarb.model.event import Record

MakeRecords = Callable[..., list[Record]]
Snapshot = Callable[[Path], dict[str, bytes]]
Read = Callable[[Path], list[Record]]
Store = Callable[[int], list[Record]]
Campaign = Callable[[int], subprocess.Popen[str]]

PAGE = 4096


def read_until_damage(path: Path) -> tuple[list[Record], JournalError | None]:
    found: list[Record] = []
    try:
        with open_journal(path) as journal:
            found += journal.records()
    except JournalError as error:
        return found, error
    return found, None


def check_damaged(path: Path, written: list[Record], snapshot: Snapshot) -> int:
    """Reading, resuming and repairing a damaged journal agree on how much of it is sound; return that."""
    before = snapshot(path.parent)
    found, error = read_until_damage(path)
    with pytest.raises(JournalError) as refused:
        JournalFile.resume(path, synchronous=False)
    assert snapshot(path.parent) == before
    assert error is not None
    assert str(refused.value) == str(error)
    assert str(path) in str(error)
    assert found == written[: len(found)]
    if not isinstance(error, DamagedJournal):  # not even its first page tells that it is a journal
        assert not found
        return 0
    if found:
        assert error.readable == len(found)

    new = path.with_name("new.journal")
    if not error.readable:
        with pytest.raises(JournalError):
            salvage(path, new)
    else:
        assert f"`trioarb repair {path} NEW`" in str(error)
        assert salvage(path, new) == error.readable
        assert read_until_damage(new) == (written[: error.readable], None)
        new.unlink()
    assert snapshot(path.parent) == before
    return error.readable


def test_a_file_that_was_cut_off(path: Path, stored: Store, snapshot: Snapshot) -> None:
    written = stored(400)
    whole = path.read_bytes()
    sizes = {*range(0, len(whole), PAGE), len(whole) - 1, 50, 99, 100, 600, PAGE + 1, 5 * PAGE - 1, 9 * PAGE + 2000}
    readable = {}
    for size in sorted(sizes):
        path.write_bytes(whole[:size])
        readable[size] = check_damaged(path, written, snapshot)
    assert list(readable.values()) == sorted(readable.values())
    assert readable[len(whole) - PAGE] > 350
    assert readable[len(whole) // PAGE // 2 * PAGE] > 100


def test_a_page_that_was_garbled(path: Path, stored: Store, snapshot: Snapshot) -> None:
    written = stored(250)
    whole = path.read_bytes()
    rng = random.Random(7)
    garbage = [bytes(PAGE), b"\xff" * PAGE, rng.randbytes(PAGE), rng.randbytes(PAGE)]
    harmless = set()
    for start in range(0, len(whole), PAGE):
        for page in garbage:
            path.write_bytes(whole[:start] + page + whole[start + PAGE :])
            if read_until_damage(path) == (written, None):
                harmless.add(start)
            else:
                check_damaged(path, written, snapshot)
    assert len(harmless) <= 1  # the index of the table ``meta``, which is read without it


def test_a_byte_that_was_altered(path: Path, stored: Store, snapshot: Snapshot) -> None:
    written = stored(60)
    whole = path.read_bytes()
    price = whole.find(b"67001.20", whole.find(b"c-31"))
    for place, byte in ((price + 2, b"1"), (price + 4, b"2"), (price - 40, b"\0"), (whole.find(b"order_filled"), b"p")):
        path.write_bytes(whole[:place] + byte + whole[place + 1 :])
        assert check_damaged(path, written, snapshot) < 60


def test_pages_that_changed_places(path: Path, stored: Store, snapshot: Snapshot) -> None:
    written = stored(600)
    whole = path.read_bytes()
    one, other = whole[6 * PAGE : 7 * PAGE], whole[11 * PAGE : 12 * PAGE]
    path.write_bytes(whole[: 6 * PAGE] + other + whole[7 * PAGE : 11 * PAGE] + one + whole[12 * PAGE :])
    assert 0 < check_damaged(path, written, snapshot) < 600


def killed_with(campaign: Campaign, count: int) -> None:
    with campaign(count) as child:
        child.send_signal(signal.SIGKILL)


def test_a_torn_write_ahead_log_ends_with_its_last_whole_transaction(
    path: Path, campaign: Campaign, snapshot: Snapshot
) -> None:
    killed_with(campaign, 1_000)
    files = snapshot(path.parent)
    wal = Path(f"{path}-wal")
    counts = set()
    for size in range(len(files[wal.name]), PAGE, -2_500):
        wal.write_bytes(files[wal.name][:size])
        before = snapshot(path.parent)
        found, error = read_until_damage(path)
        assert snapshot(path.parent) == before
        assert error is None or "holds no events" in str(error)
        assert [record.seq for record in found] == list(range(1, len(found) + 1))
        assert len(found) % 100 == 0
        counts.add(len(found))
    assert counts >= {100, 900, 1_000}

    file = JournalFile.resume(path, synchronous=False) if found else None
    assert file is None


@pytest.mark.parametrize(("count", "offset"), [(20_000, 40), (20_000, 5 * PAGE), (1_000, -PAGE)])
def test_a_garbled_write_ahead_log_ends_before_the_garbage(
    path: Path, campaign: Campaign, records: MakeRecords, count: int, offset: int
) -> None:
    killed_with(campaign, count)
    wal = Path(f"{path}-wal")
    content = bytearray(wal.read_bytes())
    content[offset] ^= 0xFF
    wal.write_bytes(content)

    found, error = read_until_damage(path)

    assert error is None
    assert [record.seq for record in found] == list(range(1, len(found) + 1))
    assert 0 < len(found) < count
    assert len(found) % 100 == 0
    file = JournalFile.resume(path, synchronous=False)
    file.write(records(1, first=len(found) + 1))
    file.close()
    assert read_until_damage(path)[1] is None


@pytest.mark.parametrize("count", [500, 20_000])
@pytest.mark.parametrize("shm_too", [False, True])
def test_a_lost_write_ahead_log_is_noticed(
    path: Path, campaign: Campaign, snapshot: Snapshot, count: int, shm_too: bool
) -> None:
    killed_with(campaign, count)
    with open_journal(path) as journal:
        written = list(journal.records())
    Path(f"{path}-wal").unlink()
    if shm_too:
        Path(f"{path}-shm").unlink()
    Path(f"{path}-lock").unlink()

    readable = check_damaged(path, written, snapshot)

    assert readable == 0 if count == 500 else 0 < readable < count
    with pytest.raises(DamagedJournal, match="-wal is missing, and with it what was written last"):
        JournalFile.resume(path, synchronous=False)


def test_a_log_lost_right_after_a_resume_is_noticed(
    path: Path, stored: Store, records: MakeRecords, snapshot: Snapshot
) -> None:
    written = stored(10)
    file = JournalFile.resume(path, synchronous=False)
    file.write(records(5, first=11))
    taken = path.read_bytes()
    file.close()
    path.write_bytes(taken)  # as it would be, had the process been killed and its log lost
    assert check_damaged(path, written, snapshot) == 10


def test_a_journal_is_counted_as_far_as_it_can_be(path: Path, stored: Store) -> None:
    stored(600)
    whole = path.read_bytes()
    path.write_bytes(whole[: 12 * PAGE] + bytes(PAGE) + whole[13 * PAGE :])
    with open_journal(path) as journal:
        assert journal.last_seq == 600
        with pytest.raises(DamagedJournal):
            journal.count  # noqa: B018


def test_a_repair_that_fails_leaves_nothing_behind(
    path: Path, stored: Store, monkeypatch: pytest.MonkeyPatch, snapshot: Snapshot
) -> None:
    stored(7_000)
    before = snapshot(path.parent)
    write = JournalFile.write

    def full(file: JournalFile, records: list[Record]) -> None:
        if file.last_seq:
            raise JournalError("database or disk is full")
        write(file, records)

    monkeypatch.setattr(JournalFile, "write", full)
    with pytest.raises(JournalError, match="disk is full"):
        salvage(path, path.with_name("new.journal"))
    assert snapshot(path.parent) == before
