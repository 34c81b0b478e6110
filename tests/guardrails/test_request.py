"""Requests on their way in: what is masked, what is refused, and what is left of what was refused."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.errors import BadRequest
from proxy.guardrails.local import Searches
from proxy.guardrails.request import RequestScreen
from tests.support.drive import asking as request_asking
from tests.support.drive import chatting, exchange_of
from tests.support.guarding import Oracle, asking, masking, rule, without


def screen(*pairs: tuple[Oracle, dict[str, Any]], words: str | None = None, **fields: Any) -> RequestScreen:
    searches = Searches([(rule(words=[words], **fields), (words,))] if words is not None else [])
    return RequestScreen(searches.masking(), searches.acts, [asking(oracle, **more) for oracle, more in pairs])


async def test_all_texts_are_asked_about_in_one_question_after_the_masks_made_here() -> None:
    oracle = Oracle(masking("two", "2"))
    exchange = exchange_of(request_asking("one two", instructions="be two"))
    one = screen((oracle, {}), words="one", action="mask")
    assert one
    await one.screen(exchange)
    assert [asked.texts for asked in oracle.asked] == [("be two", "[rule] two")]
    assert [text.text for text in exchange.request.texts()] == ["be 2", "[rule] 2"]
    assert exchange.marks["input_searched"]


async def test_what_was_refused_is_left_without_what_was_found() -> None:
    exchange = exchange_of(chatting("a word", "word and word"))
    with pytest.raises(BadRequest) as caught:
        await screen(words="word").screen(exchange)
    assert (caught.value.type, caught.value.param) == ("content_filter_error", "messages")
    assert "word" not in caught.value.message
    assert [text.text for text in exchange.request.texts()] == ["a [rule]", "[rule] and [rule]"]


async def test_what_others_put_in_place_is_searched_too() -> None:
    with pytest.raises(BadRequest):
        await screen((Oracle(masking("bad", "word")), {}), words="word").screen(exchange_of(request_asking("bad")))
    exchange = exchange_of(request_asking("bad"))
    await screen((Oracle(masking("bad", "word")), {}), words="word", action="mask").screen(exchange)
    assert [text.text for text in exchange.request.texts()] == ["[rule]"]


def called(arguments: str) -> tuple[Any, Any]:
    """Returns two requests that say that a tool was called: one in each dialect."""
    call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": arguments}
    chat = chatting("hi")
    calls = [{"id": "c", "type": "function", "function": {"name": "f", "arguments": arguments}}]
    chat.set("messages", [{"role": "assistant", "content": None, "reasoning_content": "hm", "tool_calls": calls}])
    request = request_asking()
    request.set("input", [call])
    return request, chat


async def test_what_a_model_is_said_to_have_told_tools_is_searched_as_what_it_means() -> None:
    for request in called('{"q":"a w\\u006frd"}'):
        with pytest.raises(BadRequest):
            await screen(words="word").screen(exchange_of(request))
    for request in called('{"q":"a w\\u006frd"}'):
        await screen(words="word", action="mask", mask='"').screen(exchange_of(request))
        assert '{"q":"a \\""}' in [text.text for text in request.texts()]
    for request in called('{"q":1}'):
        await screen((Oracle(masking('{"q":1}', "none")), {})).screen(exchange_of(request))
        assert '{"masked":"none"}' in [text.text for text in request.texts()]
    thinking = called("{}")[1]
    with pytest.raises(BadRequest):
        await screen(words="hm").screen(exchange_of(thinking))


async def test_nobody_is_asked_about_a_request_that_is_refused_here_or_has_no_text() -> None:
    oracle = Oracle(without("x"))
    with pytest.raises(BadRequest):
        await screen((oracle, {}), words="word").screen(exchange_of(request_asking("word")))
    await screen((oracle, {})).screen(exchange_of(request_asking("")))
    assert oracle.asked == []
    with pytest.raises(BadRequest):
        await screen((oracle, {})).screen(exchange_of(request_asking("x")))
    assert not screen()
