"""Entries of the pipeline in all their forms; mistakes are in `wrong/`, stages of the user's own in `test_loader`."""

from __future__ import annotations

import pytest

from proxy.config.loader import load_text
from proxy.config.pipeline import read_pipeline
from proxy.config.problems import Problems
from proxy.errors import ConfigError
from tests.support.config_nodes import NOTHING, found, node_of
from tests.support.fake_registry import STAGES, Route, Transform


def test_all_forms_of_entries():
    problems = Problems("f")
    text = "- transform:\n- route: {retries: 0}\n- transform: {drop: [x]}\n- log\n"
    pipeline = read_pipeline(node_of(text), STAGES, problems, NOTHING)
    assert [(entry.name, entry.config, entry.place.line) for entry in pipeline.entries] == [
        ("transform", Transform.Config(), 1),
        ("route", Route.Config(retries=0), 2),
        ("transform", Transform.Config(drop=("x",)), 3),
        ("log", STAGES["log"].Config(), 4),
    ]
    assert (pipeline.understood, pipeline.lacks("plan"), pipeline.lacks("key"), found(problems)) == (
        True, False, True, [],
    )  # fmt: skip


def test_a_bad_stage_hides_no_other_and_keeps_its_place_in_the_order():
    problems = Problems("f")
    text = "- rate-limit: {requests_per_minute: -1}\n- auth: {kees: a}\n- route: {retries: x}\n"
    pipeline = read_pipeline(node_of(text), STAGES, problems, NOTHING)
    assert found(problems) == [
        'f:1:3: "rate-limit" stands above "auth" (line 2) but needs what it sets   (move "rate-limit" below "auth")',
        "f:1:37: rate-limit.requests_per_minute: -1 is out of range   (write a whole number of at least 1)",
        'f:2:10: auth: unknown field "kees"   (did you mean "keys"?)',
        'f:3:20: route.retries: expected a whole number, found "x"   (write a number without a fraction, such as 10)',
    ]
    assert ([placed.name for placed in pipeline.stages], pipeline.entries) == (["rate-limit", "auth", "route"], [])


def test_what_is_not_understood_may_be_what_is_lacking():
    problems = Problems("f")
    pipeline = read_pipeline(node_of("- rout\n"), STAGES, problems, NOTHING)
    assert (pipeline.understood, pipeline.lacks("plan")) == (False, False)
    assert found(problems) == ['f:1:3: unknown stage "rout"   (did you mean "route"?)']


def test_models_that_stages_name_must_be_served():
    text = """\
upstreams: {local: {kind: openai-compatible, base_url: http://127.0.0.1:11434/v1}}
models: {smart: [local/llama3.2], "spare-*": ["local/*"]}
pipeline:
  - route:
      fallbacks:
        - {from: smrt, to: [spare-1, spair]}
        - {from: "s*", to: [smart]}
"""
    with pytest.raises(ConfigError) as caught:
        load_text(text, "f")
    assert str(caught.value).splitlines() == [
        'f:6:18: route.fallbacks[0].from: unknown model "smrt"   (did you mean "smart"?)',
        'f:6:38: route.fallbacks[0].to[1]: unknown model "spair"   (did you mean "spare-*"?)',
    ]
