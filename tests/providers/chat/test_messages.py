import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.api.responses.request import ResponsesRequest
from proxy.errors import BadRequest
from proxy.providers.chat.profile import ChatProfile
from proxy.providers.openai.provider import PROFILE, REASONING_PROFILE
from tests.support import strict_chat
from tests.support.asked import assistant, build, call, chat, output, request, user
from tests.support.captured import CAPTURED
from tests.support.fixtures import needs_shared

PLAIN = ChatProfile()
STRICT = ChatProfile(alternate=True, merge_system="all")
STRINGS = ChatProfile(alternate=True, merge_system="all", string_content=True)
NEVER = ChatProfile(merge_system="never")
IMAGE = {"type": "input_image", "image_url": "data:image/png;base64,AA=="}


def said(role, text):
    return {"role": role, "content": text}


def roles(*items, profile=PLAIN, **fields):
    return [message["role"] for message in chat(profile, input=list(items), **fields).messages]


def test_instructions_come_first():
    assert chat(NEVER, instructions="a", input=[said("developer", "b"), user("c")]).messages == [
        said("system", "a"),
        said("system", "b"),
        said("user", "c"),
    ]


@pytest.mark.parametrize("instructions", [None, ""])
def test_no_instructions_make_no_message(instructions):
    assert roles(user("x"), instructions=instructions) == ["user"]


@pytest.mark.parametrize("role", ["system", "developer"])
def test_instructing_roles_become_the_one_the_upstream_knows(role):
    assert roles(said(role, "x"), user("y"), instructions="z", profile=NEVER) == ["system", "system", "user"]
    made = roles(said(role, "x"), user("y"), instructions="z", profile=REASONING_PROFILE)
    assert made == ["developer", "developer", "user"]


def test_system_messages_at_the_beginning_are_one():
    items = [said("developer", "b"), user("c"), said("system", "d"), user("e")]
    assert chat(instructions="a", input=items).messages == [
        said("system", "a\n\nb"),
        said("user", "c"),
        said("system", "d"),
        said("user", "e"),
    ]


def test_all_system_messages_are_one_for_servers_that_take_one():
    items = [user("c"), said("system", "d"), user("e")]
    assert chat(ChatProfile(merge_system="all"), instructions="a", input=items).messages == [
        said("system", "a\n\nd"),
        said("user", "c"),
        said("user", "e"),
    ]


def test_parallel_calls_are_one_message():
    made = chat(input=[user("q"), assistant("Let me see."), call("a"), call("b"), output("a"), output("b")]).messages
    assert [message["role"] for message in made] == ["user", "assistant", "tool", "tool"]
    assert made[1]["content"] == "Let me see."
    assert [one["id"] for one in made[1]["tool_calls"]] == ["a", "b"]
    assert [one["tool_call_id"] for one in made[2:]] == ["a", "b"]


def test_outputs_follow_in_the_order_of_the_calls():
    made = chat(input=[user("q"), call("a"), call("b"), user("hurry"), output("b", "B"), output("a", "A")]).messages
    assert [message["role"] for message in made] == ["user", "assistant", "tool", "tool", "user"]
    assert [message["content"] for message in made[2:]] == ["A", "B", "hurry"]


@pytest.mark.parametrize(("profile", "content"), [(PLAIN, ""), (PROFILE, None)])
def test_content_beside_calls(profile, content):
    made = chat(profile, input=[user("q"), call("a"), output("a")]).messages[1]
    assert made["content"] == content


def test_a_refusal_goes_into_its_own_field_where_there_is_one():
    refused = {"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]}
    assert chat(input=[user("q"), refused, user("why")]).messages[1] == said("assistant", "no")
    made = chat(PROFILE, input=[user("q"), refused, user("why")]).messages[1]
    assert made == {"role": "assistant", "content": None, "refusal": "no"}


def test_a_model_that_said_nothing_makes_no_message():
    assert roles(user("q"), assistant(""), user("hello?")) == ["user", "user"]


def test_hosted_history_is_named():
    built = chat(
        input=[user("q"), {"type": "web_search_call", "id": "ws"}, {"type": "acme:x"}, assistant("a"), user("b")]
    )
    assert [message["role"] for message in built.messages] == ["user", "assistant", "user"]
    assert built.ignored == ["input[1]: web_search_call", "input[2]: acme:x"]


def test_neighbours_are_joined_for_servers_that_want_turns():
    image = {"role": "user", "content": [IMAGE]}
    items = [user("a"), user("b"), assistant("c"), assistant("d"), call("x"), output("x"), user("e"), image]
    made = chat(STRICT, input=items).messages
    assert [message["role"] for message in made] == ["user", "assistant", "tool", "user"]
    assert made[0]["content"] == "a\n\nb"
    assert made[1]["content"] == "c\n\nd"
    assert [one["id"] for one in made[1]["tool_calls"]] == ["x"]
    assert made[3]["content"][0] == {"type": "text", "text": "e"}
    assert made[3]["content"][1]["type"] == "image_url"


def test_images_of_tools_and_the_next_question_are_one_message_for_servers_that_want_turns():
    made = chat(STRICT, input=[user("q"), call("x"), output("x", [IMAGE]), user("what is it?")]).messages
    assert [message["role"] for message in made] == ["user", "assistant", "tool", "user"]
    assert [part["type"] for part in made[3]["content"]] == ["image_url", "text"]


PROFILES = {"plain": PLAIN, "openai": PROFILE, "strict": STRICT, "never": NEVER}


@needs_shared
@pytest.mark.parametrize("profile", PROFILES)
def test_requests_of_real_clients_are_taken_by_strict_servers(profile):
    served = [one for one in CAPTURED if one.needs_store is None]
    assert len(served) > 100
    for one in served:
        body = build(ResponsesRequest.parse(one.raw), PROFILES[profile]).body
        keys = strict_chat.OPENAI if profile == "openai" else strict_chat.COMMON
        strict_chat.check(body, keys=keys, alternate=profile == "strict")


IDS = st.sampled_from(["a", "b", "c", "d"])
TEXTS = st.sampled_from(["", "x", "two words"])
PARTS = st.lists(
    st.one_of(TEXTS.map(lambda text: {"type": "input_text", "text": text}), st.just(IMAGE)), min_size=1, max_size=3
)
THOUGHTS = st.just({"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]})
ITEMS = st.one_of(
    st.builds(said, st.sampled_from(["user", "assistant", "system", "developer"]), TEXTS),
    PARTS.map(lambda parts: {"role": "user", "content": parts}),
    st.builds(call, IDS, st.sampled_from(["f", "weird.name"]), st.sampled_from(["{}", "", '{"a":1}', "broken"])),
    st.builds(output, IDS, TEXTS | PARTS),
    st.builds(lambda one: {"type": "custom_tool_call", "call_id": one, "name": "c", "input": "raw"}, IDS),
    st.builds(lambda one: {"type": "custom_tool_call_output", "call_id": one, "output": "ok"}, IDS),
    THOUGHTS,
    st.just({"type": "web_search_call", "id": "ws"}),
)


def is_served(items, profile):
    """Tells whether the request is served, and if so checks that a strict server takes what becomes of it."""
    try:
        built = build(request(input=items), profile)
    except BadRequest:
        return False
    strict_chat.check(built.body, alternate=profile.alternate)
    return True


@settings(max_examples=60, deadline=None)
@given(st.lists(ITEMS, min_size=1, max_size=12), st.sampled_from([PLAIN, STRICT, STRINGS, NEVER]))
def test_any_order_of_items_is_a_good_conversation_or_refused(items, profile):
    is_served(items, profile)


@st.composite
def answered(draw):
    """Items in which every call is answered somewhere behind it, in any order and with anything between."""
    items = [user("q"), *draw(st.lists(ITEMS.filter(lambda item: not item.get("call_id")), max_size=8))]
    for one in draw(st.lists(IDS, unique=True, max_size=4)):
        at = draw(st.integers(0, len(items)))
        items.insert(at, call(one, "f", draw(st.sampled_from(["{}", "", "broken"]))))
        items.insert(draw(st.integers(at + 1, len(items))), output(one, draw(TEXTS | PARTS)))
    return items


@settings(max_examples=50, deadline=None)
@given(answered(), st.sampled_from([PLAIN, STRICT, NEVER]))
def test_calls_that_are_answered_somewhere_are_always_served(items, profile):
    assert is_served(items, profile)


@pytest.mark.parametrize("items", [[assistant("")], [{"type": "reasoning", "summary": []}], [said("system", "")]])
def test_an_input_of_nothing_is_refused(items):
    with pytest.raises(BadRequest) as caught:
        chat(input=items)
    assert caught.value.param == "input"


@pytest.mark.parametrize("profile", [PLAIN, STRICT, STRINGS, NEVER, PROFILE, REASONING_PROFILE])
def test_messages_of_text_are_the_same_without_turns(profile, monkeypatch):
    parts = [{"type": "input_text", "text": "a"}, {"type": "text", "text": ""}, {"type": "output_text", "text": "b"}]
    made = [
        {"role": role, "content": content}
        for role in ("user", "assistant", "system", "developer", "user", "user", "assistant", "assistant")
        for content in ("hi", "", [], parts[:1], parts)
    ]
    for items in ([made[0]], made, made[10:], "hi"):
        plain = chat(profile, input=items, instructions="be kind").messages
        with monkeypatch.context() as patch:
            patch.setattr(ResponsesRequest, "is_plain", False)
            assert plain == chat(profile, input=items, instructions="be kind").messages
