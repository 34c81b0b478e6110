"""One test for each failure reported from the field that concerns what providers are asked, or how they answer.

The numbers are those of the review list `field-failures.md`. Each is tried at every provider at which it could happen.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, NamedTuple

import pytest
from aiohttp import web

from proxy.api.responses.stateless import refuse_references
from proxy.config.loader import load_text
from proxy.config.types import Sources
from proxy.errors import ConfigError, NotFound
from proxy.exchange import Exchange
from proxy.providers.chat.sealing import seal
from proxy.providers.provider import Deployment, Provider
from tests.support import converse, gemini, machines, messages
from tests.support.asked import assistant, call, function, output, request, user
from tests.support.drive import exchange_of
from tests.support.event_stream import exception
from tests.support.google_accounts import service_account
from tests.support.grammar import Checked, check_stream
from tests.support.hostile import HostileUpstream, answering, chunked
from tests.support.house import house
from tests.support.machines import DONE, Setup, chunk
from tests.support.passing import Came, endpoint, passing
from tests.support.places import PLACES, Place, Said
from tests.support.rich_asked import STRICT
from tests.support.scripted import events_of

EVERYWHERE = pytest.mark.parametrize("place", PLACES, ids=lambda place: place.name)
TRANSLATED = pytest.mark.parametrize(
    "place", [one for one in PLACES if one.name != "responses"], ids=lambda place: place.name
)
"""Where a request is written anew; one of the Responses API goes up as it came."""
CHATS = ("chat", "deepseek")


def opened(place: Place, origin: str) -> Provider:
    """Returns an upstream of a place, at an address."""
    text = f"upstreams: {{up: {{{place.settings.format(origin)}}}}}\nmodels: {{m: up/x}}\npipeline: [route]\n"
    entry = load_text(text, "p.yaml", sources=Sources({"ACCOUNT": service_account(9)})).upstreams["up"]
    return entry.provider("up", entry.config)


@cache
def provider_of(place: Place) -> Provider:
    """Returns the upstream of a place, to be asked for requests alone."""
    return opened(place, "http://127.0.0.1:9")


def built(place: Place, **fields: Any) -> tuple[dict[str, Any], Exchange]:
    """Returns the body that a place is sent for a request with those fields, and the exchange."""
    made = request(**fields)
    made.validate()
    exchange = exchange_of(made)
    exchange.deployment = Deployment(provider_of(place), place.model)
    provider = provider_of(place)
    return json.loads(provider.build(exchange, place.model).body), exchange


def turns_of_the_model(body: dict[str, Any]) -> int:
    """Returns how often the model has spoken in a body."""
    said = body.get("messages") or body["contents"]
    return sum(one["role"] in ("assistant", "model") for one in said)


TOOLS = [function("f"), function("g")]
CALL_A, CALL_B = call("a", arguments='{"at":"1"}'), call("b", "g", '{"at":"2"}')


@TRANSLATED
def test_2_8_parallel_calls_are_one_turn(place: Place) -> None:
    items = [user("q"), assistant("Let me look."), CALL_A, CALL_B, output("a", "x"), output("b", "y")]
    body, _ = built(place, input=items, tools=TOOLS)
    assert place.wire.entries(body) == [
        ("user", "q"), ("text", "Let me look."), ("call", "a", "1"), ("call", "b", "2"), ("result", "a", "x"),
        ("result", "b", "y"),
    ]  # fmt: skip
    assert turns_of_the_model(body) == 1


@TRANSLATED
def test_2_9_an_output_stands_behind_its_call(place: Place) -> None:
    items = [user("q"), CALL_A, user("and?"), CALL_B, output("b", "y"), output("a", "x"), user("go on")]
    body, _ = built(place, input=items, tools=TOOLS)
    entries = place.wire.entries(body)
    for id in ("a", "b"):
        kinds = [entry[:2] for entry in entries]
        between = kinds[kinds.index(("call", id)) + 1 : kinds.index(("result", id))]
        assert all(kind in ("call", "result") for kind, _ in between), entries
    assert [entry for entry in entries if entry[0] == "user"] == [("user", "q"), ("user", "and?"), ("user", "go on")]


@TRANSLATED
def test_2_10_the_parts_of_an_output_are_its_text(place: Place) -> None:
    parts = [{"type": "input_text", "text": "15C"}]
    body, _ = built(place, input=[user("q"), CALL_A, output("a", parts)], tools=TOOLS)
    assert place.wire.entries(body)[-1] == ("result", "a", "15C")


@EVERYWHERE
def test_2_11_a_model_that_may_not_call_does_not(place: Place) -> None:
    body, exchange = built(place, tools=TOOLS, tool_choice="none")
    config = body.get("toolConfig", {})
    choice = body.get("tool_choice") or config.get("functionCallingConfig", {}).get("mode")
    assert choice in ("none", {"type": "none"}, "NONE") or not (body.get("tools") or config)
    assert "tool_choice" not in exchange.ignored


@pytest.mark.parametrize("calls", [True, False])
def test_3_5_deepseek_gets_its_thinking_back(calls: bool) -> None:
    place = next(one for one in PLACES if one.name == "deepseek")
    sealed = seal("chat", "m", {"field": "reasoning_content", "text": "hm"}, provider_of(place).sealing)
    thought = {"type": "reasoning", "summary": [], "encrypted_content": sealed}
    rest = [CALL_A, output("a", "x")] if calls else [assistant("No."), user("Why?")]
    body, _ = built(place, input=[user("q"), thought, *rest], tools=TOOLS, store=False)
    assert body["messages"][1]["reasoning_content"] == "hm"


async def test_3_7_reasoning_that_another_account_has_encrypted_is_left_out_and_named() -> None:
    asked: list[dict[str, Any]] = []
    place = next(one for one in PLACES if one.name == "responses")

    async def answer(asking: web.BaseRequest, came: Came) -> web.StreamResponse:
        asked.append(json.loads(came.body))
        if any(item.get("type") == "reasoning" for item in asked[-1]["input"]):
            said = {"error": {"message": "It could not be verified.", "code": "invalid_encrypted_content"}}
            return web.json_response(said, status=400)
        return web.Response(body=place.wire.whole(Said("responses", 3)), content_type="application/json")

    thought = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAA-of-another"}
    async with endpoint(answer) as up:
        provider = opened(place, up.origin)
        async with house(provider, models={"m": [Deployment(provider, "gpt-5")]}) as home:
            status, headers, _ = await home.ask(input=[user("q"), thought, assistant("a"), user("b")])
    assert (status, len(asked)) == (200, 2)
    assert [item.get("role") for item in asked[1]["input"]] == ["user", "assistant", "user"]
    assert headers["x-penstock-ignored-params"] == "input: reasoning"
    assert headers["x-penstock-attempts"] == "2"


def test_3_8_items_go_up_by_value() -> None:
    place = next(one for one in PLACES if one.name == "responses")
    thought = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAA"}
    items = [user("q"), thought, {**assistant("a"), "id": "msg_1"}, {**CALL_A, "id": "fc_1"}, output("a", "x")]
    body, _ = built(place, input=items, store=False)
    assert body["store"] is False
    assert [item["type"] for item in body["input"][1:]] == [
        "reasoning", "message", "function_call", "function_call_output"
    ]  # fmt: skip
    assert not any("id" in item for item in body["input"])
    with pytest.raises(NotFound, match="rs_9"):
        refuse_references(request(input=[user("q"), {"type": "item_reference", "id": "rs_9"}], store=False))


def test_3_9_tags_of_thinking_are_parted_from_the_text_where_that_is_asked_for() -> None:
    raw = b"".join(chunk({"content": text}) for text in ("<th", "ink>hm</thi", "nk>", "42")) + chunk({}, "stop") + DONE
    parted = check_stream(machines.translate(raw, setup=Setup(think_tags="on")))
    assert (parted.reasoning, parted.text) == ("hm", "42")
    left = check_stream(machines.translate(raw))
    assert (left.reasoning, left.text) == ("", "<think>hm</think>42")


# --- answers, in the words of each API


class Speech(NamedTuple):
    """How answers of an API are translated, and its words for them. What `call` gives stands behind one text."""

    translate: Callable[..., bytes]
    say: Callable[[str], bytes]
    call: bytes
    end: Callable[[str], bytes]
    words: dict[str, str]
    error: bytes
    begin: bytes = b""


def _framed(value: Any) -> bytes:
    return b"data: " + json.dumps(value, ensure_ascii=False).encode() + b"\r\n\r\n"


SPEECH = {
    "chat": Speech(
        machines.translate,
        lambda text: _framed({"choices": [{"index": 0, "delta": {"content": text}}]}),
        chunk({"tool_calls": [{"index": 0, "id": "c1", "function": {"name": "f"}}]}),
        lambda reason: chunk({}, reason) + DONE,
        {"stop": "stop", "max_output_tokens": "length", "content_filter": "content_filter"},
        _framed({"error": {"message": "broke", "code": 502}}),
    ),
    "messages": Speech(
        messages.translate, lambda text: messages.text(0, text), messages.tool(1, "c1", "f"), messages.end,
        {"stop": "end_turn", "max_output_tokens": "max_tokens", "content_filter": "refusal"},
        messages.event("error", error={"type": "api_error", "message": "broke"}), messages.start(),
    ),
    "converse": Speech(
        converse.translate, lambda text: converse.text(0, text), converse.tool(1, "c1", "f"), converse.end,
        {"stop": "end_turn", "max_output_tokens": "max_tokens", "content_filter": "guardrail_intervened"},
        exception("internalServerException", "broke"), converse.START,
    ),
    "gemini": Speech(
        gemini.translate, lambda text: _framed(gemini.response({"text": text})),
        _framed(gemini.response({"functionCall": {"name": "f"}})),
        lambda reason: _framed(gemini.response({"text": ""}, finish=reason)),
        {"stop": "STOP", "max_output_tokens": "MAX_TOKENS", "content_filter": "SAFETY"},
        b'{\n  "error": {\n    "code": 500,\n    "message": "broke",\n    "status": "INTERNAL"\n  }\n}\n',
    ),
}  # fmt: skip
SPOKEN = pytest.mark.parametrize("speech", SPEECH.values(), ids=SPEECH)


def heard(speech: Speech, *parts: bytes, cuts: Iterable[int] = ()) -> Checked:
    """Returns what the client is told of an answer."""
    return check_stream(speech.translate(speech.begin + b"".join(parts), cuts))


@SPOKEN
@pytest.mark.parametrize("told", ["max_output_tokens", "content_filter"])
def test_1_13_truncation_is_not_success_in_any_words(speech: Speech, told: str) -> None:
    said = heard(speech, speech.say("par"), speech.end(speech.words[told]))
    assert (said.types[-1], said.text) == ("incomplete", "par")
    assert said.response["incomplete_details"] == {"reason": told}


@SPOKEN
def test_2_4_a_call_without_arguments_has_an_empty_object_from_any_provider(speech: Speech) -> None:
    said = heard(speech, speech.say("a"), speech.call, speech.end(speech.words["stop"]))
    assert said.calls == [("f", "{}")]
    assert [event["delta"] for event in said.of("function_call_arguments.delta")] == ["{}"]


@SPOKEN
def test_2_5_calls_count_and_not_the_word_for_the_end(speech: Speech) -> None:
    said = heard(speech, speech.say("a"), speech.call, speech.end(speech.words["stop"]))
    assert (said.response["status"], [item["type"] for item in said.output]) == (
        "completed", ["message", "function_call"]
    )  # fmt: skip


@SPOKEN
def test_5_1_characters_survive_any_cut(speech: Speech) -> None:
    text = "那 \U0001f600 é\u2028"
    raw = speech.begin + speech.say(text) + speech.end(speech.words["stop"])
    assert text.encode() in raw
    said = heard(speech, raw[len(speech.begin) :], cuts=range(1, len(raw)))
    assert said.text == text


@pytest.mark.parametrize(
    "place", [one for one in PLACES if not one.settings.startswith("kind: vertex")], ids=lambda place: place.name
)
async def test_5_2_an_event_may_be_very_large(place: Place) -> None:
    class Long(Said):
        text = "x" * 1_500_000  # type: ignore[assignment]

    answer = chunked(*place.wire.stream(Long(place.name, 3)), headers=f"content-type: {place.wire.frames}\r\n")
    async with HostileUpstream(answering(answer)) as upstream:
        provider = opened(place, upstream.origin)
        async with house(provider, models={"m": [Deployment(provider, place.model)]}) as home:
            status, _, data = await home.ask(stream=True)
    response = events_of(data)[-2][1]["response"]
    assert (status, response["status"]) == (200, "completed")
    assert [len(item["content"][0]["text"]) for item in response["output"] if item["type"] == "message"] == [1_500_000]


@pytest.mark.parametrize("name", ["chat", "messages", "gemini"])
def test_5_3_events_in_any_dialect(name: str) -> None:
    speech = SPEECH[name]
    raw = speech.begin + speech.say("ab") + speech.end(speech.words["stop"])
    plain = raw.replace(b"\r\n", b"\n")
    odd = b": OPENROUTER PROCESSING\n\n" + plain.replace(b"\n\n", b"\n\n: keep-alive\n\nevent: ping\ndata: {}\n\n", 2)
    for dialect in (plain, plain.replace(b"\n", b"\r\n"), plain.replace(b"data: ", b"data:"), odd):
        for cuts in ((), range(1, len(dialect))):
            assert check_stream(speech.translate(dialect, cuts)).text == "ab"


@SPOKEN
def test_6_1_an_error_in_the_stream_of_any_provider(speech: Speech) -> None:
    said = heard(speech, speech.say("par"), speech.error)
    assert (said.types[-1], said.text) == ("failed", "par")
    assert said.response["error"]["message"] == "broke"


@SPOKEN
def test_6_2_a_stream_that_just_stops_has_failed_at_any_provider(speech: Speech) -> None:
    said = heard(speech, speech.say("par"))
    assert (said.types[-1], said.response["error"]["code"], said.text) == ("failed", "server_error", "par")


async def test_9_3_usage_is_asked_for_where_that_can_be() -> None:
    asked: list[dict[str, Any]] = []

    async def answer(asking: web.BaseRequest, came: Came) -> web.StreamResponse:
        asked.append(json.loads(came.body))
        if not asked[-1].get("stream"):
            return web.json_response({"choices": [{"message": {"content": "a"}, "finish_reason": "stop"}]})
        usage = b'data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}\n\n'
        body = chunk({"content": "a"}) + chunk({}, "stop") + usage + DONE
        return web.Response(body=body, content_type="text/event-stream")

    async with endpoint(answer) as up, passing(up) as home:
        for path in ("/responses", "/chat/completions"):
            await home.ask(path)
            _, _, data = await home.ask(path, stream=True)
    assert [one.get("stream_options") for one in asked] == [None, {"include_usage": True}] * 2
    assert b'"usage":{' not in data  # a chat client that did not ask


def test_11_1_a_variable_that_is_not_replaced_is_no_key() -> None:
    for written, word in (("${MASTER_KEY}", "write env:MASTER_KEY"), ("env:MASTER_KEY", "is not set")):
        text = f'upstreams:\n  up: {{kind: openai, api_key: "{written}"}}\nmodels: {{m: up/x}}\npipeline: [route]\n'
        with pytest.raises(ConfigError, match=r"p\.yaml:2:31: upstreams\.up\.api_key") as caught:
            load_text(text, "p.yaml", sources=Sources({}))
        assert word in str(caught.value)


@TRANSLATED
def test_11_4_nothing_goes_up_but_what_has_a_place_there(place: Place) -> None:
    ours = {"prompt_cache_key": "k", "store": False, "metadata": {"a": "b"}, "truncation": "auto"}
    body, exchange = built(place, **ours, model_alias_map={"a": "b"}, extra_headers={"x": "y"})
    plain, _ = built(place)
    known = {"chat": {"prompt_cache_key"}, "converse": {"requestMetadata"}}
    assert set(body) - set(plain) == known.get(place.name, set())
    assert "model_alias_map" not in json.dumps(body)
    assert {"model_alias_map", "extra_headers"} <= set(exchange.ignored)


@EVERYWHERE
def test_11_5_a_schema_is_not_forgotten(place: Place) -> None:
    body, _ = built(place, text={"format": {"type": "json_schema", "name": "n", "schema": STRICT, "strict": True}})
    told = json.dumps(body).replace("\\", "")
    assert '"days"' in told
    assert '"required"' in told
