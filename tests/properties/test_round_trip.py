"""What a client sent as history is what it would get again: calls and thinking go up and come back unchanged."""

import json

import pytest

from proxy.api.responses.encoder import ResponsesEncoder
from proxy.api.responses.request import ResponsesRequest
from proxy.api.responses.snapshot import Snapshot
from proxy.events import Finish, ReasoningDelta, ReasoningState, ToolCallDelta, ToolCallStart
from proxy.providers.chat.profile import ChatProfile
from proxy.providers.chat.sealing import sealer
from proxy.providers.openai.provider import PROFILE
from tests.support.asked import SEALING, build, call, function, output, request, user
from tests.support.captured import CAPTURED
from tests.support.fixtures import needs_shared

CALLS = ("function_call", "custom_tool_call", "tool_search_call", "local_shell_call", "shell_call", "apply_patch_call")
SHOWN = ("type", "call_id", "name", "namespace", "input", "action", "operation")


def answer(made, events, built, seal=None):
    """The output items that the client gets for events of an upstream."""
    snapshot = Snapshot(made.echo(), response_id="resp_1", created_at=0, model="m")
    encoder = ResponsesEncoder(snapshot, tools=built.tools, seal=seal)
    encoder.begin()
    encoder.encode([*events, Finish()])
    return json.loads(encoder.final())["output"]


def echoed_calls(made, profile):
    """The calls of the history as the client gets them when the upstream makes them again."""
    built = build(made, profile)
    sent = [one for message in built.messages for one in message.get("tool_calls", [])]
    events = []
    for key, one in enumerate(sent):
        inner = one[one["type"]]
        freeform = one["type"] == "custom"
        events.append(ToolCallStart(key, one["id"], inner["name"], freeform=freeform))
        text = inner["input"] if freeform else inner["arguments"]
        events += (
            [ToolCallDelta(key, text[:3]), ToolCallDelta(key, text[3:])]
            if len(text) > 3
            else [ToolCallDelta(key, text)]
        )
    return answer(made, events, built)


def same(item, original):
    """Compares a call with the one it was; arguments by what they say."""
    for name in SHOWN:
        assert item.get(name) == original.get(name), name
    assert plain(item.get("arguments")) == plain(original.get("arguments"))


def plain(arguments):
    """Arguments as values: functions have them as JSON text, a tool search as an object."""
    return json.loads(arguments) if isinstance(arguments, str) else arguments


@needs_shared
@pytest.mark.parametrize("profile", [ChatProfile(), PROFILE], ids=["functions only", "openai"])
def test_calls_of_real_clients_come_back_as_they_were(profile):
    seen = set()
    for one in CAPTURED:
        if one.needs_store is not None or not isinstance(one.body["input"], list):
            continue
        originals = [item for item in one.body["input"] if item.get("type") in CALLS]
        items = echoed_calls(ResponsesRequest.parse(one.raw), profile)
        assert len(items) == len(originals), one.name
        for item, original in zip(items, originals, strict=True):
            same(item, original)
            seen.add((one.name.split("/")[0], item["type"]))
    assert {("codex", kind) for kind in CALLS[:3]} <= seen


FORMS = [
    ({"type": "local_shell"}, {"type": "local_shell_call", "action": {"type": "exec", "command": ["ls"], "env": {}}}),
    ({"type": "shell"}, {"type": "shell_call", "action": {"commands": ["ls", "pwd"], "timeout_ms": 5}}),
    (
        {"type": "apply_patch"},
        {"type": "apply_patch_call", "operation": {"type": "update_file", "path": "a", "diff": "@@\n-x\n+y"}},
    ),
    ({"type": "custom", "name": "c"}, {"type": "custom_tool_call", "name": "c", "input": 'raw "text"\n\\ üñ 😀'}),
    (function("weird.näme"), {"type": "function_call", "name": "weird.näme", "arguments": '{"a":1}'}),
    (
        {"type": "namespace", "name": "n" * 60, "tools": [function("t" * 60)]},
        {"type": "function_call", "name": "t" * 60, "namespace": "n" * 60, "arguments": "{}"},
    ),
]


@pytest.mark.parametrize(("tool", "called"), FORMS, ids=[form[1]["type"] + str(n) for n, form in enumerate(FORMS)])
@pytest.mark.parametrize("profile", [ChatProfile(), PROFILE], ids=["functions only", "openai"])
def test_every_form_of_call_comes_back_as_it_was(profile, tool, called):
    original = {"call_id": "c1", **called}
    gave = {
        "type": called["type"] + "_output",
        "call_id": "c1",
        "output": [] if called["type"] == "shell_call" else "ok",
    }
    made = request(tools=[tool], input=[user("q"), original, gave])
    (item,) = echoed_calls(made, profile)
    same(item, original)


@pytest.mark.parametrize(
    ("events", "replayed"),
    [
        (
            [ReasoningState({"field": "reasoning_content"}), ReasoningDelta("h"), ReasoningDelta("m")],
            {"reasoning_content": "hm"},
        ),
        ([ReasoningState({"field": "reasoning"}), ReasoningDelta("hm")], {"reasoning": "hm"}),
        (
            [
                ReasoningState({"field": "reasoning_details", "details": [{"type": "reasoning.text", "text": "h"}]}),
                ReasoningDelta("h"),
                ReasoningState(
                    {"field": "reasoning_details", "details": [{"type": "reasoning.encrypted", "data": "x"}]}
                ),
            ],
            {
                "reasoning_details": [
                    {"type": "reasoning.text", "text": "h"},
                    {"type": "reasoning.encrypted", "data": "x"},
                ]
            },
        ),
    ],
)
def test_thinking_before_a_call_goes_back_with_the_next_turn(events, replayed):
    first = request(tools=[function("f")], include=["reasoning.encrypted_content"], store=False)
    called = [ToolCallStart(0, "c1", "f"), ToolCallDelta(0, "{}")]
    items = answer(first, [*events, *called], build(first), sealer("upstream-model", SEALING))
    assert [item["type"] for item in items] == ["reasoning", "function_call"]
    second = request(tools=[function("f")], input=[user("hi"), *items, output("c1")])
    message = build(second).messages[1]
    assert {name: value for name, value in message.items() if name.startswith("reasoning")} == replayed
    assert message["tool_calls"][0]["id"] == call("c1")["call_id"]
