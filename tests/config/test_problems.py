"""Collecting mistakes, and guessing what was meant."""

from __future__ import annotations

import pytest

from proxy.config.problems import Place, Problems, closest, instead
from proxy.errors import ConfigError
from tests.support.config_nodes import found


def test_problems_are_sorted_by_place_and_kept_once():
    problems = Problems("f")
    problems.error(Place(3, 1), "late", "mend it")
    problems.error(Place(1, 9), "early", "mend it")
    problems.error(Place(3, 1), "the same by another name", "mend it")
    problems.error(Place(3, 1), "another", "mend that")
    problems.warning(Place(2, 2), "odd", "move it")
    assert found(problems) == [
        "f:1:9: early   (mend it)",
        "f:3:1: another   (mend that)",
        "f:3:1: late   (mend it)",
        "f:2:2: warning: odd   (move it)",
    ]
    with pytest.raises(ConfigError) as caught:
        problems.stop()
    assert caught.value.problems == problems.errors


def test_warnings_alone_stop_nothing():
    problems = Problems("f")
    problems.warning(Place(1, 1), "odd", "move it")
    problems.stop()
    assert len(problems.warnings) == 1


def test_what_cannot_be_read_has_no_other_mistakes():
    problems = Problems("f")
    problems.unreadable(Place(1, 1), "no value", "remove it")
    problems.error(Place(1, 1), "not a number either", "write one")
    assert found(problems) == ["f:1:1: no value   (remove it)"]


@pytest.mark.parametrize(
    ("name", "known", "near"),
    [
        ("gaurdrail", ["guardrail", "route"], "guardrail"),
        ("RateLimit", ["rate-limit"], "rate-limit"),
        ("api-key", ["api_key", "base_url"], "api_key"),
        ("zebra", ["api_key"], None),
        ("x", [], None),
    ],
)
def test_the_name_that_was_meant(name, known, near):
    assert closest(name, known) == near


def test_without_a_near_name_all_are_told():
    assert instead("zebra", ["b", "a"]) == "one of: a, b"
    assert instead("zebra", ["b", "a"], "fields") == "fields: a, b"
    assert instead("zebra", []) == ""
    assert instead("bb", ["bbb"]) == 'did you mean "bbb"?'
