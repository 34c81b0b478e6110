"""Prices of the file: whose they are, where they stand; more mistakes are in `wrong/`."""

from __future__ import annotations

from proxy.config.loader import load_text
from proxy.config.prices import read_prices
from proxy.config.problems import Problems
from proxy.events import Usage
from tests.support.config_nodes import found, node_of
from tests.support.fake_registry import PROVIDERS, STAGES

MODELS = node_of("""\
smart: [azure/prod, {use: openai/gpt-4o, weight: 2}]
"local/*": local/*
""")
UPSTREAMS = ("azure", "openai", "local")


def test_all_forms() -> None:
    problems = Problems("f")
    text = (
        "smart: {input: 1, output: 2}\n"
        "azure/prod: azure/gpt-4o-2024-11-20\n"
        '"local/qwen*":\n  input: 0.5\n  output: 0.5\n  request: 0.001\n'
    )
    smart, prod, local = read_prices(node_of(text), MODELS, UPSTREAMS, problems)
    assert found(problems) == []
    assert (smart.name, smart.line, smart.deployments) == ("smart", 1, ("azure/prod", "openai/gpt-4o"))
    assert (prod.line, prod.deployments, prod.like) == (2, ("azure/prod",), "azure/gpt-4o")
    assert (local.line, local.deployments, local.like) == (3, ("local/qwen*",), None)
    usage = Usage(1000, 100)
    assert [one.card.cost(usage) for one in (smart, prod, local)] == [12 * 10**8, 35 * 10**8, 155 * 10**7]


def test_no_prices() -> None:
    problems = Problems("f")
    assert read_prices(None, MODELS, UPSTREAMS, problems) == ()
    assert read_prices(node_of("prices:\n").entries["prices"].value, MODELS, UPSTREAMS, problems) == ()  # type: ignore[union-attr]
    assert found(problems) == []


def mistakes(text: str) -> list[str]:
    problems = Problems("f")
    read_prices(node_of(text), MODELS, UPSTREAMS, problems)
    return found(problems)


def test_every_mistake_has_its_line() -> None:
    text = (
        "smrt: {input: 1, output: 2}\n"
        "azure/prod: azure/gpt-4\n"
        "openai/gpt-4o: nobody/has-it\n"
        "openai/o1: 3\n"
        "openai/o2:\n"
        "openai/o3: {input: 0.000001, output: 2}\n"
        '"lo*al/*": {input: 1, output: 2}\n'
        "openai/o4: {input: 1}\n"
    )
    assert mistakes(text) == [
        'f:1:1: prices: no model has the name "smrt"   (did you mean "smart"?)',
        'f:2:13: prices.azure/prod: the table of prices has no "azure/gpt-4"   (did you mean "azure/gpt-4o"?)',
        'f:3:16: prices.openai/gpt-4o: the table of prices has no "nobody/has-it"'
        "   (write vendor/model as penstock prices shows it)",
        "f:4:12: prices.openai/o1: expected prices, found 3"
        "   (write name: {input: ..., output: ...}, in dollars per million tokens)",
        "f:5:11: prices.openai/o2: expected prices, found nothing"
        "   (write name: {input: ..., output: ...}, in dollars per million tokens)",
        "f:6:20: prices.openai/o3.input: 0.000001 dollars per million tokens is next to nothing"
        "   (write dollars per million tokens: 1, if that was for one)",
        'f:7:1: prices: "lo*al/*" holds more than one "*"   (keep one of them)',
        'f:8:12: prices.openai/o4: "output" is missing   (add "output: ...")',
    ]


def test_prices_are_a_mapping() -> None:
    assert mistakes("[a, b]\n") == [
        "f:1:1: prices: expected a mapping, found a list"
        "   (write name: {input: ..., output: ...}, in dollars per million tokens)"
    ]


def test_where_the_models_are_unknown_none_is_missed() -> None:
    problems = Problems("f")
    assert read_prices(node_of("any: {input: 1, output: 2}\n"), None, (), problems) == ()
    assert found(problems) == []


FILE = """\
upstreams:
  gone: {kind: openai, requires_env: A_VARIABLE_THAT_NOBODY_SETS, api_key: k}
  echo: {kind: echo}
models:
  here: echo/echo
  away: gone/x
prices:
  away: {input: 1, output: 2}
  gone/y: {input: 1, output: 2}
pipeline: [route]
"""


def test_a_model_that_is_left_out_here_may_have_a_price() -> None:
    config = load_text(FILE, "f", providers=PROVIDERS, stages=STAGES)
    assert [(one.name, one.line, one.deployments) for one in config.prices] == [
        ("away", 8, ("gone/x",)),
        ("gone/y", 9, ("gone/y",)),
    ]
