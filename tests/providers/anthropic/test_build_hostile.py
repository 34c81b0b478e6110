"""Whatever a client asks for that can be said at all is said so that the API takes it."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import BadRequest
from proxy.providers.anthropic.profile import MessagesProfile
from proxy.providers.provider import TranslateOptions
from tests.support.asked import call, function, output, request
from tests.support.bad_streams import budget
from tests.support.messages_asked import ALWAYS, BUDGET, FIRST_ADAPTIVE, NEW, OLD, PDF, PNG, build, sealed, thought

MARK = {"type": "ephemeral"}
TEXT = st.sampled_from(["", " ", "\n", "a", "b \n", "é\u2028", "0"])
PART = st.one_of(
    st.builds(lambda text: {"type": "input_text", "text": text}, TEXT),
    st.builds(lambda text: {"type": "input_text", "text": text, "prompt_cache_breakpoint": MARK}, TEXT),
    st.just({"type": "input_image", "image_url": PNG}),
    st.just({"type": "input_file", "file_data": PDF, "filename": "a.pdf"}),
)
CONTENT = TEXT | st.lists(PART, max_size=3)
SPOKEN = st.one_of(
    st.builds(lambda content: {"role": "user", "content": content}, CONTENT),
    st.builds(lambda role, text: {"role": role, "content": text}, st.sampled_from(["system", "developer"]), TEXT),
    st.builds(
        lambda kind, text: {"role": "assistant", "content": [{"type": kind, kind.removeprefix("output_"): text}]},
        st.sampled_from(["output_text", "refusal"]),
        TEXT,
    ),
    st.just({"type": "reasoning", "summary": []}),
    st.builds(lambda text: sealed(thought(text)), TEXT),
    st.just(sealed({"type": "redacted_thinking", "data": "x"})),
    st.just(
        {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": ""}}
    ),
)
CALLED = st.tuples(
    st.sampled_from(["f", "g.h", "unknown"]),
    st.sampled_from(["", "{}", '{"a":1}', "[", "[1]", "null", '{"a":'] ),
    CONTENT,
)  # fmt: skip
SCHEMAS = st.sampled_from([
    None, {}, {"type": "object"}, {"properties": {"a": {"oneOf": [{"type": "string", "maxLength": 3}]}}},
    {"$ref": "#/$defs/a", "$defs": {"a": {"type": "object"}}},
])  # fmt: skip
TOOLS = st.lists(
    st.builds(lambda name, strict, schema: {**function(name), "strict": strict, "parameters": schema},
              st.sampled_from(["f", "g.h", "web_search", "json_tool_call_"]), st.sampled_from([None, True, False]),
              SCHEMAS)
    | st.just({"type": "custom", "name": "c"}) | st.just({"type": "web_search"}) | st.just({"type": "file_search"})
    | st.just({"type": "namespace", "name": "n", "tools": [function("f")]}),
    max_size=4, unique_by=lambda tool: tool.get("name", tool["type"]),
)  # fmt: skip
FIELDS = st.fixed_dictionaries({}, optional={
    "instructions": TEXT,
    "max_output_tokens": st.sampled_from([1, 1500, 10**7]),
    "temperature": st.sampled_from([0, 0.5, 1, 2]),
    "top_p": st.sampled_from([0, 0.5, 1]),
    "top_k": st.just(3),
    "stop": st.sampled_from(["a", " ", ["", "b"]]),
    "user": st.sampled_from(["u", "a@b.c", "0123456789", "x" * 300]),
    "service_tier": st.sampled_from(["auto", "default", "flex"]),
    "parallel_tool_calls": st.booleans(),
    "prompt_cache_key": st.just("k"),
    "prompt_cache_retention": st.just("24h"),
    "reasoning": st.builds(lambda effort, summary: {"effort": effort, "summary": summary}, st.sampled_from(
        [None, "none", "minimal", "low", "medium", "high", "xhigh", "max"]), st.sampled_from([None, "auto"])),
    "text": st.sampled_from([
        {"format": {"type": "json_object"}},
        {"format": {"type": "json_schema", "name": "n", "schema": {"type": "object", "properties": {"a": {}}}}},
    ]),
})  # fmt: skip
CHOICES = st.sampled_from(["auto", "none", "required", {"type": "function", "name": "f"}, {"type": "web_search"}])
MODELS = st.sampled_from([NEW, ALWAYS, FIRST_ADAPTIVE, BUDGET, OLD, "claude-fable-5", "claude-opus-4-8"])
PROFILES = st.builds(
    MessagesProfile, prompt_cache=st.sampled_from(["auto", "always", "never"]), document_citations=st.booleans()
)


def mixed(spoken: list[dict[str, Any]], called: list[Any], dice: random.Random) -> list[dict[str, Any]]:
    """Returns the items with calls put among them, each somewhere before its output."""
    items = list(spoken)
    for number, (name, arguments, given_back) in enumerate(called):
        first = dice.randint(0, len(items))
        second = dice.randint(first, len(items))
        items.insert(second, output(f"call:{number}", given_back))
        items.insert(first, call(f"call:{number}", name, arguments))
    return items


@budget(200)
@given(
    spoken=st.lists(SPOKEN, max_size=6), called=st.lists(CALLED, max_size=3), tools=TOOLS, fields=FIELDS,
    choice=st.none() | CHOICES, model=MODELS, profile=PROFILES, seed=st.integers(0, 9),
)  # fmt: skip
def test_what_is_sent_is_taken(
    spoken: Any, called: Any, tools: Any, fields: Any, choice: Any, model: str, profile: Any, seed: int
) -> None:
    items = mixed(spoken, called, random.Random(seed))
    asked = {**fields, "input": items, "tools": tools, "tool_choice": choice}
    try:
        built = build(request(**asked), model, profile)
    except BadRequest:
        return
    assert build(request(**asked), model, profile).raw == built.raw
    assert all(name.isascii() for name in built.ignored)


@pytest.mark.parametrize("model", [NEW, ALWAYS, FIRST_ADAPTIVE, BUDGET, OLD])
def test_strict_translation_refuses_or_ignores_nothing_that_it_could_say(model: str) -> None:
    fields = {"temperature": 1, "top_p": 1, "parallel_tool_calls": True, "tool_choice": "auto", "store": False}
    built = build(request(**fields, tools=[function("f")]), model, options=TranslateOptions(params="strict"))
    assert built.ignored == []
