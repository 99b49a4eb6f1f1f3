"""Who asks a venue from one machine keeps its limits together with the others who do."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from trioarb.venue import Ledger, Limit, LimitRules, Limits, Priority, Response, open_limits, runtime_folder

CANCEL = Priority.CANCEL


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return runtime_folder()


def rules() -> LimitRules:
    # Small, so that nothing is taken ahead of need.
    buckets = {name: [Limit(count=10, seconds=60)] for name in ("weight", "orders")}
    return LimitRules(buckets=buckets, costs=lambda request: {}, by_key=frozenset({"orders"}))


def take(limits: Limits, bucket: str, many: int) -> int:
    """Return how many of so many are let pass."""
    passed = 0
    for _ in range(many):
        permit = limits.try_acquire({bucket: 1}, CANCEL)
        if permit is not None:
            with permit:
                passed += 1
    return passed


async def test_of_an_address_all_share_what_is_counted_by_address() -> None:
    with (
        open_limits("V", rules(), address="a:1") as source,
        open_limits("V", rules(), address="a:1", api_key="key") as account,
        open_limits("V", rules(), address="a:2") as elsewhere,
        open_limits("W", rules(), address="a:1") as other,
    ):
        assert take(source, "weight", 6) == 6
        assert take(account, "weight", 6) == 4
        assert take(elsewhere, "weight", 6) == 6
        assert take(other, "weight", 6) == 6


async def test_of_a_key_all_share_what_is_counted_by_key() -> None:
    with (
        open_limits("V", rules(), address="a:1", api_key="one") as here,
        open_limits("V", rules(), address="a:1", api_key="one") as there,
        open_limits("V", rules(), address="a:1", api_key="two") as other,
        open_limits("V", rules(), address="a:1") as nobody,
    ):
        assert take(here, "orders", 6) == 6
        assert take(there, "orders", 6) == 4
        assert take(other, "orders", 6) == 6
        assert take(nobody, "orders", 6) == 6


async def test_a_refusal_of_one_closes_to_the_others_and_is_logged() -> None:
    with open_limits("V", rules(), address="a:1") as here, open_limits("V", rules(), address="a:1") as there:
        permit = here.try_acquire({"weight": 1}, CANCEL)
        assert permit is not None
        with capture_logs() as logged, permit:
            here.hear(permit, Response(status=429, headers={"retry-after": "30"}))
            assert there.try_acquire({"weight": 1}, CANCEL) is None
    assert [(one["event"], one["venue"], one["limits"], one["because"]) for one in logged] == [
        ("a venue refuses more for now", "V", "weight", "HTTP 429"),
        ("a venue refuses more for now", "V", "weight", "another campaign of this key was refused"),
    ]


async def test_budgets_that_nobody_used_for_days_are_removed(folder: Path) -> None:
    def there() -> list[Path]:
        return list(folder.iterdir())

    with open_limits("V", rules(), address="a:1") as limits:
        (old,) = there()
        assert take(limits, "weight", 1) == 1
        os.utime(old, (0, 0))
        with open_limits("W", rules(), address="b:1"):
            assert old not in there()
            # Whoever has it open all the same comes to a new file with all others.
            assert take(limits, "weight", 4) == 4
            with open_limits("V", rules(), address="a:1") as other:
                assert take(other, "weight", 10) == 6
    assert Ledger.of_key(folder, "V a:1", "")._file.path == old
