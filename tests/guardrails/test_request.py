"""Requests on their way in: what is masked, what is refused, and what is left of what was refused."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.errors import BadRequest
from proxy.exchange import Exchange, Key
from proxy.guardrails.local import Searches
from proxy.guardrails.request import RequestScreen
from proxy.request import ModelRequest
from tests.support.drive import asking as request_asking
from tests.support.drive import chatting, exchange_of
from tests.support.guarding import Oracle, asking, fails, masking, rule, without


def screen(*pairs: tuple[Oracle, dict[str, Any]], words: str | None = None, **fields: Any) -> RequestScreen:
    searches = Searches([(rule(words=[words], **fields), (words,))] if words is not None else [])
    return RequestScreen(searches.masking(), searches.acts, [asking(oracle, **more) for oracle, more in pairs])


async def through(one: RequestScreen, exchange: Exchange) -> None:
    """Takes a request through a screen, as the stage does."""
    one.search(exchange)
    if one.asks:
        await one.consult(exchange)


async def test_all_texts_are_asked_about_in_one_question_after_the_masks_made_here() -> None:
    oracle = Oracle(masking("two", "2"))
    exchange = exchange_of(request_asking("one two", instructions="be two"))
    one = screen((oracle, {}), words="one", action="mask")
    assert one.looks
    await through(one, exchange)
    assert [asked.texts for asked in oracle.asked] == [("be two", "[rule] two")]
    assert [text.text for text in exchange.request.texts()] == ["be 2", "[rule] 2"]
    assert exchange.marks["input_searched"]


async def test_what_was_refused_is_left_without_what_was_found() -> None:
    exchange = exchange_of(chatting("a word", "word and word"))
    with pytest.raises(BadRequest) as caught:
        await through(screen(words="word"), exchange)
    assert (caught.value.type, caught.value.param) == ("content_filter_error", "messages")
    assert "word" not in caught.value.message
    assert [text.text for text in exchange.request.texts()] == ["a [rule]", "[rule] and [rule]"]


async def test_what_others_put_in_place_is_searched_too() -> None:
    with pytest.raises(BadRequest):
        await through(screen((Oracle(masking("bad", "word")), {}), words="word"), exchange_of(request_asking("bad")))
    exchange = exchange_of(request_asking("bad"))
    await through(screen((Oracle(masking("bad", "word")), {}), words="word", action="mask"), exchange)
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
            await through(screen(words="word"), exchange_of(request))
    for request in called('{"q":"a w\\u006frd"}'):
        await through(screen(words="word", action="mask", mask='"'), exchange_of(request))
        assert '{"q":"a \\""}' in [text.text for text in request.texts()]
    for request in called('{"q":1}'):
        await through(screen((Oracle(masking('{"q":1}', "none")), {})), exchange_of(request))
        assert '{"masked":"none"}' in [text.text for text in request.texts()]
    thinking = called("{}")[1]
    with pytest.raises(BadRequest):
        await through(screen(words="hm"), exchange_of(thinking))


async def test_what_tools_have_answered_is_searched_as_what_it_means() -> None:
    told = '{"q":"a w\\u006frd"}'
    answered = {"type": "function_call_output", "call_id": "c", "output": told}
    request, chat = request_asking(), chatting("hi")
    request.set("input", [answered])
    chat.set("messages", [{"role": "tool", "tool_call_id": "c", "content": told}])
    for asked in (request, chat):
        await through(screen(words="word", action="mask"), exchange_of(asked))
        assert '{"q":"a [rule]"}' in [text.text for text in asked.texts()]
    for asked in (request_asking(told), chatting(told)):
        with pytest.raises(BadRequest):
            await through(screen(words="word"), exchange_of(asked))


async def test_nobody_is_asked_about_a_request_that_is_refused_here_or_has_no_text() -> None:
    oracle = Oracle(without("x"))
    with pytest.raises(BadRequest):
        await through(screen((oracle, {}), words="word"), exchange_of(request_asking("word")))
    await through(screen((oracle, {})), exchange_of(request_asking("")))
    assert oracle.asked == []
    with pytest.raises(BadRequest):
        await through(screen((oracle, {})), exchange_of(request_asking("x")))
    assert not screen().looks


TOOL = {
    "type": "function",
    "name": "look",
    "description": "finds a word",
    "parameters": {"type": "object", "properties": {"word": {"type": "string"}}, "required": ["word"]},
}


def with_fields(fields: dict[str, Any]) -> Any:
    """Returns a request with these fields."""
    request = request_asking()
    for name, value in fields.items():
        request.set(name, value)
    return request


FILE = {"type": "input_file", "filename": "a.txt", "file_data": "data:text/plain;base64,YSB3b3Jk"}  # a word


@pytest.mark.parametrize(
    "fields",
    [
        {"tools": [TOOL]},
        {"metadata": {"word": "x"}},
        {"metadata": {"x": "word"}},
        {"instructions": "word"},
        {"prompt": {"id": "p", "variables": {"x": "word"}}},
        {"text": {"format": {"type": "json_schema", "name": "n", "schema": {"title": "word"}}}},
        {"input": [{"role": "user", "content": [FILE]}]},
        {"input": [{"type": "reasoning", "summary": [{"type": "summary_text", "text": "word"}]}]},
        {"input": [{"type": "code_interpreter_call", "id": "c", "code": "word", "outputs": []}]},
    ],
)
async def test_all_that_goes_up_is_searched_and_masked(fields: dict[str, Any]) -> None:
    exchange = exchange_of(with_fields(fields))
    with pytest.raises(BadRequest):
        await through(screen(words="word"), exchange)
    exchange = exchange_of(with_fields(fields))
    await through(screen(words="word", action="mask"), exchange)
    body = b"".join(bytes(raw) for raw in exchange.request.fields.values())
    assert b"word" not in body
    assert b"YSB3b3Jk" not in body
    oracle = Oracle(without("word"))
    with pytest.raises(BadRequest):
        await through(screen((oracle, {})), exchange_of(with_fields(fields)))


async def test_a_name_that_would_have_to_be_masked_is_refused() -> None:
    for request in (request_asking(tools=[{**TOOL, "name": "my_word"}]), called("{}")[1]):
        calls = Oracle(masking("my_word" if request.dialect == "responses" else "f", "g"))
        with pytest.raises(BadRequest, match="rule"):
            await through(screen((calls, {})), exchange_of(request))
    tools = [{"type": "function", "function": {"name": "my_word", "parameters": {}}}]
    with pytest.raises(BadRequest):
        await through(screen(words="word", action="mask"), exchange_of(chatting("hi", tools=tools)))


async def test_about_tools_one_is_asked_once_as_long_as_nothing_is_found_in_them() -> None:
    oracle = Oracle(without("bad"))
    one = screen((oracle, {}))
    for text in ("one", "two"):
        await through(one, exchange_of(request_asking(text, tools=[TOOL])))
    (first, *rest), second = oracle.asked[0].texts, oracle.asked[1].texts
    assert (first, second) == ("one", ("two",))
    assert {"look", "finds a word"} <= set(rest)
    other = exchange_of(request_asking("two", tools=[TOOL]), key=Key("k"))
    await through(one, other)
    assert len(oracle.asked[2].texts) == len(oracle.asked[0].texts)
    for verdict in (fails, without("finds")):
        unsure = Oracle(verdict)
        again = screen((unsure, {"on_error": "allow", "action": "flag"}))
        for _ in range(2):
            await through(again, exchange_of(request_asking("one", tools=[TOOL])))
        assert [len(asked.texts) for asked in unsure.asked] == [len(rest) + 1] * 2


async def test_a_variable_that_is_called_name_is_no_name() -> None:
    prompt = {"id": "p", "variables": {"name": "a word"}}
    exchange = exchange_of(request_asking(prompt=prompt, metadata={"name": "word"}))
    await through(screen(words="word", action="mask"), exchange)
    assert exchange.request.get("prompt")["variables"] == {"name": "a [rule]"}
    assert exchange.request.get("metadata") == {"name": "[rule]"}


def test_thousands_of_masks_read_and_write_a_request_once(monkeypatch: pytest.MonkeyPatch) -> None:
    written = 0
    set_field = ModelRequest.set

    def counted(self: ModelRequest, name: str, value: Any) -> None:
        nonlocal written
        written += 1
        set_field(self, name, value)

    schema = {"type": "object", "properties": {f"p{at}": {"description": "a word"} for at in range(2000)}}
    parts = [{"type": "input_text", "text": "a word"}] * 2000
    said = [{"type": "message", "role": "user", "content": parts}] * 3
    request = request_asking(tools=[{**TOOL, "parameters": schema}], input=said)
    chat = chatting(*["a word"] * 3000)
    monkeypatch.setattr(ModelRequest, "set", counted)
    for asked in (request, chat):
        screen(words="word", action="mask").search(exchange_of(asked))
        texts = [place.text for place in (*asked.texts(), *asked.more_texts())]
        assert "a [rule]" in texts
        assert "a word" not in texts
    assert written <= 2
