"""Upstreams, and the ones that are left out without their variable; mistakes are in `wrong/`."""

from __future__ import annotations

import pytest

from proxy.config.file import Skipped
from proxy.config.problems import Problems
from proxy.config.types import Sources
from proxy.config.upstreams import read_upstreams
from tests.support.config_nodes import found, node_of
from tests.support.fake_registry import PROVIDERS, Echo, OpenAI

TEXT = "e: {kind: echo, tokens_per_second: 5}\no: {kind: openai, api_key: env:KEY, requires_env: KEY}\n"


def test_upstreams_keep_their_order_and_settings():
    problems = Problems("f")
    upstreams = read_upstreams(node_of(TEXT), PROVIDERS, problems, Sources({"KEY": "k"}))
    assert [(entry.name, entry.provider) for entry in upstreams.used.values()] == [("e", Echo), ("o", OpenAI)]
    assert upstreams.used["e"].config.tokens_per_second == 5
    assert upstreams.used["o"].config.api_key.reveal() == "k"
    assert (upstreams.skipped, upstreams.names, found(problems)) == ({}, ("e", "o"), [])


@pytest.mark.parametrize("environ", [{}, {"KEY": ""}, {"KEY": " "}])
def test_without_its_variable_an_upstream_is_skipped(environ):
    problems = Problems("f")
    upstreams = read_upstreams(node_of(TEXT), PROVIDERS, problems, Sources(environ))
    assert upstreams.skipped == {"o": Skipped("upstream", "o", "environment variable KEY is not set")}
    assert (list(upstreams.used), upstreams.names, found(problems)) == (["e"], ("e", "o"), [])


def test_a_wrong_upstream_is_still_known_by_name():
    problems = Problems("f")
    upstreams = read_upstreams(node_of("e: {kind: ecko}\n"), PROVIDERS, problems, Sources({}))
    assert (upstreams.used, upstreams.names) == ({}, ("e",))
    assert found(problems) == ['f:1:11: upstreams.e: unknown kind "ecko"   (did you mean "echo"?)']


def test_the_variable_must_be_a_name():
    problems = Problems("f")
    read_upstreams(node_of("e: {kind: echo, requires_env: [A]}\n"), PROVIDERS, problems, Sources({}))
    assert found(problems) == [
        "f:1:31: upstreams.e.requires_env: expected text, found a list   (write a word or a text in quotes)"
    ]
