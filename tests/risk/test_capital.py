"""What campaigns of one account have at risk together never goes beyond the cap."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from decimal import Decimal
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from trioarb.model.trade import Answer
from trioarb.risk.capital import Capital, Share, SharesUnknown, shares_of

CAP = Decimal(1_000)


def capital(path: Path, name: str = "one", cap: Decimal = CAP) -> Capital:
    return Capital(cap_usd=cap, files=[path], campaign_id=name, journal=f"{name}.journal")


def read(path: Path) -> dict[str, Share]:
    try:
        return shares_of(path)
    except SharesUnknown as error:
        raise AssertionError("the file holds what nobody wrote") from error


def total(path: Path) -> Decimal:
    return sum((share.usd for share in read(path).values()), Decimal(0))


def test_what_others_hold_leaves_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "account.json"
    assert capital(path, "other").claim(Decimal(0), Decimal("700.5")) is None
    mine = capital(path)
    assert mine.claim(Decimal(100), Decimal("199.5")) is None
    assert total(path) == CAP
    reduced = mine.claim(Decimal(100), Decimal(200))
    assert reduced is not None
    assert (reduced.answer, reduced.rule, reduced.limit) == (Answer.REDUCE, "capital_cap", "1000")
    assert reduced.largest is not None
    assert reduced.largest.usd == Decimal("199.5")
    denied = mine.claim(Decimal("299.5"), Decimal(1))
    assert denied is not None
    assert denied.answer is Answer.DENY
    assert "700.5 of it of other campaigns" in denied.value


def test_what_is_at_risk_no_more_is_there_for_others(tmp_path: Path) -> None:
    path = tmp_path / "account.json"
    mine = capital(path)
    assert mine.claim(Decimal(0), CAP) is None
    assert capital(path, "other").claim(Decimal(0), Decimal(1)) is not None
    mine.say(Decimal(0))
    assert shares_of(path) == {}
    assert capital(path, "other").claim(Decimal(0), Decimal(1)) is None


def test_nothing_is_taken_at_one_account_where_another_has_no_room(tmp_path: Path) -> None:
    first, second = tmp_path / "a.json", tmp_path / "b.json"
    assert capital(second, "other").claim(Decimal(0), CAP) is None
    both = Capital(cap_usd=CAP, files=[first, second], campaign_id="one", journal="")
    assert both.claim(Decimal(0), Decimal(1)) is not None
    assert shares_of(first) == {}


@pytest.mark.parametrize(
    "written", [b"{", b"[]", b'{"a":{"usd":"NaN","journal":""}}', b'{"a":{"usd":"-5","journal":""}}']
)
def test_a_file_that_can_not_be_read_denies_and_says_which(tmp_path: Path, written: bytes) -> None:
    path = tmp_path / "account.json"
    path.write_bytes(written)
    refusal = capital(path).claim(Decimal(0), Decimal(1))
    assert refusal is not None
    assert refusal.answer is Answer.DENY
    assert str(path) in refusal.value
    with pytest.raises(SharesUnknown):
        shares_of(path)
    assert path.read_bytes() == written


def claim_on(path: Path, name: str, seed: int, started: Event, seconds: float) -> None:
    chance, mine, held = random.Random(seed), capital(path, name), Decimal(0)
    started.wait()
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        more = Decimal(chance.randint(1, 400))
        if mine.claim(held, more) is None:
            held += more
            if total(path) > CAP:
                os._exit(9)
        elif chance.random() < 0.5:
            held = Decimal(chance.randint(0, int(held)))
            mine.say(held)


def test_processes_that_claim_at_once_stay_below_the_cap_and_one_that_is_killed_still_holds_its_share(
    tmp_path: Path,
) -> None:
    path = tmp_path / "account.json"
    forked = multiprocessing.get_context("fork")
    started = forked.Event()
    claiming = [forked.Process(target=claim_on, args=(path, f"c{number}", number, started, 1.5)) for number in range(4)]
    for process in claiming:
        process.start()
    started.set()
    time.sleep(0.7)
    victim = claiming[0]
    assert victim.pid is not None
    os.kill(victim.pid, signal.SIGKILL)
    victim.join()
    held = read(path).get("c0")
    for process in claiming[1:]:
        process.join()
        assert process.exitcode == 0
    assert read(path).get("c0") == held
    assert total(path) <= CAP
