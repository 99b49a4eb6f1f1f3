"""`residuals` lists what pairs left; `resume --close-only` trades it away."""

from __future__ import annotations

import json

from command import SPREAD, CommandLine

REFUSED = [
    f"--set={one}"
    for one in (
        "session.clock=virtual",
        "session.max_runtime_seconds=20",
        "exchanges.b.reject_rate=1",
        "exchanges.a.reject_rate=0.4",
        "execution.hedge_deadline_seconds=0.001",
        "execution.residual_policy=hold",
    )
]


def test_what_is_left_is_listed_and_can_be_traded_away(trioarb: CommandLine) -> None:
    ran = trioarb.run(SPREAD, *REFUSED, "--journal=run.journal")
    assert ran.code == 3, ran.err

    listed = trioarb("residuals", "run.journal")
    as_json = trioarb("residuals", "run.journal", "--json")
    assert (listed.code, as_json.code) == (0, 0), listed.err + as_json.err
    left = [one for one in json.loads(as_json.out) if one["kind"] == "residual"]
    assert [one["id"] for one in left] == [one["residual_id"] for one in ran.summary["residuals"]]
    for one in left:
        assert f"{one['quantity'].lstrip('-')} {one['asset']}" in listed.out

    resumed = trioarb("resume", "run.journal", "--close-only")
    assert resumed.code == 0, resumed.err
    assert trioarb("residuals", "run.journal").out.startswith("Nothing is left")
    assert trioarb("verify", "run.journal").code == 0
