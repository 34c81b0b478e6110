"""What was said is written down as stages have left it, without secrets, and bounded."""

from __future__ import annotations

from typing import Any

import msgspec

from proxy.events import (
    Event,
    Finish,
    OutputItem,
    ReasoningDelta,
    Refusal,
    TextDelta,
    ToolCallDelta,
    ToolCallStart,
    Usage,
)
from proxy.exchange import Exchange
from proxy.logs.content import Content, ContentBounds, Said, Writer
from proxy.upstream.client import UpstreamRequest
from tests.support.drive import asking, chatting, exchange_of

KEY = "sk-planted0123456789"


def sent(exchange: Exchange) -> Exchange:
    exchange.upstream_request = UpstreamRequest(method="POST", url="http://upstream/", headers={})
    return exchange


def content(
    exchange: Exchange, *events: Event, full: bool = False, most: int = 10_000, secrets: tuple[str, ...] = ()
) -> Content:
    said = Said(most)
    for event in events:
        said.take([event])
    written = Writer(ContentBounds("full" if full else "redacted", most), secrets).content(exchange, said)
    result: Content = msgspec.json.decode(msgspec.json.encode(written), type=Content)
    return result


def test_answers_are_told_item_by_item() -> None:
    told = content(
        sent(exchange_of()),
        ReasoningDelta("hm"),
        ReasoningDelta("m"),
        TextDelta("Hel"),
        TextDelta("lo"),
        ToolCallStart(1, "call_1", "find"),
        ToolCallStart(2, "call_2", "get"),
        ToolCallDelta(2, '{"b":'),
        ToolCallDelta(1, "{}"),
        ToolCallDelta(2, "2}"),
        Refusal("No."),
        OutputItem({"type": "web_search_call", "id": "ws_1", "action": {"query": "q"}}),
        Usage(1, 2),
        Finish(),
    )
    assert told.output == [
        {"type": "reasoning", "text": "hmm"},
        {"type": "message", "text": "Hello"},
        {"type": "function_call", "name": "find", "call_id": "call_1", "arguments": "{}"},
        {"type": "function_call", "name": "get", "call_id": "call_2", "arguments": '{"b":2}'},
        {"type": "refusal", "text": "No."},
        {"type": "web_search_call", "id": "ws_1"},
    ]
    assert told.input == {"input": "hi"}


def test_the_input_is_that_of_this_turn() -> None:
    exchange = sent(exchange_of(asking("earlier and later", instructions="Be brief.")))
    exchange.input_items = [msgspec.Raw(b'{"role":"user","content":"later"}')]
    items: list[Any] = [{"role": "user", "content": "later"}]
    assert content(exchange).input == {"instructions": "Be brief.", "input": items}
    chat = sent(exchange_of(chatting("one", "two")))
    assert [message["content"] for message in content(chat).input["messages"]] == ["one", "two"]


def test_input_that_not_every_stage_has_seen_is_withheld() -> None:
    told = content(exchange_of(asking("a banned word")))
    assert (told.input, told.output) == (None, [])
    assert told.withheld is not None


def test_secrets_are_taken_out() -> None:
    exchange = sent(exchange_of(asking(f"my key is {KEY}, and hunter2hunter2", instructions="planted by value")))
    arguments = ToolCallDelta(1, '{"key": "' + KEY + '"}')
    events = [TextDelta(KEY[:9]), TextDelta(KEY[9:]), ToolCallStart(1, "c", "f"), arguments]
    told = content(exchange, *events, secrets=("hunter2hunter2",))
    assert told.input == {"instructions": "planted by value", "input": "my key is ***, and ***"}
    assert told.output[0]["text"] == "***"
    assert told.output[1]["arguments"] == '{"key": "***"}'
    full = content(exchange, *events, secrets=("hunter2hunter2",), full=True)
    assert full.input["input"] == f"my key is {KEY}, and ***"
    assert full.output[0]["text"] == KEY


def test_a_secret_in_other_letters_is_the_same() -> None:
    request = asking()
    request.fields["input"] = msgspec.Raw(b'"\\u0073k-planted0123456789"')
    assert content(sent(exchange_of(request))).input == {"input": "***"}


def test_long_input_shows_its_beginning_and_end() -> None:
    text = f"begin {'x' * 300} {KEY} {'y' * 3000} {KEY} {'z' * 300} end"
    for most in range(300, 420, 7):
        told = content(sent(exchange_of(asking(text))), most=most).input["input"]
        assert told["truncated"]
        assert told["bytes"] == len(text) + 2
        assert told["begin"].startswith('"begin xxx')
        assert told["end"].endswith('zzz end"')
        assert len(told["begin"]) + len(told["end"]) <= most
        assert "sk-" not in told["begin"] + told["end"]


def test_long_answers_are_cut_and_what_is_missing_is_counted() -> None:
    told = content(sent(exchange_of()), *[TextDelta("x" * 100) for _ in range(50)], TextDelta("y"), most=150)
    assert [len(told.output[0]["text"]), told.output[1]] == [150, {"type": "truncated", "characters": 5001 - 150}]
    cut = content(sent(exchange_of()), TextDelta("x" * 140 + " "), TextDelta(KEY), most=150)
    assert cut.output[0]["text"] == "x" * 140 + " ***"


def test_files_are_named_and_not_shown() -> None:
    url = "data:image/png;base64," + "A" * 1000
    items = [{"role": "user", "content": [{"type": "input_image", "image_url": url}]}]
    told = content(sent(exchange_of(asking(items))))
    assert told.input["input"][0]["content"][0]["image_url"] == "data:image/png;base64,... (1022 characters)"


def test_a_field_that_is_no_json_is_shown_as_text() -> None:
    request = asking()
    request.fields["input"] = msgspec.Raw(b"1e999")
    assert content(sent(exchange_of(request))).input["input"]["begin"] == "1e999"
