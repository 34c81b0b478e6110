"""OpenCalls: what events tool calls make, and when each is closed."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.api.responses.open_calls import padding
from proxy.errors import UpstreamCut
from proxy.events import Finish, TextDelta, ToolCallDelta, ToolCallStart, UpstreamFailed
from tests.support.encoding import call, closed, encode, kinds
from tests.support.machines import Form, Forms

CALL = ["output_item.added", "function_call_arguments.delta", "function_call_arguments.done", "output_item.done"]
CUSTOM = [name.replace("function_call_arguments", "custom_tool_call_input") for name in CALL]
LENGTH = Finish("length")


# --- the events of one call


def test_a_call_is_added_empty_grows_and_is_done() -> None:
    said = encode(*call(0, "f", '{"a"', ":1}"))
    assert kinds(said) == [CALL[0], CALL[1], *CALL[1:]]
    assert said.calls == [("f", '{"a":1}')]
    (done,) = said.of("function_call_arguments.done")
    assert (done["arguments"], done["name"]) == ('{"a":1}', "f")
    assert said.output[0]["status"] == "completed"


def test_a_call_without_arguments_has_an_empty_object() -> None:
    said = encode(*call(0, "f"))
    assert kinds(said) == CALL
    assert said.calls == [("f", "{}")]


def test_empty_pieces_are_no_events() -> None:
    assert kinds(encode(*call(0, "f", "", "{}", ""))) == CALL


def test_arguments_that_are_no_json_are_passed_on() -> None:
    assert encode(*call(0, "f", "{oops")).calls == [("f", "{oops")]


def test_a_call_cut_by_the_limit_is_incomplete_and_keeps_what_there_is() -> None:
    said = encode(*call(0, "f", '{"a'), finish=LENGTH)
    assert said.output[0]["status"] == "incomplete"
    assert said.calls == [("f", '{"a')]
    assert encode(*call(0, "f"), finish=LENGTH).output[0]["arguments"] == ""


def test_a_whole_call_is_complete_even_if_the_answer_was_cut() -> None:
    assert encode(*call(0, "f", "{}"), finish=LENGTH).output[0]["status"] == "completed"


# --- when calls are closed


def test_the_next_call_closes_a_whole_one() -> None:
    said = encode(*call(0, "f", "{}"), *call(1, "g", "{}"))
    assert kinds(said) == CALL + CALL


def test_text_and_thinking_close_a_whole_call() -> None:
    said = encode(*call(0, "f", "{}"), TextDelta("a"))
    assert kinds(said)[:4] == CALL


def test_interleaved_calls_stay_open_and_close_when_another_goes_on() -> None:
    said = encode(
        *call(0, "f", '{"a"'),
        *call(1, "g", '{"b":'),
        ToolCallDelta(0, ":1}"),
        ToolCallDelta(1, "2"),
        ToolCallDelta(1, "}"),
    )
    assert said.calls == [("f", '{"a":1}'), ("g", '{"b":2}')]
    assert kinds(said)[5:8] == [CALL[2], CALL[3], CALL[1]]
    assert closed(said) == [0, 1]


def test_a_call_that_goes_on_beside_text_is_closed_by_the_next_text() -> None:
    said = encode(*call(0, "f", '{"p"'), TextDelta("wait"), ToolCallDelta(0, ":1}"), TextDelta(" more"))
    assert said.text == "wait more"
    assert kinds(said)[-5:-3] == ["output_item.done", "output_text.delta"]
    assert closed(said) == [0, 1]


def test_what_is_open_at_the_end_closes_by_its_place() -> None:
    said = encode(*call(0, "f", '{"a"'), *call(1, "g", '{"b"'), TextDelta("hi"))
    assert closed(said) == [0, 1, 2]


def test_white_space_behind_a_closed_call_is_dropped() -> None:
    said = encode(*call(0, "f", "{}"), *call(1, "g", "{}"), ToolCallDelta(0, " \n"), ToolCallDelta(7, "never begun"))
    assert said.calls == [("f", "{}"), ("g", "{}")]


def test_a_failure_leaves_open_calls_incomplete() -> None:
    said = encode(*call(0, "f", '{"a'), *call(1, "shell", "{"), finish=UpstreamFailed(UpstreamCut("x")), tools=TOOLS)
    assert [(item["type"], item["status"]) for item in said.output] == [("function_call", "incomplete")]
    assert not said.of("output_item.done")


# --- forms of tools

TOOLS = {
    "ns__get": Form("function", "get", namespace="ns"),
    "patch": Form("custom", "patch"),
    "ns__run": Form("custom", "run", namespace="ns", input_field="code"),
    "shell": Form("shell", "shell"),
    "local_shell": Form("local_shell", "local_shell"),
    "apply_patch": Form("apply_patch", "apply_patch"),
    "tool_search": Form("tool_search", "tool_search"),
}


def test_a_namespace_comes_back() -> None:
    said = encode(*call(0, "ns__get", "{}"), tools=TOOLS)
    assert (said.output[0]["name"], said.output[0]["namespace"]) == ("get", "ns")
    assert said.of("function_call_arguments.done")[0]["name"] == "get"
    assert said.of("output_item.added")[0]["item"]["namespace"] == "ns"


def test_an_unknown_tool_is_a_function() -> None:
    assert encode(*call(0, "unknown", "{}"), tools=TOOLS).calls == [("unknown", "{}")]


def test_an_emulated_custom_tool_streams_its_raw_input() -> None:
    said = encode(*call(0, "patch", '{"inp', 'ut":"*** Beg', "in\\", 'nx"}'), tools=TOOLS)
    assert kinds(said) == [CUSTOM[0], CUSTOM[1], CUSTOM[1], *CUSTOM[1:]]
    assert said.calls == [("patch", "*** Begin\nx")]
    assert encode(*call(0, "ns__run", '{"code":"1"}'), tools=TOOLS).output[0]["namespace"] == "ns"


def test_an_emulated_custom_tool_may_get_anything() -> None:
    assert encode(*call(0, "patch", "raw text"), tools=TOOLS).calls == [("patch", "raw text")]
    assert encode(*call(0, "patch", "{}"), tools=TOOLS).calls == [("patch", "")]
    assert encode(*call(0, "patch"), tools=TOOLS).calls == [("patch", "")]
    assert encode(*call(0, "patch", '{"input":"a\\'), finish=LENGTH, tools=TOOLS).calls == [("patch", "a")]


def test_a_native_custom_tool_passes_its_input_on() -> None:
    said = encode(*call(0, "patch", "{}", " x", freeform=True), *call(1, "patch", "y", freeform=True), tools=TOOLS)
    assert said.calls == [("patch", "{} x"), ("patch", "y")]
    assert encode(*call(0, "p", "x", freeform=True)).output[0]["type"] == "custom_tool_call"


@pytest.mark.parametrize(
    ("name", "arguments", "kind", "field", "value"),
    [
        ("shell", '{"commands":["ls"]}', "shell_call", "action", {"commands": ["ls"]}),
        ("local_shell", '{"command":["ls"]}', "local_shell_call", "action",
         {"type": "exec", "command": ["ls"], "env": {}}),
        ("apply_patch", '{"type":"delete_file","path":"a"}', "apply_patch_call", "operation",
         {"type": "delete_file", "path": "a"}),
        ("tool_search", '{"query":"q"}', "tool_search_call", "arguments", {"query": "q"}),
    ],
)  # fmt: skip
def test_the_clients_own_tools_appear_whole(name: str, arguments: str, kind: str, field: str, value: Any) -> None:
    said = encode(*call(0, name, arguments[:5], arguments[5:]), *call(1, "f", "{}"), tools=TOOLS)
    assert kinds(said) == ["output_item.added", "output_item.done", *CALL]
    assert said.output[0]["type"] == kind
    assert said.output[0][field] == value
    assert said.output[0]["call_id"] == "call_0"


def test_a_tool_that_is_called_wrongly_is_shown_as_a_function() -> None:
    said = encode(*call(0, "shell", '{"command":"ls"}'), *call(1, "apply_patch"), tools=TOOLS)
    assert kinds(said) == CALL + CALL
    assert said.calls == [("shell", '{"command":"ls"}'), ("apply_patch", "{}")]


def test_a_tool_that_is_cut_short_is_shown_as_a_function() -> None:
    said = encode(*call(0, "shell", '{"commands":["l'), finish=LENGTH, tools=TOOLS)
    assert (said.output[0]["type"], said.output[0]["status"]) == ("function_call", "incomplete")


# --- tools outside the allowed list


class Only(Forms):
    """Allows one tool."""

    def allows(self, name: str) -> bool:
        """Tells whether it is that one."""
        return name == "f"


def test_a_call_outside_the_allowed_tools_is_not_shown() -> None:
    said = encode(*call(0, "g", '{"a"', ":1}"), *call(1, "f", "{}"), tools=Only())
    assert said.calls == [("f", "{}")]


def test_a_call_that_is_not_shown_does_not_part_the_text() -> None:
    said = encode(TextDelta("a"), *call(0, "g", "{}"), TextDelta("b"), tools=Only())
    assert (said.text, len(said.output)) == ("ab", 1)
    assert encode(*call(0, "g", "{}"), tools=Only()).output == []


# --- padding


@pytest.mark.parametrize("text", ["", "a", "x" * 15, "x" * 16, "那" * 40])
def test_padding_hides_the_length(text: str) -> None:
    assert (len(text) + len(padding(text))) % 16 == 0
    assert padding(text)


def test_padded_arguments_say_the_same() -> None:
    said = encode(*call(0, "f", '{"a"', ":1}"), obfuscation=True)
    assert said.calls == [("f", '{"a":1}')]
    assert all((len(event["delta"]) + len(event["obfuscation"])) % 16 == 0 for event in said.of(CALL[1]))


def test_the_start_alone_opens_a_call() -> None:
    assert kinds(encode(ToolCallStart(0, "c", "f")))[0] == "output_item.added"
