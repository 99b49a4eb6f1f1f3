"""Campaigns whose configuration, market, faults and end follow from a seed. No promise may break in any."""

from collections import Counter
from pathlib import Path

import pytest
from effort import examples
from swarm import Played, play_all

#: Seeds of one test: so many tests beside each other spread over the workers.
EACH = 10
SEEDS = 200
HOURS = 1.0


def played(seeds: range, folder: Path, **options: int) -> list[Played]:
    done = list(play_all(seeds, folder, hours=HOURS, **options))
    broken = [one for one in done if one.violations]
    again = "\n".join(
        f"python benchmarks/swarm.py --from {one.seed} --seeds 1 --hours {HOURS:g} --keep DIR\n  "
        + "\n  ".join(one.violations)
        for one in broken
    )
    assert not broken, f"{len(broken)} of {len(done)} seeds; to see them again:\n{again}"
    assert len(done) == len(seeds)
    return done


@pytest.mark.parametrize("first", range(0, examples(SEEDS, 30), EACH))
def test_swarm(first: int, tmp_path: Path) -> None:
    done = played(range(first, first + EACH), tmp_path, jobs=1)
    # It would prove little if nothing befell them.
    assert sum(one.verdict.pairs for one in done) > EACH
    assert any(one.faults for one in done)


@pytest.mark.long
def test_a_large_swarm_meets_everything(tmp_path: Path) -> None:
    done = played(range(SEEDS, 2 * SEEDS), tmp_path)
    faults = sum((Counter(one.faults) for one in done), Counter())
    assert len(faults) == 10
    assert sum(one.verdict.pairs for one in done) > 10 * SEEDS
    assert sum(one.kills for one in done) > SEEDS / 5
    assert sum(one.resumes for one in done) > SEEDS / 5
    assert sum(one.verdict.residuals for one in done) > SEEDS / 5
    assert sum(one.is_repeated for one in done) > 3
    assert {one.ended.exit_code for one in done if one.ended} == {0, 1, 3}
