import json

import pytest

from proxy.api.raw import Raw
from proxy.api.responses.items import decode_item
from proxy.api.responses.turns import ModelTurn, SystemTurn, UserTurn, assemble
from proxy.errors import BadRequest
from tests.support.asked import assistant, call, output, user

THOUGHT = {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]}


def turns(*items, dropped=None):
    decoded = [decode_item(Raw(json.dumps(item).encode()), f"input[{n}]") for n, item in enumerate(items)]
    return assemble(decoded, [].append if dropped is None else dropped.append)


def refused(*items):
    with pytest.raises(BadRequest) as caught:
        turns(*items)
    return caught.value


def shape(*items):
    """Each turn in a word: s, u, or what the model did (t thought, m text, c call)."""
    words = []
    for turn in turns(*items):
        if isinstance(turn, ModelTurn):
            words.append("t" * len(turn.thoughts) + "m" * turn.spoken + "c" * len(turn.calls))
        else:
            words.append("u" if isinstance(turn, UserTurn) else "s")
    return words


def test_thinking_text_and_calls_are_one_turn():
    assert shape(THOUGHT, assistant("x"), call("a"), call("b"), output("a"), output("b")) == ["tmcc"]


IMAGE = {"type": "image_generation_call", "id": "ig_1", "result": "aW1n"}


def test_images_stand_behind_the_text_for_whoever_asks_for_them():
    items = [decode_item(Raw(json.dumps(item).encode()), "input") for item in (assistant("x"), IMAGE, assistant("y"))]
    dropped = []
    first, second = assemble(items, dropped.append, images=True)
    assert (first.text, [image.result for image in first.images]) == ("x", ["aW1n"])
    assert (second.text, second.images, second.continues) == ("y", [], True)
    assert dropped == []
    assert len(assemble(items, dropped.append)) == 2
    assert dropped == ["input[1]: image_generation_call"]


def test_parallel_calls_are_one_turn_with_their_outputs():
    (turn,) = turns(call("a"), call("b"), output("b", "B"), output("a", "A"))
    assert isinstance(turn, ModelTurn)
    assert [(one.call.call_id, one.output.output) for one in turn.calls] == [("a", "A"), ("b", "B")]


def test_calls_one_after_another_are_two_turns():
    assert shape(call("a"), output("a"), call("b"), output("b")) == ["c", "c"]


def test_an_output_stands_with_its_call_whatever_came_between():
    assert shape(call("a"), user("wait"), THOUGHT, output("a")) == ["c", "u", "t"]
    assert shape(call("a"), user("x"), call("b"), output("b"), output("a")) == ["c", "u", "c"]


def test_text_behind_a_call_begins_the_next_turn():
    assert shape(assistant("x"), call("a"), assistant("y"), output("a")) == ["mc", "m"]


def test_thinking_behind_text_begins_the_next_turn():
    assert shape(THOUGHT, THOUGHT, assistant("x"), THOUGHT, assistant("y")) == ["ttm", "tm"]


def test_interleaved_thinking_keeps_each_thought_with_its_call():
    assert shape(THOUGHT, call("a"), THOUGHT, call("b"), output("a"), output("b")) == ["tc", "tc"]


def test_a_turn_that_goes_on_from_the_one_before_it_says_so():
    thought = {"type": "reasoning", "summary": []}
    one_step = turns(user("?"), call("call_a"), thought, call("call_b"), output("call_a"), output("call_b"))
    assert [turn.continues for turn in one_step[1:]] == [False, True]
    two_steps = turns(user("?"), call("call_a"), output("call_a"), thought, call("call_b"), output("call_b"))
    assert [turn.continues for turn in two_steps[1:]] == [False, False]
    assert [turn.continues for turn in turns(assistant("a"), user("b"), assistant("c"), assistant("d"))[2:]] == [
        False,
        True,
    ]


def test_system_and_developer_messages_are_turns_of_their_own():
    first, second = turns({"role": "developer", "content": "d"}, {"role": "system", "content": "s"})
    assert isinstance(first, SystemTurn)
    assert isinstance(second, SystemTurn)
    assert (first.role, second.role) == ("developer", "system")


def test_hosted_history_is_dropped_and_named_and_parts_nothing():
    dropped = []
    (turn,) = turns(assistant("x"), {"type": "web_search_call", "id": "ws"}, call("a"), output("a"), dropped=dropped)
    assert isinstance(turn, ModelTurn)
    assert dropped == ["input[1]: web_search_call"]


def test_refusals_and_texts_are_joined():
    content = [
        {"type": "output_text", "text": "a"},
        {"type": "refusal", "refusal": "no"},
        {"type": "output_text", "text": "b"},
    ]
    (turn,) = turns({"role": "assistant", "content": content})
    assert isinstance(turn, ModelTurn)
    assert (turn.text, turn.refusal) == ("ab", "no")


def test_a_model_shows_no_images():
    error = refused({"role": "assistant", "content": [{"type": "input_image", "image_url": "data:x"}]})
    assert error.param == "input[0].content[0].type"


def test_a_search_by_the_server_needs_no_output():
    dropped = []
    searched = [{"type": "tool_search_call", "arguments": {}}, {"type": "tool_search_output", "tools": []}]
    assert turns(*searched, dropped=dropped) == []
    assert dropped == ["input[0]: tool_search_call"]


def test_an_old_local_shell_output_names_its_call_by_id():
    (turn,) = turns(
        {"type": "local_shell_call", "call_id": "c", "action": {"command": ["ls"]}},
        {"type": "local_shell_call_output", "id": "c", "output": "x"},
    )
    assert isinstance(turn, ModelTurn)
    assert turn.calls[0].output is not None


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ([call("call_x")], "No tool output found for function call call_x."),
        ([call("a"), output("a"), call("b")], "No tool output found for function call b."),
        (
            [{"type": "custom_tool_call", "call_id": "c", "name": "n", "input": ""}],
            "No tool output found for custom tool call c.",
        ),
        ([output("call_x")], "No tool call found for function call output with call_id call_x."),
        ([output("a"), call("a")], "No tool call found for function call output with call_id a."),
    ],
)
def test_calls_and_outputs_that_do_not_belong_together(items, message):
    error = refused(*items)
    assert (error.status, error.message, error.param, error.code) == (400, message, "input", None)


def test_a_call_id_is_used_once():
    assert refused(call("a"), output("a"), call("a"), output("a")).param == "input[2].call_id"
    assert refused(call("a"), output("a"), output("a")).param == "input[2].call_id"


def test_an_output_without_a_call_id():
    assert refused(call("a"), {"type": "local_shell_call_output", "output": "x"}).code == "missing_required_parameter"


def test_a_compaction_of_somebody_else_is_in_no_turn():
    error = refused(user("x"), {"type": "compaction", "encrypted_content": "gAAAA"})
    assert (error.status, error.param, error.code) == (400, "input[1]", "unsupported_value")
