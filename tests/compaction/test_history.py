import msgspec
import pytest

from proxy.compaction.history import instructs, unfold
from proxy.compaction.summary import Summary, compaction_item
from proxy.errors import BadRequest
from tests.support.asked import SEALING, assistant, call, output, request, user

SYSTEM = {"role": "system", "content": "be brief"}
TOOLS = {"type": "additional_tools", "role": "developer", "tools": []}
FOREIGN = {"type": "compaction", "encrypted_content": "gAAAA"}


def compaction(kind, text="sum", kept=()):
    return compaction_item(Summary(kind, text, [msgspec.Raw(msgspec.json.encode(one)) for one in kept]), SEALING)


def unfolded(*items, earlier=0):
    """What stands in the input afterwards; of summaries their text."""
    made = request(input=list(items))
    unfold(made, SEALING, earlier)
    found = [msgspec.json.decode(raw) for raw in made.raw_items]
    return [
        one["content"].partition("\n\n")[2] if str(one.get("content")).startswith("What follows") else one
        for one in found
    ]


def test_without_a_compaction_nothing_changes():
    made = request(input=[user("a")])
    before = made.fields["input"]
    unfold(made, SEALING)
    assert made.fields["input"] is before


@pytest.mark.parametrize("kind", ["window", "trigger"])
def test_what_a_client_puts_in_front_of_it_stays(kind):
    items = SYSTEM, user("a"), compaction(kind), user("b")
    assert unfolded(*items) == [SYSTEM, user("a"), "sum", user("b")]


def test_what_a_client_sends_again_although_a_threshold_was_crossed_is_left_out():
    items = SYSTEM, user("a"), call("1"), output("1"), TOOLS, compaction("threshold", kept=[user("k")]), assistant("b")
    assert unfolded(*items) == [SYSTEM, TOOLS, "sum", user("k"), assistant("b")]


@pytest.mark.parametrize("kind", ["trigger", "threshold"])
def test_in_kept_history_it_stands_for_all_before_it(kind):
    items = SYSTEM, user("a"), assistant("b"), {"type": "compaction_trigger"}, compaction(kind), user("c")
    assert unfolded(*items, earlier=5) == [SYSTEM, "sum", user("c")]


def test_a_window_that_began_a_chain_stays_whole():
    items = user("a"), compaction("window"), assistant("b"), user("c")
    assert unfolded(*items, earlier=3) == [user("a"), "sum", assistant("b"), user("c")]


def test_of_several_the_last_counts():
    items = user("a"), compaction("threshold", "old"), user("b"), compaction("threshold", "new"), user("c")
    assert unfolded(*items, earlier=4) == ["new", user("c")]
    items = user("a"), compaction("window", "one"), user("b"), compaction("window", "two"), user("c")
    assert unfolded(*items) == [user("a"), "one", user("b"), "two", user("c")]


def test_one_made_elsewhere_stays_and_stands_for_nothing():
    assert unfolded(user("a"), FOREIGN, user("b"), earlier=2) == [user("a"), FOREIGN, user("b")]
    assert unfolded(user("a"), FOREIGN, compaction("window")) == [user("a"), FOREIGN, "sum"]


@pytest.mark.parametrize(("earlier", "param"), [(0, "input[1].encrypted_content"), (2, "previous_response_id")])
def test_a_broken_one_is_named_where_the_client_finds_it(earlier, param):
    broken = {"type": "compaction", "encrypted_content": compaction("window")["encrypted_content"][:-2]}
    with pytest.raises(BadRequest) as caught:
        unfolded(user("a"), broken, earlier=earlier)
    assert caught.value.param == param


def test_with_history_in_front_the_index_is_that_of_the_client():
    broken = {"type": "compaction", "encrypted_content": "pst2.x"}
    with pytest.raises(BadRequest) as caught:
        unfolded(user("a"), user("b"), user("c"), broken, earlier=2)
    assert caught.value.param == "input[1].encrypted_content"


def test_what_instructs():
    items = request(input=[SYSTEM, {"role": "developer", "content": "x"}, TOOLS, user("a"), call("1")]).items
    assert [instructs(item) for item in items] == [True, True, True, False, False]
