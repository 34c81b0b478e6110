"""Where breakpoints of the cache stand."""

from __future__ import annotations

from typing import Any

from proxy.providers.bedrock.config import BedrockProfile
from tests.support.asked import assistant, function, user
from tests.support.bedrock_asked import LLAMA, NOVA, SONNET, Built, converse

POINT = {"cachePoint": {"type": "default"}}
TALK = [user("one"), assistant("a"), user("two"), assistant("b"), user("three")]
ALWAYS = BedrockProfile(prompt_cache="always")


def marked(text: str) -> dict[str, Any]:
    """Returns a message with a breakpoint of the client's."""
    part = {"type": "input_text", "text": text, "prompt_cache_breakpoint": {"mode": "explicit"}}
    return {"role": "user", "content": [part]}


def points(built: Built) -> list[str]:
    """Returns behind what breakpoints stand."""
    body, found = built.body, []
    if POINT in body.get("toolConfig", {}).get("tools", []):
        found.append("tools")
    if POINT in body.get("system", []):
        found.append("system")
    return found + [message["content"][-2]["text"] for message in built.messages if message["content"][-1] == POINT]


def test_nobody_asks_for_any() -> None:
    assert points(converse(instructions="i", tools=[function("f")], input=TALK)) == []


def test_the_best_places() -> None:
    for built in (
        converse(SONNET, ALWAYS, instructions="i", tools=[function("f")], input=TALK),
        converse(SONNET, instructions="i", tools=[function("f")], input=TALK, prompt_cache_key="k"),
    ):
        assert points(built) == ["tools", "system", "two", "three"]


def test_models_have_their_own_places() -> None:
    fields: dict[str, Any] = {"instructions": "i", "tools": [function("f")], "input": TALK}
    assert points(converse(NOVA, ALWAYS, **fields)) == ["system", "two", "three"]
    assert points(converse(LLAMA, ALWAYS, **fields)) == []


def test_the_clients_own_places_count() -> None:
    assert points(converse(input=[marked("one"), assistant("a"), user("two")], prompt_cache_key="k")) == ["one"]
    assert points(converse(LLAMA, input=[marked("one")])) == []
    assert points(converse(SONNET, BedrockProfile(prompt_cache="never"), input=[marked("one")])) == []


def test_four_are_the_most() -> None:
    items = [one for number in range(6) for one in (marked(str(number)), assistant("ok"))]
    built = converse(input=[*items, user("end")])
    assert points(built) == ["2", "3", "4", "5"]
    assert built.ignored == ["prompt_cache_breakpoint"]


def test_a_day_is_an_hour() -> None:
    built = converse(SONNET, ALWAYS, input="hi", prompt_cache_retention="24h")
    assert built.messages[0]["content"][-1] == {"cachePoint": {"type": "default", "ttl": "1h"}}
    nova = converse(NOVA, ALWAYS, input="hi", prompt_cache_retention="24h")
    assert nova.messages[0]["content"][-1] == POINT
