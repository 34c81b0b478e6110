"""The names of the families."""

from __future__ import annotations

import json
import re

from proxy.metrics import family as families
from proxy.metrics.family import GAPS, Family, owners
from tests.support.fixtures import ROOT

EVERY = [one for one in vars(families).values() if isinstance(one, Family)]
EVERY += [one for by in ("key", "team", "user") for one in owners(by)]


def test_names_are_by_prometheus_conventions() -> None:
    assert len({one.name for one in EVERY}) == len(EVERY)
    for one in EVERY:
        assert one.name.startswith("penstock_")
        assert one.name.endswith("_total") == (one.kind == "counter"), one.name
        if one.kind in ("histogram", "summary"):
            assert one.name.endswith("_seconds")
        assert "end_user" not in one.labels


def test_all_series_there_can_be_have_room() -> None:
    assert sum(one.width * (one.most + 1 if one.labels else 1) for one in EVERY) < 64 * 1024


def test_bounds_rise() -> None:
    assert all(list(one.bounds) == sorted(set(one.bounds)) for one in EVERY)
    assert GAPS[0] == 0.001


def test_the_docs_tell_of_every_family_and_the_dashboard_of_none_that_is_not_there() -> None:
    docs = (ROOT / "docs" / "metrics.md").read_text()
    told = set(re.findall(r"`(penstock_\w+)`", docs))
    families = {one.name for one in EVERY if not one.name.startswith(("penstock_team_", "penstock_user_"))}
    sources = [path.read_text() for folder in ("proxy", "stages") for path in (ROOT / folder).rglob("*.py")]
    measures = {name for text in sources for name in re.findall(r'Measure\(\s*"(penstock_\w+)"', text)}
    assert families | measures <= told
    assert len(measures) > 5
    board = json.loads((ROOT / "examples" / "grafana.json").read_text())
    shown = {
        re.sub(r"_(bucket|sum|count)$", "", name)
        for panel in board["panels"]
        for target in panel["targets"]
        for name in re.findall(r"penstock_\w+", target["expr"])
    }
    assert shown <= told
    assert len(shown) > 15
