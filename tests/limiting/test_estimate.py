"""What a request is expected to use."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from proxy.limiting.estimate import Expected, expected, nano_dollars
from proxy.server.passthrough_request import RawRequest
from tests.support.drive import asking, chatting, exchange_of


def test_input_is_estimated_and_output_is_what_the_request_allows() -> None:
    one = expected(exchange_of(asking("x" * 400, max_output_tokens=50)))
    assert (one.input_tokens, one.output(1000)) == (107, 50)
    assert expected(exchange_of(asking("hi"))).output(1000) == 1000
    exchange = exchange_of(asking("hi"))
    assert expected(exchange) is expected(exchange), "reckoned once"


def test_chat_requests() -> None:
    tools = [{"type": "function", "function": {"name": "f" * 100}}]
    one = expected(exchange_of(chatting("x" * 400, "y" * 40, max_tokens=50, n=3, tools=tools)))
    assert (one.input_tokens, one.output(1000)) == (100 + 4 + 10 + 4 + 36, 150)
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "x" * 9999}}
    image = [{"role": "user", "content": [picture]}]
    assert expected(exchange_of(chatting(messages=image))).input_tokens == 800
    picture["image_url"] = {"url": "data:image/svg+xml;utf8,<svg>" + "x" * 9999}
    assert expected(exchange_of(chatting(messages=image))).input_tokens == 800
    picture["image_url"] = picture["image_url"]["url"]
    assert expected(exchange_of(chatting(messages=image))).input_tokens == 800
    assert expected(exchange_of(chatting("hi", max_tokens="x", n=True))).output(10) == 10, "left for validation"


def test_what_is_passed_on_has_no_output_unless_it_says_so() -> None:
    def raw(**fields: Any) -> Expected:
        return expected(exchange_of(RawRequest.parse(msgspec.json.encode({"model": "m", **fields}))))

    assert (raw(input="x" * 400).input_tokens, raw(input="x" * 400).output(1000)) == (104, 0)
    assert raw(prompt="hi", max_tokens=70).output(1000) == 70
    assert raw(input=[{"image_url": "data:image/svg+xml;utf8,<svg>" + "x" * 9999}]).input_tokens == 800


@pytest.mark.parametrize("mark", [{"counting": True}, {"generate": False}])
def test_what_asks_for_no_answer_uses_nothing(mark: dict[str, bool]) -> None:
    exchange = exchange_of(asking("x" * 400))
    for name, value in mark.items():
        setattr(exchange, name, value)
    assert (expected(exchange).input_tokens, expected(exchange).output(1000)) == (0, 0)


def test_money_is_whole_and_rounded_up() -> None:
    assert nano_dollars(None) == 0
    assert nano_dollars(Decimal("0.0000000001")) == 1
    assert nano_dollars(Decimal("12.345678901")) == 12_345_678_901
