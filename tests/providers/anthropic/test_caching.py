from __future__ import annotations

from typing import Any

from proxy.providers.anthropic.profile import MessagesProfile
from tests.support.asked import assistant, call, function, output, request
from tests.support.messages_asked import NEW, Built, build, sealed, thought

MARK = {"type": "ephemeral"}


def turn(role: str, text: str, *, mark: bool = False) -> dict[str, Any]:
    part: dict[str, Any] = {"type": "input_text", "text": text}
    if mark:
        part["prompt_cache_breakpoint"] = MARK
    return {"role": role, "content": [part]}


def marked(built: Built) -> list[str]:
    """Names the blocks that bear a breakpoint."""
    found = [f"tool {tool['name']}" for tool in built.body.get("tools", []) if "cache_control" in tool]
    found += [f"system {block['text']}" for block in built.body.get("system", []) if "cache_control" in block]
    return found + [
        f"{block['type']} {block.get('text', '')}".strip()
        for message in built.messages
        for block in message["content"]
        if "cache_control" in block
    ]


LONG = [turn("user", "one"), assistant("two"), turn("user", "three"), assistant("four"), turn("user", "five")]


def long(cache: Any = "auto", **fields: Any) -> Built:
    asked = request(input=LONG, instructions="be", tools=[function("f"), function("g")], **fields)
    return build(asked, NEW, MessagesProfile(prompt_cache=cache))


BEST = ["tool g", "system be", "text three", "text five"]


def test_where_the_client_has_a_key_the_beginning_is_kept() -> None:
    assert marked(long()) == []
    assert marked(long(prompt_cache_key="thread-1")) == BEST
    assert marked(long("always")) == BEST
    assert marked(long("never", prompt_cache_key="thread-1")) == []
    assert long(prompt_cache_key="thread-1").ignored == []


def test_for_how_long() -> None:
    built = long(prompt_cache_key="k", prompt_cache_retention="24h")
    assert built.body["system"][0]["cache_control"] == {"type": "ephemeral", "ttl": "1h"}
    assert long("always").body["system"][0]["cache_control"] == MARK


def test_results_can_bear_one_and_thinking_cannot() -> None:
    items = [turn("user", "one"), sealed(thought()), call("a"), output("a")]
    built = build(request(input=items), NEW, MessagesProfile(prompt_cache="always"))
    assert marked(built) == ["tool f", "text one", "tool_result"]


def test_the_clients_own_count() -> None:
    items = [turn("user", "one", mark=True), assistant("two"), turn("user", "three")]
    built = build(request(input=items, instructions="be", prompt_cache_key="k"))
    assert marked(built) == ["text one"]
    assert marked(build(request(input=items), NEW, MessagesProfile(prompt_cache="never"))) == []


def test_four_at_most_the_last_ones() -> None:
    items = [part for n in range(6) for part in (turn("user", f"t{n}", mark=True), assistant("ok"))]
    built = build(request(input=[*items, turn("user", "end")]))
    assert marked(built) == ["text t2", "text t3", "text t4", "text t5"]
    assert built.ignored == ["prompt_cache_breakpoint"]
