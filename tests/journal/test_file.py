"""A journal file gives back what was written to it, and reading it changes nothing."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from trioarb.errors import JournalError
from trioarb.journal.file import JournalFile, claim, salvage
from trioarb.journal.format import DamagedJournal
from trioarb.journal.stored import open_journal
from trioarb.model.event import Record, SymbolRetired

MakeRecords = Callable[..., list[Record]]
Snapshot = Callable[[Path], dict[str, bytes]]
Read = Callable[[Path], list[Record]]
Store = Callable[[int], list[Record]]
Campaign = Callable[[int], subprocess.Popen[str]]

META = {"campaign_id": "c-1", "config": "[session]\nname = 'π'\n"}
MISSING = "there is no such journal"


def change(path: Path, *statements: str) -> None:
    """Edit a closed journal behind its back."""
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


# Writing and reading


@pytest.mark.parametrize("synchronous", [False, True])
def test_it_gives_back_what_was_written(path: Path, records: MakeRecords, read: Read, synchronous: bool) -> None:
    written = records(1_234)

    file = JournalFile.create(path, META, synchronous=synchronous)
    assert file.last_seq == 0
    file.write(written[:1])
    file.write(written[1:7])
    file.write([])
    file.write(written[7:])
    assert (file.meta, file.last_seq) == (META, 1_234)
    file.close()

    assert [repr(record) for record in read(path)] == [repr(record) for record in written]
    with open_journal(path) as journal:
        assert (journal.meta, journal.last_seq, journal.count) == (META, 1_234, 1_234)


def test_a_closed_journal_is_a_single_file(path: Path, stored: Store) -> None:
    stored(10)
    assert os.listdir(path.parent) == [path.name]


def test_closing_twice_does_no_harm(path: Path, records: MakeRecords) -> None:
    file = JournalFile.create(path, META, synchronous=False)
    file.write(records(1))
    file.close()
    other = JournalFile.resume(path, synchronous=False)
    file.close()
    with pytest.raises(JournalError, match="in use"):
        JournalFile.resume(path, synchronous=False)
    other.close()


def test_a_missing_folder_is_made(tmp_path: Path, records: MakeRecords, read: Read) -> None:
    path = tmp_path / "deep" / "down" / "x.journal"
    file = JournalFile.create(path, META, synchronous=False)
    file.write(records(1))
    file.close()
    assert read(path) == records(1)


def test_odd_names_are_just_names(tmp_path: Path, records: MakeRecords, read: Read) -> None:
    no_text = "\udcff" if sys.platform == "linux" else ""
    path = tmp_path / f"50% of #1?mode=memory & é {no_text}.journal"
    file = JournalFile.create(path, META, synchronous=False)
    file.write(records(3))
    file.close()
    assert read(path) == records(3)
    assert os.listdir(tmp_path) == [path.name]


def test_meta_can_be_added(path: Path, records: MakeRecords) -> None:
    file = JournalFile.create(path, META, synchronous=False)
    file.write(records(1))
    file.set_meta("digest", "abc")
    file.set_meta("campaign_id", "c-2")
    expected = {**META, "digest": "abc", "campaign_id": "c-2"}
    assert file.meta == expected
    file.close()
    with open_journal(path) as journal:
        assert journal.meta == expected


def test_an_existing_file_is_never_written_over(path: Path, snapshot: Snapshot) -> None:
    path.write_text("precious")
    before = snapshot(path.parent)

    with pytest.raises(JournalError, match=r"campaign\.journal exists already; resume it, or choose another path"):
        JournalFile.create(path, META, synchronous=False)

    assert snapshot(path.parent) == before


def test_what_another_journal_left_is_never_written_over(path: Path, snapshot: Snapshot) -> None:
    Path(f"{path}-wal").write_text("precious")
    before = snapshot(path.parent)
    with pytest.raises(JournalError, match="-wal is left of another journal"):
        JournalFile.create(path, META, synchronous=False)
    assert snapshot(path.parent) == before


def test_a_journal_that_was_begun_when_the_machine_died_is_begun_anew(
    path: Path, records: MakeRecords, read: Read
) -> None:
    Path(f"{path}-new").write_text("half a journal")
    Path(f"{path}-lock").write_text("1")
    file = JournalFile.create(path, META, synchronous=False)
    file.write(records(1))
    file.close()
    assert read(path) == records(1)
    assert os.listdir(path.parent) == [path.name]


def test_a_folder_that_can_not_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalError, match=r"can't be made: .*file"):
        JournalFile.create(tmp_path / "file" / "x.journal", META, synchronous=False)


@pytest.mark.parametrize("seqs", [(2,), (0, 1), (1, 3), (1, 1), (2, 1)], ids=str)
def test_events_out_of_order_are_refused(path: Path, records: MakeRecords, read: Read, seqs: tuple[int, ...]) -> None:
    file = JournalFile.create(path, META, synchronous=False)
    with pytest.raises(JournalError, match="don't follow on event 0"):
        file.write([records(1, first=seq)[0] for seq in seqs])
    file.write(records(1))
    file.close()
    assert read(path) == records(1)


def test_a_write_is_all_or_nothing(path: Path, records: MakeRecords, read: Read) -> None:
    batch = records(700)
    batch[650] = batch[650]._replace(event=SymbolRetired(symbol="X", failures=2**70))
    file = JournalFile.create(path, META, synchronous=False)

    with pytest.raises(JournalError, match="symbol_retired can't be encoded"):
        file.write(batch)

    assert file.last_seq == 0
    file.write(records(3))
    file.close()
    assert read(path) == records(3)


# Going on with a journal


def test_it_is_gone_on_with(path: Path, stored: Store, records: MakeRecords, read: Read) -> None:
    first = stored(7)
    replayed: list[Record] = []

    file = JournalFile.resume(path, synchronous=True, replay=replayed.append)

    assert replayed == first
    assert (file.meta, file.last_seq) == (META, 7)
    file.write(records(5, first=8))
    file.close()
    assert read(path) == records(12)
    assert os.listdir(path.parent) == [path.name]


def test_what_it_holds_can_be_read_before_it_is_gone_on_with(path: Path, stored: Store, records: MakeRecords) -> None:
    written = stored(6_000)
    with claim(path) as claimed:
        assert (claimed.meta, claimed.last_ts_ns, claimed.first()) == (META, written[-1].ts_ns, written[0])
        assert list(claimed.records()) == written
        file = claimed.go_on(synchronous=False)
    file.write(records(1, first=6_001))
    file.close()
    assert os.listdir(path.parent) == [path.name]


def test_what_was_claimed_and_not_gone_on_with_is_as_it_was(path: Path, stored: Store) -> None:
    stored(3)
    before = path.read_bytes()
    with claim(path) as claimed, pytest.raises(JournalError, match="in use by process"), claim(path):
        pass
    assert claimed.last_ts_ns
    assert path.read_bytes() == before
    JournalFile.resume(path, synchronous=False).close()


def test_a_replay_that_fails_leaves_it_as_it_was(path: Path, campaign: Campaign, snapshot: Snapshot) -> None:
    killed(campaign, 500)
    before = snapshot(path.parent)
    del before[f"{path.name}-lock"]

    def refuse(record: Record) -> None:
        if record.seq == 300:
            raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        JournalFile.resume(path, synchronous=False, replay=refuse)

    assert snapshot(path.parent) == before


def killed(campaign: Campaign, count: int) -> None:
    with campaign(count) as child:
        child.send_signal(signal.SIGKILL)
    assert child.returncode == -signal.SIGKILL


# What a killed process leaves


def test_what_a_killed_process_wrote_is_read_without_touching_it(
    path: Path, campaign: Campaign, snapshot: Snapshot, read: Read
) -> None:
    killed(campaign, 20_000)
    before = snapshot(path.parent)
    assert set(before) == {path.name, *(f"{path.name}-{suffix}" for suffix in ("wal", "shm", "lock"))}
    assert before[f"{path.name}-wal"]

    assert [record.seq for record in read(path)] == list(range(1, 20_001))

    assert snapshot(path.parent) == before


def test_what_a_killed_process_wrote_is_gone_on_with(path: Path, campaign: Campaign, records: MakeRecords) -> None:
    killed(campaign, 20_000)
    seqs: list[int] = []

    file = JournalFile.resume(path, synchronous=False, replay=lambda record: seqs.append(record.seq))

    assert seqs == list(range(1, 20_001))
    file.write(records(1, first=20_001))
    file.close()
    assert os.listdir(path.parent) == [path.name]
    with open_journal(path) as journal:
        assert journal.count == journal.last_seq == 20_001


def test_a_killed_journal_is_whole_without_its_shared_memory(path: Path, campaign: Campaign, read: Read) -> None:
    killed(campaign, 500)
    Path(f"{path}-shm").unlink()
    assert len(read(path)) == 500
    assert not Path(f"{path}-shm").exists()


def test_a_process_that_forgets_to_close_it_leaves_it_whole(path: Path, campaign: Campaign, read: Read) -> None:
    campaign(500).communicate()
    assert os.listdir(path.parent) == [path.name]
    assert len(read(path)) == 500


def test_a_fork_leaves_it_alone(path: Path, records: MakeRecords, read: Read) -> None:
    file = JournalFile.create(path, META, synchronous=False)
    file.write(records(1))
    child = os.fork()
    if not child:
        file.close()
        os._exit(0)
    os.waitpid(child, 0)
    assert Path(f"{path}-lock").exists()
    file.write(records(1, first=2))
    file.close()
    assert read(path) == records(2)


# Reading while it is written


def test_it_is_read_while_it_is_written(path: Path, records: MakeRecords, snapshot: Snapshot) -> None:
    file = JournalFile.create(path, META, synchronous=False)
    file.write(records(7_000))
    before = snapshot(path.parent)

    with open_journal(path) as journal:
        reading = journal.records()
        start = [next(reading) for _ in range(10)]
        file.write(records(10, first=7_001))
        rest = list(reading)
        assert start + rest == records(7_000)  # as it was when it was opened
        assert journal.count == 7_000
    with open_journal(path) as journal:
        assert journal.last_seq == 7_010

    del before[f"{path.name}-shm"], before[f"{path.name}-wal"]
    after = snapshot(path.parent)
    assert {name: after[name] for name in before} == before
    file.close()
    assert os.listdir(path.parent) == [path.name]


def test_a_reader_of_another_process_holds_up_neither_writes_nor_the_end(
    path: Path, campaign: Campaign, read: Read
) -> None:
    child = campaign(6_000)
    with open_journal(path) as journal:
        assert next(journal.records()).seq == 1
        child.communicate()  # the end of its input ends it
    assert child.returncode == 0
    assert [record.seq for record in read(path)] == list(range(1, 6_001))


def test_an_end_while_somebody_reads_loses_nothing(path: Path, records: MakeRecords, read: Read) -> None:
    file = JournalFile.create(path, META, synchronous=False)
    file.write(records(6_000))
    with open_journal(path) as journal:
        reading = journal.records()
        next(reading)
        file.close()
        assert [record.seq for record in reading] == list(range(2, 6_001))
    assert read(path) == records(6_000)
    resumed = JournalFile.resume(path, synchronous=False)
    resumed.write(records(1, first=6_001))
    resumed.close()
    assert os.listdir(path.parent) == [path.name]
    assert read(path) == records(6_001)


def test_a_resume_while_somebody_reads_is_noticed_by_the_reader(path: Path, stored: Store) -> None:
    stored(12_000)
    with open_journal(path) as journal:
        reading = journal.records()
        assert next(reading).seq == 1
        JournalFile.resume(path, synchronous=False).close()
        with pytest.raises(JournalError, match="was changed while it was read; read it again"):
            list(reading)


# What is not a journal that can be read


def assert_refused(path: Path, snapshot: Snapshot, message: str, *, damaged: int | None = None) -> None:
    """Reading, resuming and repairing say why not, and leave everything as it was."""
    before = snapshot(path.parent)

    with pytest.raises(JournalError, match=message) as reading, open_journal(path) as journal:
        list(journal.records())
    with pytest.raises(JournalError, match=message) as resuming:
        JournalFile.resume(path, synchronous=False)

    for refused in (reading.value, resuming.value):
        assert str(path) in str(refused)
        assert getattr(refused, "readable", None) == damaged
        assert ("trioarb repair" in str(refused)) == bool(damaged)
    assert snapshot(path.parent) == before


def test_a_missing_journal(path: Path, snapshot: Snapshot) -> None:
    assert_refused(path, snapshot, MISSING)
    with pytest.raises(JournalError, match=MISSING):
        salvage(path, path.with_name("new"))
    assert os.listdir(path.parent) == []


def test_a_folder(path: Path) -> None:
    path.mkdir()
    for refuse in (lambda: open_journal(path).__enter__(), lambda: JournalFile.resume(path, synchronous=False)):
        with pytest.raises(JournalError, match="is a folder; name the journal in it"):
            refuse()
    assert os.listdir(path.parent) == [path.name]


def test_a_pipe(path: Path) -> None:
    os.mkfifo(path)
    with pytest.raises(JournalError, match="is not a regular file"), open_journal(path):
        pass


@pytest.mark.parametrize("content", [b"a text", b"\0" * 5_000, b"SQLite format 3\0", b"x" * 100_000], ids=len)
def test_no_database(path: Path, snapshot: Snapshot, content: bytes) -> None:
    path.write_bytes(content)
    assert_refused(path, snapshot, "is not a trioarb journal")


def test_an_empty_file(path: Path, snapshot: Snapshot) -> None:
    path.touch()
    assert_refused(path, snapshot, "is not a trioarb journal; is it the right file?")


def test_a_database_of_somebody_else(path: Path, snapshot: Snapshot) -> None:
    change(path, "CREATE TABLE event (seq INTEGER PRIMARY KEY)", "INSERT INTO event VALUES (1)")
    assert_refused(path, snapshot, "is not a trioarb journal; is it the right file?")


def test_a_newer_schema(path: Path, stored: Store, snapshot: Snapshot) -> None:
    stored(3)
    change(path, "PRAGMA user_version = 7")
    assert_refused(path, snapshot, r"was written by a newer trioarb \(schema 7, this one reads 1\); update trioarb")


def test_an_unknown_encoding(path: Path, stored: Store, snapshot: Snapshot) -> None:
    stored(3)
    change(path, "UPDATE meta SET value = 'msgpack/2' WHERE key = 'encoding'")
    assert_refused(path, snapshot, "is encoded as 'msgpack/2', and this trioarb reads 'msgpack/1' only")


def test_no_events(path: Path, stored: Store, snapshot: Snapshot) -> None:
    stored(0)
    assert_refused(path, snapshot, "holds no events")
    with pytest.raises(JournalError, match="nothing can be saved"):
        salvage(path, path.with_name("new"))
    assert os.listdir(path.parent) == [path.name]


def test_a_hole(path: Path, stored: Store, snapshot: Snapshot) -> None:
    stored(9)
    change(path, "DELETE FROM event WHERE seq = 4")
    assert_refused(
        path, snapshot, r"is damaged: event 5 follows event 3; its events 1 to 3 are sound; `trioarb repair ", damaged=3
    )


def test_a_lost_beginning(path: Path, stored: Store, snapshot: Snapshot) -> None:
    stored(9)
    change(path, "DELETE FROM event WHERE seq = 1")
    assert_refused(path, snapshot, "it begins with event 2; not one of its events can be read", damaged=0)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("type", "'moon_landed'"),
        ("type", "x'ff'"),
        ("body", "x'c0'"),
        ("body", "'text'"),
        ("body", "x''"),
        ("ts_ns", "'noon'"),
    ],
)
def test_an_event_that_makes_no_sense(path: Path, stored: Store, snapshot: Snapshot, column: str, value: str) -> None:
    stored(9)
    change(path, f"UPDATE event SET {column} = {value} WHERE seq = 6")
    assert_refused(path, snapshot, "is damaged: event 6 can't be read", damaged=5)


def test_missing_tables(path: Path, stored: Store, snapshot: Snapshot) -> None:
    stored(9)
    change(path, "DROP TABLE event")
    assert_refused(path, snapshot, "is damaged: .*no such table: event", damaged=0)


# Repairing


def test_what_is_sound_is_saved(path: Path, stored: Store, read: Read, snapshot: Snapshot) -> None:
    written = stored(12_000)
    change(path, "DELETE FROM event WHERE seq = 11500")
    before = snapshot(path.parent)
    new = path.with_name("new.journal")

    assert salvage(path, new) == 11_499

    after = snapshot(path.parent)
    assert set(after) == {path.name, new.name}
    assert after[path.name] == before[path.name]
    assert read(new) == written[:11_499]
    with open_journal(new) as journal:
        assert journal.meta == META
    JournalFile.resume(new, synchronous=False).close()


def test_nothing_is_saved_over_another_file(path: Path, stored: Store, snapshot: Snapshot) -> None:
    stored(3)
    path.with_name("new").write_text("precious")
    before = snapshot(path.parent)
    for target in (path, path.with_name("new")):
        with pytest.raises(JournalError, match="exists already"):
            salvage(path, target)
    assert snapshot(path.parent) == before


def test_a_damaged_error_is_a_journal_error() -> None:
    assert issubclass(DamagedJournal, JournalError)
