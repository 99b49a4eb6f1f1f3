"""Two hundred campaigns whose configuration, market, faults and end follow from a seed. No promise may break in any."""

from collections import Counter
from pathlib import Path

from swarm import play_all

SEEDS = 200
HOURS = 1.0


def test_swarm(tmp_path: Path) -> None:
    played = list(play_all(range(SEEDS), tmp_path, hours=HOURS))

    broken = [one for one in played if one.violations]
    told = "\n".join(
        f"python benchmarks/swarm.py --from {one.seed} --seeds 1 --hours {HOURS:g} --keep DIR\n  "
        + "\n  ".join(one.violations)
        for one in broken
    )
    assert not broken, f"{len(broken)} of {SEEDS} seeds; to see them again:\n{told}"
    # It would prove little if nothing befell them.
    faults = sum((Counter(one.faults) for one in played), Counter())
    assert len(played) == SEEDS
    assert len(faults) == 10
    assert sum(one.verdict.pairs for one in played) > 10 * SEEDS
    assert sum(one.kills for one in played) > SEEDS / 5
    assert sum(one.resumes for one in played) > SEEDS / 5
    assert sum(one.verdict.residuals for one in played) > SEEDS / 5
    assert sum(one.verdict.recovered_pairs for one in played) > 3
    assert sum(one.is_repeated for one in played) > 3
    assert {one.ended.exit_code for one in played if one.ended} == {0, 1, 3}
