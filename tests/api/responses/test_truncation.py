import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.api.responses.truncation import truncated
from proxy.tokens import request_tokens
from tests.support.asked import assistant, call, output, request, user

SYSTEM = {"role": "system", "content": "be brief"}


def left(items, said="", **fields):
    """What is left of the items, and how many were said to be dropped."""
    shorter = truncated(request(input=items, **fields), said)
    if shorter is None:
        return None
    kept = [msgspec.json.decode(raw) for raw in shorter.request.raw_items]
    assert shorter.dropped == len(items) - len(kept) > 0
    return kept


def test_the_oldest_turn_goes_with_its_answer():
    items = [SYSTEM, user("a" * 99), assistant("b" * 99), user("c" * 99), assistant("d" * 99), user("e")]
    assert left(items) == [SYSTEM, user("c" * 99), assistant("d" * 99), user("e")]


def test_the_request_itself_is_not_changed():
    made = request(input=[user("a"), assistant("b"), user("c")], instructions="x")
    before = dict(made.fields)
    shorter = truncated(made)
    assert shorter is not None
    assert made.fields == before
    assert len(made.items) == 3
    assert shorter.request.value("instructions") == "x"


@pytest.mark.parametrize(
    "items",
    [
        "one long text",
        [user("one")],
        [SYSTEM, user("one")],
        [user("one"), call("1"), output("1")],
        [SYSTEM, SYSTEM],
        [],
    ],
)
def test_where_nothing_may_be_dropped(items):
    assert truncated(request(input=items)) is None


def test_within_the_last_turn_the_oldest_steps_go_and_the_last_stays():
    steps = [item for n in range(8) for item in (call(str(n), arguments="x" * 400), output(str(n), "y" * 400))]
    kept = left([user("do it"), *steps])
    assert kept[0] == user("do it")
    assert kept[-2:] == steps[-2:]
    assert len(kept) == 1 + 12  # a quarter of the seven that may go


def test_an_output_that_stands_behind_a_later_message_goes_with_its_call():
    items = [user("a"), call("1", arguments="x" * 900), user("b"), output("1", "z" * 900), assistant("c"), user("d")]
    kept = left(items)
    assert call("1", arguments="x" * 900) not in kept
    assert output("1", "z" * 900) not in kept
    assert kept[-1] == user("d")


def test_again_and_again_until_only_what_must_stay_is_left():
    made = request(
        input=[SYSTEM, *(message for n in range(40) for message in (user(f"{n}" * 50), assistant("x" * 80)))]
    )
    rounds = 0
    while (shorter := truncated(made)) is not None:
        made, rounds = shorter.request, rounds + 1
    assert [msgspec.json.decode(raw)["role"] for raw in made.raw_items] == ["system", "user", "assistant"]
    assert rounds < 40


FIGURES = [
    "This model's maximum context length is 1000 tokens. However, your messages resulted in 2000 tokens.",
    "This model's maximum context length is 1000 tokens. However, you requested 2000 tokens (1900 in the messages, 100 "
    "in the completion).",
    "prompt is too long: 2000 tokens > 1000 maximum",
    "The input token count (2000) exceeds the maximum number of tokens allowed (1000).",
    "request (2000 tokens) exceeds the available context size (1000 tokens), try increasing it",
    "Please reduce the length. Current length is 2000 while limit is 1000",
    "maximum context length is 1,000 tokens, but 2,000 were given",
]


@pytest.mark.parametrize("said", FIGURES)
def test_figures_in_the_error_say_how_much_is_too_much(said):
    items = [message for n in range(50) for message in (user(f"{n:02}" * 40), assistant("x" * 80))]
    made = request(input=[*items, user("last")])
    shorter = truncated(made, said)
    assert shorter is not None
    share = request_tokens(shorter.request) / request_tokens(made)
    assert 0.42 <= share <= 0.475


@pytest.mark.parametrize(
    "said",
    [
        "Your input exceeds the context window of this model. Please adjust your input and try again.",
        "`inputs` tokens + `max_new_tokens` must be <= 4096. Given: 4000 `inputs` tokens and 1000 `max_new_tokens`",
        "context length is 0 tokens, you asked 7",
        "",
    ],
)
def test_without_figures_a_quarter_goes(said):
    items = [message for n in range(50) for message in (user(f"{n:02}" * 40), assistant("x" * 80))]
    kept = left([*items, user("last")], said)
    assert 72 <= len(kept) <= 78


ITEM = st.sampled_from(["user", "assistant", "system", "call", "late", "think"])


@given(st.lists(ITEM, max_size=25), st.sampled_from(["", *FIGURES]))
def test_what_is_left_still_belongs_together(kinds, said):
    items, late = [], []
    for n, kind in enumerate(kinds):
        if kind in ("call", "late"):
            items.append(call(str(n)))
            (items if kind == "call" else late).append(output(str(n)))
        elif kind == "think":
            items.append({"type": "reasoning", "summary": []})
        else:
            items.append({"role": kind, "content": f"{n} " * 30})
    made = request(input=[*items, *late, user("last")])
    made.turns()
    while (shorter := truncated(made, said)) is not None:
        assert len(shorter.request.items) == len(made.items) - shorter.dropped < len(made.items)
        made = shorter.request
        made.turns()  # raises for a call without its output
    kept = [msgspec.json.decode(raw) for raw in made.raw_items]
    assert user("last") in kept
    assert sum(item.get("role") == "system" for item in kept) == kinds.count("system")
