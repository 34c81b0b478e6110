import json

from proxy.api.raw import Raw
from proxy.api.responses.items import decode_item
from proxy.api.responses.steps import steps_of
from tests.support.asked import assistant, call, output, user

THOUGHT = {"type": "reasoning", "summary": []}
SYSTEM = {"role": "developer", "content": "be brief"}


def steps(*items):
    decoded = [decode_item(Raw(json.dumps(item).encode()), f"input[{at}]") for at, item in enumerate(items)]
    found = steps_of(decoded)
    assert sorted(at for step in found for at in step.at) == list(range(len(items)))
    return [(step.kind, step.at) for step in found]


def test_messages_are_steps_of_their_own():
    assert steps(SYSTEM, user("a"), user("b"), assistant("c")) == [
        ("fixed", [0]),
        ("user", [1]),
        ("user", [2]),
        ("model", [3]),
    ]


def test_thinking_text_and_calls_are_one_step_with_their_outputs():
    items = THOUGHT, assistant("so"), call("1"), call("2"), output("2"), output("1")
    assert steps(*items) == [("model", [0, 1, 2, 3, 4, 5])]


def test_what_the_model_does_after_an_output_is_the_next_step():
    items = call("1"), output("1"), THOUGHT, call("2"), output("2"), assistant("done")
    assert steps(*items) == [("model", [0, 1]), ("model", [2, 3, 4]), ("model", [5])]


def test_thinking_behind_text_begins_a_step():
    assert steps(THOUGHT, assistant("a"), THOUGHT, assistant("b")) == [("model", [0, 1]), ("model", [2, 3])]


def test_an_output_belongs_to_its_call_wherever_it_stands():
    assert steps(call("1"), user("wait"), output("1"), assistant("x")) == [
        ("model", [0, 2]),
        ("user", [1]),
        ("model", [3]),
    ]


def test_settings_and_tools_stay():
    items = (
        {"type": "additional_tools", "role": "developer", "tools": []},
        {"type": "configuration_update", "reasoning": {"effort": "low"}},
        output("nobody's"),
        {"type": "compaction", "encrypted_content": "x"},
    )
    assert [kind for kind, _ in steps(*items)] == ["fixed"] * 4


def test_what_a_server_searched_for_belongs_together():
    items = user("a"), {"type": "tool_search_call"}, {"type": "tool_search_output", "tools": []}, call("1"), output("1")
    assert steps(*items) == [("user", [0]), ("model", [1, 2, 3, 4])]


def test_history_that_says_nothing_goes_with_its_neighbours():
    items = {"type": "web_search_call", "id": "ws_1", "status": "completed"}, assistant("found")
    assert steps(*items) == [("model", [0, 1])]


def test_an_old_local_shell_output_names_its_call_by_id():
    items = (
        {"type": "local_shell_call", "call_id": "1", "action": {"type": "exec", "command": []}},
        {"type": "local_shell_call_output", "id": "1", "output": "x"},
    )
    assert steps(*items) == [("model", [0, 1])]
