"""What is shipped to watch campaigns with: every metric that it names exists, and promtool accepts it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from trioarb.dashboard.metric import METRICS, Kind

DEPLOY = Path(__file__).parents[1] / "deploy"
RULES, RULE_TESTS = DEPLOY / "prometheus" / "rules.yml", DEPLOY / "prometheus" / "rules.test.yml"
BOARDS = sorted((DEPLOY / "grafana" / "boards").glob("*.json"))

_PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(
    _PROMTOOL is None, reason="promtool is not installed; Debian has it in its package prometheus"
)
_ALERT = re.compile(r"^ +- alert: (\w+)$", re.MULTILINE)
#: A metric and the labels that it is chosen by.
_SELECTED = re.compile(r"\b(trioarb_\w+)(?:\{([^}]*)\})?")


def expressions(board: dict[str, Any]) -> Iterator[str]:
    for panel in board["panels"]:
        for target in panel.get("targets", ()):
            yield target["expr"]
    for annotation in board["annotations"]["list"]:
        yield annotation["expr"]


def base(name: str) -> str:
    """Return the metric that a series is of."""
    for suffix in ("_bucket", "_count", "_sum"):
        stem = name.removesuffix(suffix)
        if stem in METRICS and METRICS[stem].kind is Kind.HISTOGRAM:
            return stem
    return name


def promtool(*arguments: str) -> str:
    assert _PROMTOOL is not None
    ran = subprocess.run([_PROMTOOL, *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def named() -> Iterator[tuple[str, str]]:
    """Yield each selection of a metric, and where it stands."""
    for board in BOARDS:
        for expression in expressions(json.loads(board.read_text(encoding="utf-8"))):
            yield expression, board.name
    for rule in re.findall(r"^ +expr: (.*)$", RULES.read_text(encoding="utf-8"), re.MULTILINE):
        yield rule, RULES.name


def test_every_metric_that_boards_and_rules_name_exists_with_its_labels() -> None:
    seen = set[str]()
    for expression, where in named():
        for name, labels in _SELECTED.findall(expression):
            metric = METRICS.get(base(name))
            assert metric is not None, f"{where}: there is no metric {name}"
            seen.add(metric.name)
            used = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", labels))
            allowed = {"campaign", *metric.labels, *({"le"} if metric.kind is Kind.HISTOGRAM else ())}
            assert used <= allowed, f"{where}: {name} has no label {used - allowed}"
            if metric.kind is Kind.HISTOGRAM:
                assert name != metric.name, f"{where}: {name} is a histogram: choose its _bucket, _count or _sum"
    assert len(seen) > 40


def test_counters_are_looked_at_by_their_growth() -> None:
    """A counter begins anew with a process: what it stands at says nothing."""
    for expression, where in named():
        for name, _ in _SELECTED.findall(expression):
            if METRICS[base(name)].kind is not Kind.GAUGE and name != "trioarb_funnel_total":
                assert re.search(rf"(rate|increase)\({name}\b", expression), f"{where}: {expression}"


def test_every_alert_has_a_test_in_which_it_fires() -> None:
    rules = _ALERT.findall(RULES.read_text(encoding="utf-8"))
    fired = set[str]()
    for one in RULE_TESTS.read_text(encoding="utf-8").split("  - name: ")[1:]:
        if "exp_labels" in one:
            fired.add(one.split("\n", 1)[0])
    assert sorted(fired) == sorted(rules)
    assert len(set(rules)) == len(rules) > 15


@pytest.mark.parametrize("board", BOARDS, ids=lambda path: path.name)
def test_a_board_has_panels_of_its_own_places_and_numbers(board: Path) -> None:
    panels = json.loads(board.read_text(encoding="utf-8"))["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken = set[tuple[int, int]]()
    for panel in panels:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        squares = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not squares & taken, f"{panel['title']} lies on another panel"
        taken |= squares


@needs_promtool
def test_promtool_accepts_rules_and_configuration() -> None:
    assert "SUCCESS" in promtool("check", "rules", str(RULES))
    assert "SUCCESS" in promtool("check", "config", str(DEPLOY / "prometheus" / "prometheus.yml"))


@needs_promtool
def test_alerts_fire_where_they_should_and_nowhere_else() -> None:
    assert "SUCCESS" in promtool("test", "rules", str(RULE_TESTS))


@needs_promtool
def test_promtool_accepts_the_expressions_of_boards(tmp_path: Path) -> None:
    lines = ["groups:", "  - name: boards", "    rules:"]
    for board in BOARDS:
        for number, expression in enumerate(expressions(json.loads(board.read_text(encoding="utf-8")))):
            asked = expression.replace("$__rate_interval", "1m").replace("$campaign", "one")
            lines += [f"      - record: board:{number}", f"        expr: {json.dumps(asked)}"]
    rules = tmp_path / "boards.yml"
    rules.write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert "SUCCESS" in promtool("check", "rules", "--lint=none", str(rules))


def test_the_container_is_slim_not_root_and_says_whether_it_is_well() -> None:
    lines = (DEPLOY / "Dockerfile").read_text(encoding="utf-8").splitlines()
    assert lines.index("USER 10001") > max(at for at, line in enumerate(lines) if line.startswith("RUN"))
    assert any(line.startswith("HEALTHCHECK") for line in lines)
    assert sum(line.startswith("FROM python:") and "-slim" in line for line in lines) == 2
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    assert "*" in ignored, "what isn't named stays outside: journals, keys, history"
