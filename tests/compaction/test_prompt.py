import msgspec

from proxy.compaction.prompt import PROMPT, summarising
from tests.support.asked import call, chat, function, output, request, user


def test_it_is_asked_for_at_the_end_of_the_conversation_as_it_was():
    made = request(input=[user("a"), call("1"), output("1")], instructions="be brief", tools=[function("f")])
    asking = summarising(made)
    items = [msgspec.json.decode(raw) for raw in asking.raw_items]
    assert items[:-1] == [msgspec.json.decode(raw) for raw in made.raw_items]
    assert (items[-1]["role"], items[-1]["content"]) == ("user", PROMPT)
    assert asking.value("instructions") == "be brief"
    assert asking.fields["tools"] is made.fields["tools"]
    assert asking.get("tool_choice") == "none"
    asking.validate()


def test_the_prefix_of_the_upstream_s_prompt_stays():
    fields = {"input": [user("a"), call("1"), output("1")], "instructions": "be brief", "tools": [function("f")]}
    before = chat(**fields)
    after = chat(**{name: summarising(request(**fields)).get(name) for name in (*fields, "tool_choice")})
    assert after.messages[: len(before.messages)] == before.messages
    assert after.body["tools"] == before.body["tools"]


def test_what_is_said_of_the_answer_is_not_said_of_the_summary():
    made = request(
        text={"format": {"type": "json_object"}},
        max_output_tokens=16,
        max_tokens=16,
        stop=["x"],
        include=["message.output_text.logprobs"],
        top_logprobs=3,
        tool_choice="auto",
        temperature=0.5,
        stream=True,
        previous_response_id="resp_1",
        store=False,
    )
    asking = summarising(made)
    assert set(asking.fields) == {
        "model",
        "input",
        "temperature",
        "stream",
        "previous_response_id",
        "store",
        "truncation",
    }
    assert "text" in made.fields


def test_a_summary_may_leave_out_the_oldest_unless_it_was_forbidden():
    assert summarising(request()).value("truncation") == "auto"
    assert summarising(request(truncation="disabled")).value("truncation") == "disabled"


def test_triggers_and_settings_go():
    update = {"type": "configuration_update", "text": {"format": {"type": "json_object"}}}
    asking = summarising(request(input=[user("a"), update, {"type": "compaction_trigger"}]))
    assert [msgspec.json.decode(raw)["role"] for raw in asking.raw_items] == ["user", "user"]
