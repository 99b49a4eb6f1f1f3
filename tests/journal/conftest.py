"""Journals to write, read, damage and fight over."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from trioarb.journal.file import JournalFile
from trioarb.journal.stored import StoredJournal, open_journal
from trioarb.model.event import OrderFilled, Record
from trioarb.model.order import Side

META = {"campaign_id": "c-1", "config": "[session]\nname = 'π'\n"}

#: Writes events to a journal, 100 per transaction, then waits to be killed.
_CAMPAIGN = """
import sys
from pathlib import Path
from trioarb.journal.file import JournalFile
from trioarb.model.event import KillSwitchPulled, Record

file = JournalFile.create(Path(sys.argv[1]), {"campaign_id": "killed"}, synchronous=False)
last = int(sys.argv[2])
for first in range(1, last + 1, 100):
    seqs = range(first, min(first + 100, last + 1))
    file.write([Record(seq, seq, KillSwitchPulled(source="x" * 200)) for seq in seqs])
print("ready", flush=True)
sys.stdin.read()
"""

MakeRecords = Callable[..., list[Record]]
Snapshot = Callable[[Path], dict[str, bytes]]


def _record(seq: int) -> Record:
    event = OrderFilled(
        client_order_id=f"c-{seq}",
        fill_id=f"f-{seq}",
        venue="a",
        symbol="BTCUSDT",
        side=Side.BUY,
        base="BTC",
        quote="USDT",
        quantity=Decimal(seq) / 1000,
        price=Decimal("67001.20"),
        fee=Decimal("0E-8"),
        fee_asset="USDT",
    )
    return Record(seq, 1_700_000_000_000_000_000 + seq, event)


@pytest.fixture
def records() -> MakeRecords:
    """Return a function that makes so many records, from ``first`` on."""
    return lambda count, first=1: [_record(seq) for seq in range(first, first + count)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "campaign.journal"


@pytest.fixture
def stored(path: Path, records: MakeRecords) -> Callable[[int], list[Record]]:
    """Return a function that makes a journal at ``path`` with so many events, and closes it."""

    def store(count: int) -> list[Record]:
        made = records(count)
        file = JournalFile.create(path, META, synchronous=False)
        for start in range(0, count, 500):
            file.write(made[start : start + 500])
        file.close()
        return made

    return store


@pytest.fixture
def snapshot() -> Snapshot:
    """Return a function that reads all files of a folder."""
    return lambda folder: {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


@pytest.fixture
def read() -> Callable[[Path], list[Record]]:
    """Return a function that reads a whole journal."""

    def all_records(path: Path) -> list[Record]:
        with open_journal(path) as journal:
            assert isinstance(journal, StoredJournal)
            return list(journal.records())

    return all_records


@pytest.fixture
def campaign(path: Path) -> Iterator[Callable[[int], subprocess.Popen[str]]]:
    """Return a function that starts a process that writes so many events to ``path`` and keeps it open."""
    started: list[subprocess.Popen[str]] = []

    def start(count: int) -> subprocess.Popen[str]:
        child = subprocess.Popen(
            [sys.executable, "-c", _CAMPAIGN, str(path), str(count)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(child)
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        return child

    yield start
    for child in started:
        with child:
            child.kill()
