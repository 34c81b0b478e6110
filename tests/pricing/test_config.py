"""What a model may be said to cost in the file."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from proxy.config.decode import decode
from proxy.config.problems import Problems
from proxy.config.types import Mistake
from proxy.events import Usage
from proxy.pricing.config import CallPrice, ModelPrices, TokenPrice
from proxy.pricing.rates import dollars
from tests.support.config_nodes import NOTHING, found, node_of


@pytest.mark.parametrize(
    ("value", "pico", "written"),
    [(2.5, 2_500_000, "2.5"), (0, 0, "0"), (3, 3_000_000, "3"), (0.144375, 144_375, "0.144375"), (1e-3, 1000, "0.001"),
     (100, 100_000_000, "100")],
)  # fmt: skip
def test_a_price_of_tokens(value: float, pico: int, written: str) -> None:
    price = TokenPrice.parse(value, NOTHING)
    assert (price, price.written) == (pico, written)


def test_a_price_of_calls() -> None:
    price = CallPrice.parse(0.014, NOTHING)
    assert (price, price.written) == (14_000_000_000, "0.014")


@pytest.mark.parametrize(
    ("value", "what", "fix"),
    [
        ("2.5", '"2.5" is no price', "write a number of dollars per million tokens, such as 2.5"),
        (True, "true is no price", "write a number of dollars per million tokens, such as 2.5"),
        (-1, "-1 is no price", "write a number of dollars per million tokens, such as 2.5"),
        (float("nan"), "nan is no price", "write a number of dollars per million tokens, such as 2.5"),
        (float("inf"), "inf is no price", "write a number of dollars per million tokens, such as 2.5"),
        (1_000_001, "1000001 is out of range", "write dollars per million tokens"),
        (0.1234567, "0.1234567 has too many decimals", "write at most 6"),
        (
            0.0000025,
            "0.0000025 dollars per million tokens is next to nothing",
            "write dollars per million tokens: 2.5, if that was for one",
        ),
    ],
)
def test_what_is_no_price(value: Any, what: str, fix: str) -> None:
    with pytest.raises(Mistake) as mistake:
        TokenPrice.parse(value, NOTHING)
    assert (mistake.value.what, mistake.value.fix) == (what, fix)


WHOLE = """\
input: 1.5
output: 9
cache_read: 0.15
cache_write: 2
cache_write_1h: 3
reasoning: 12
audio_input: 4
audio_output: 20
search: 0.01
request: 0.005
tiers:
  - {above: 1000, input: 3, output: 18}
service_tiers:
  flex: {input: 0.75, output: 4.5}
"""


def test_all_of_it() -> None:
    prices = decode(node_of(WHOLE), ModelPrices, "p", Problems("f"), NOTHING)
    assert prices is not None
    usage = Usage(
        100, 50, cached_tokens=10, cache_write_tokens=20, cache_write_1h_tokens=5, reasoning_tokens=30,
        audio_input_tokens=40, audio_output_tokens=15, searches=2,
    )  # fmt: skip
    # 10*.15 + 15*2 + 5*3 + 40*4 + 30*1.5 + 30*12 + 15*20 + 5*9 = 956.5, two searches, one request
    assert dollars(prices.card().cost(usage)) == Decimal("0.0259565")
    assert dollars(prices.card().cost(Usage(1001, 0))) == Decimal("0.008003")
    assert dollars(prices.card().cost(Usage(1000, 10), "flex")) == Decimal("0.005795")


def test_mistakes_are_found_where_they_are() -> None:
    problems = Problems("f")
    text = "input: 0.0000025\noutputs: 3\ntiers: [{input: 2}]\nservice_tiers: {flex: {input: cheap}}\n"
    assert decode(node_of(text), ModelPrices, "prices.m", problems, NOTHING) is None
    assert found(problems) == [
        "f:1:8: prices.m.input: 0.0000025 dollars per million tokens is next to nothing"
        "   (write dollars per million tokens: 2.5, if that was for one)",
        'f:2:1: prices.m: unknown field "outputs"   (did you mean "output"?)',
        'f:3:9: prices.m.tiers[0]: "above" is missing   (add "above: ...")',
        'f:4:31: prices.m.service_tiers.flex.input: "cheap" is no price'
        "   (write a number of dollars per million tokens, such as 2.5)",
    ]
