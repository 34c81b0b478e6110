from typing import cast

import pytest

from proxy.compaction.filters import Fold, Preface
from proxy.compaction.summary import Summary, opened
from proxy.errors import UpstreamCut
from proxy.events import (
    Finish,
    OutputItem,
    ReasoningDelta,
    Refusal,
    TextDelta,
    ToolCallDelta,
    ToolCallStart,
    UpstreamFailed,
    Usage,
)
from proxy.exchange import Exchange
from tests.support.asked import SEALING

NO_EXCHANGE = cast(Exchange, None)


def folded(*batches, kind="trigger"):
    fold = Fold(SEALING, kind, [])
    return [event for batch in batches for event in fold.on_events(NO_EXCHANGE, list(batch))]


def test_text_becomes_one_item_in_front_of_the_end():
    usage, finish = Usage(input_tokens=3), Finish()
    events = folded([ReasoningDelta("hm")], [TextDelta(" all")], [TextDelta(" of it\n"), usage], [finish])
    assert events[0] is usage
    assert events[2] is finish
    item = events[1].item
    assert opened(item["encrypted_content"], SEALING, "") == Summary("trigger", "all of it")
    assert len(events) == 3


def test_calls_are_left_out():
    events = folded([TextDelta("x"), ToolCallStart(0, "c", "f"), ToolCallDelta(0, "{}")], [Finish()])
    assert [type(event) for event in events] == [OutputItem, Finish]


@pytest.mark.parametrize("said", [[], [TextDelta(" ")], [Refusal("no")], [ToolCallStart(0, "c", "f")]])
def test_without_a_summary_it_has_failed(said):
    (failed,) = folded(said, [Finish()])
    assert isinstance(failed, UpstreamFailed)
    assert failed.error.code == "server_error"


def test_a_failure_passes():
    failed = UpstreamFailed(UpstreamCut("cut"))
    assert folded([TextDelta("half")], [failed]) == [failed]


def test_a_cut_summary_says_that_it_was_cut():
    assert [type(event) for event in folded([TextDelta("half")], [Finish("length")])] == [OutputItem, Finish]


def test_a_preface_comes_once_and_first():
    preface = Preface({"type": "compaction"})
    assert preface.on_events(NO_EXCHANGE, []) == []
    first = [TextDelta("a")]
    assert preface.on_events(NO_EXCHANGE, first) == [OutputItem({"type": "compaction"}), *first]
    second = [TextDelta("b")]
    assert preface.on_events(NO_EXCHANGE, second) is second
