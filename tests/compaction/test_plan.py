import msgspec
import pytest

from proxy.compaction.filters import Fold, Preface
from proxy.compaction.plan import Wanted, compacted, want
from proxy.compaction.prompt import PROMPT
from proxy.compaction.summary import Summary, compaction_item
from proxy.errors import BadRequest
from proxy.exchange import Client, Exchange
from proxy.reply import Reply
from tests.support.asked import SEALING, assistant, call, output, request, user

TRIGGER = {"type": "compaction_trigger"}
MANAGED = [{"type": "compaction", "compact_threshold": 1000}]
LONG = [user("a" * 8000), {"role": "assistant", "content": "b"}, user("c")]
HEADERS = {"authorization": "Bearer k"}


class Asked:
    """Answers an exchange that is a compaction, and keeps it."""

    def __init__(self, reply=None):
        self.reply = reply
        self.exchanges = []

    async def __call__(self, exchange):
        self.exchanges.append(exchange)
        if self.reply is not None:
            return self.reply
        wanted = exchange.marks["compaction"]
        item = compaction_item(Summary(wanted.kind, "sum", wanted.kept), SEALING)
        return Reply.json({"status": "completed", "output": [item]})


def exchange(**fields):
    return Exchange("req_1", Client("127.0.0.1", HEADERS), request(**fields))


def contents(made):
    return [msgspec.json.decode(raw).get("content", "") for raw in made.raw_items]


async def nobody(inner):
    raise AssertionError("nothing was to be asked")


async def test_a_plain_request_is_left_alone():
    one = exchange()
    before = one.request
    assert await compacted(one, SEALING, nobody) == []
    assert one.request is before


async def test_a_trigger_makes_a_request_for_a_summary():
    one = exchange(input=[user("a"), TRIGGER])
    (fold,) = await compacted(one, SEALING, nobody)
    assert isinstance(fold, Fold)
    assert contents(one.request) == ["a", PROMPT]


async def test_whoever_wants_a_window_gets_what_was_compacted():
    one = exchange(input=[user("a"), TRIGGER])
    wanted = Wanted("window")
    want(one, wanted)
    await compacted(one, SEALING, nobody)
    assert wanted.window is not None
    assert contents(wanted.window) == ["a", ""]


@pytest.mark.parametrize("items", [[TRIGGER], [{"role": "system", "content": "x"}, TRIGGER]])
async def test_a_trigger_without_a_conversation_is_refused(items):
    with pytest.raises(BadRequest) as caught:
        await compacted(exchange(input=items), SEALING, nobody)
    assert caught.value.param == "input"


async def test_a_threshold_asks_for_the_rest_and_puts_the_summary_in_its_place():
    asked = Asked()
    one = exchange(
        input=LONG,
        context_management=MANAGED,
        stream=True,
        background=True,
        previous_response_id="resp_1",
        temperature=0.5,
    )
    (preface,) = await compacted(one, SEALING, asked)
    assert isinstance(preface, Preface)
    (inner,) = asked.exchanges
    assert (inner.id, inner.client.path, inner.client.headers) == (
        "req_1-compaction",
        "/v1/responses/compact",
        HEADERS,
    )
    assert set(inner.request.fields) == {"model", "input", "store", "temperature"}
    assert inner.request.get("store") is False
    assert [len(text) for text in contents(inner.request)[:1]] == [8000]
    assert msgspec.json.decode(inner.request.raw_items[-1]) == TRIGGER
    summary, last = contents(one.request)
    assert summary.endswith("sum")
    assert last == "c"
    assert "context_management" not in one.request.fields
    assert one.ignored == []


@pytest.mark.parametrize(
    "reply",
    [
        Reply.json({"error": {}}, 429),
        Reply.json({"status": "incomplete", "output": [{}]}),
        Reply.json({"status": "completed", "output": []}),
    ],
)
async def test_a_summary_that_was_not_made_is_done_without(reply):
    one = exchange(input=LONG, context_management=MANAGED)
    assert await compacted(one, SEALING, Asked(reply)) == []
    assert contents(one.request) == ["a" * 8000, "b", "c"]
    assert one.ignored == ["context_management"]


async def test_the_lowest_threshold_counts():
    managed = [{"type": "compaction", "compact_threshold": 10**6}, *MANAGED]
    asked = Asked()
    await compacted(exchange(input=LONG, context_management=managed), SEALING, asked)
    assert len(asked.exchanges) == 1


@pytest.mark.parametrize(
    "items",
    [
        [user("a"), assistant("b"), user("c" * 8000)],
        [user("a" * 8000)],
        [{"role": "system", "content": "x" * 8000}, user("a"), assistant("b"), user("c")],
        [user("a"), call("1"), output("1", "x" * 8000)],
    ],
)
async def test_what_would_not_help_is_not_done(items):
    assert await compacted(exchange(input=items, context_management=MANAGED), SEALING, nobody) == []


async def test_the_last_step_is_kept_with_its_question():
    asked = Asked()
    steps = [call("1"), output("1", "x" * 8000), {"type": "reasoning", "summary": []}, call("2"), output("2")]
    one = exchange(input=[user("q"), *steps], context_management=MANAGED)
    await compacted(one, SEALING, asked)
    kinds = [msgspec.json.decode(raw).get("type", "message") for raw in one.request.raw_items]
    assert kinds == ["message", "message", "reasoning", "function_call", "function_call_output"]
    assert contents(one.request)[1] == "q"
    one.request.turns()
    asked.exchanges[0].request.turns()
