import pytest

from proxy.providers.chat.profile import ChatProfile
from proxy.providers.chat.sealing import LOST, seal
from tests.support.asked import SEALING, assistant, call, chat, output, user

DETAILS = [{"type": "reasoning.text", "text": "hm", "signature": "s"}, {"type": "reasoning.encrypted", "data": "d"}]


def thought(state=None, *, family="chat", text=None, summary=None, blob=None):
    item = {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [{"type": "summary_text", "text": summary}] if summary else [],
    }
    if text is not None:
        item["content"] = [{"type": "reasoning_text", "text": text}]
    if state is not None:
        item["encrypted_content"] = seal(family, "m", state, SEALING)
    if blob is not None:
        item["encrypted_content"] = blob
    return item


def replayed(*items, mode="auto", calls=True):
    """The fields of thinking that the model's message gets."""
    rest = [call("a"), output("a")] if calls else [assistant("x"), user("go on")]
    built = chat(ChatProfile(replay_reasoning=mode), input=[user("q"), *items, *rest])
    message = built.messages[1]
    return {key: value for key, value in message.items() if key.startswith("reasoning")}


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_auto_gives_back_in_the_spelling_it_came_in(field):
    assert replayed(thought({"field": field, "text": "hm"})) == {field: "hm"}


def test_auto_gives_details_back_unchanged_and_in_order():
    assert replayed(thought({"field": "reasoning_details", "details": DETAILS})) == {"reasoning_details": DETAILS}


def test_auto_gives_back_only_where_tools_were_called():
    assert replayed(thought({"field": "reasoning", "text": "hm"}), calls=False) == {}


def test_auto_takes_text_that_was_not_sealed_under_the_name_that_was():
    assert replayed(thought({"field": "reasoning"}, text="hm")) == {"reasoning": "hm"}


def test_auto_does_not_guess_a_spelling():
    assert replayed(thought(text="hm")) == {}


def test_several_thoughts_of_one_turn_are_joined():
    thoughts = [thought({"field": "reasoning", "text": text}) for text in ("a", "b")]
    assert replayed(*thoughts) == {"reasoning": "ab"}


@pytest.mark.parametrize("mode", ["auto", "reasoning", "reasoning_details"])
@pytest.mark.parametrize(
    "item",
    [
        thought({"field": "reasoning", "text": "hm"}, family="anthropic"),
        thought(blob="gAAAAABo-opaque"),
        thought(summary="A summary is no thinking."),
        thought({"field": ["reasoning"], "text": 5, "details": "x"}),
    ],
)
def test_what_others_sealed_and_summaries_are_left_out(mode, item):
    assert replayed(item, mode=mode) == {}


def test_never_means_never():
    assert replayed(thought({"field": "reasoning", "text": "hm"}, text="hm"), mode="never") == {}


@pytest.mark.parametrize("mode", ["reasoning_content", "reasoning"])
def test_a_named_field_takes_sealed_and_plain_thinking_alike(mode):
    assert replayed(thought({"field": "reasoning_details", "text": "hm"}), mode=mode) == {mode: "hm"}
    assert replayed(thought(text="hm"), mode=mode) == {mode: "hm"}
    assert replayed(thought(text="hm"), mode=mode, calls=False) == {mode: "hm"}


def test_a_server_that_demands_it_gets_a_blank_where_nothing_is_known():
    assert replayed(mode="reasoning_content") == {"reasoning_content": " "}
    assert replayed(mode="reasoning_content", calls=False) == {}
    assert replayed(mode="reasoning") == {}


def test_thinking_alone_makes_no_message():
    built = chat(input=[user("q"), thought({"field": "reasoning", "text": "hm"})])
    assert built.messages == [{"role": "user", "content": "q"}]


@pytest.mark.parametrize(
    ("item", "mode", "lost"),
    [
        (thought({"field": "reasoning", "text": "hm"}), "auto", False),
        (thought({"details": []}, family="anthropic"), "auto", True),
        (thought({"details": []}, family="gemini", text="hm"), "reasoning_content", True),
        (thought(blob="gAAA-openai"), "auto", True),
        (thought({"field": "reasoning", "text": "hm"}), "never", True),
        (thought(text="hm"), "never", False),
    ],
)
@pytest.mark.parametrize("calls", [True, False])
def test_the_client_is_told_of_thinking_that_cannot_be_given_back(item, mode, lost, calls):
    rest = [call("a"), output("a")] if calls else [assistant("x"), user("go on")]
    built = chat(ChatProfile(replay_reasoning=mode), input=[user("q"), item, *rest])
    assert (LOST in built.ignored) is lost
