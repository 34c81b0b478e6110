"""What a key may do."""

from __future__ import annotations

import time

import pytest

from proxy.exchange import Key
from proxy.keys import may_use


def test_a_key_without_a_list_may_use_every_model() -> None:
    assert may_use(Key("k"), "anything")


@pytest.mark.parametrize(
    ("models", "model"),
    [
        (("gpt-4o",), "gpt-4o"),
        (("a", "b"), "b"),
        (("local/*",), "local/llama"),
        (("*",), ""),
        (("*-mini",), "gpt-4o-mini"),
        (("gpt-*-mini*",), "gpt-4o-mini"),
        (("claude[1m]",), "claude[1m]"),
        (("claude[1m]*",), "claude[1m]-x"),
        (("a**b",), "ab"),
    ],
)
def test_a_name_in_the_list_may_be_used(models: tuple[str, ...], model: str) -> None:
    assert may_use(Key("k", models=models), model)


@pytest.mark.parametrize(
    ("models", "model"),
    [
        (("gpt-4o",), "gpt-4o-mini"),
        (("gpt-4o",), "GPT-4O"),
        (("local/*",), "remote/local/x"),
        (("a*a",), "a"),
        (("ab*bc",), "abc"),
        (("a*b*c",), "acb"),
        (("a*x*c",), "abc"),
        (("gpt-?",), "gpt-4"),
        (("claude[1m]",), "claude1"),
    ],
)
def test_any_other_name_may_not(models: tuple[str, ...], model: str) -> None:
    assert not may_use(Key("k", models=models), model)


def test_a_long_name_costs_little() -> None:
    start = time.process_time()
    assert not may_use(Key("k", models=("*a*a*a*a*a*a*b",)), "a" * 1_000_000)
    assert time.process_time() - start < 30  # a pattern that backtracks would take for ever
