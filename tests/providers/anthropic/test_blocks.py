from __future__ import annotations

from typing import Any

import msgspec
import pytest

from proxy.errors import UpstreamGarbled
from proxy.events import (
    Annotation,
    Event,
    OutputItem,
    ReasoningDelta,
    ReasoningState,
    TextDelta,
    ToolCallDelta,
    ToolCallStart,
)
from proxy.providers.anthropic.blocks import Blocks
from proxy.providers.anthropic.frame import TextFrame
from proxy.providers.anthropic.wire import Block, Delta


class Machine:
    """Blocks, and the events they made."""

    def __init__(self, *, answers_by_tool: bool = False) -> None:
        numbers = iter(range(1, 100))
        self.frame = TextFrame()
        self.blocks = Blocks(
            self.frame, lambda: f"made_{next(numbers)}", answers_by_tool=answers_by_tool, sources=False
        )
        self.events: list[Event] = []

    def start(self, index: int, **fields: Any) -> None:
        for name in ("input", "content"):
            if name in fields:
                fields[name] = msgspec.Raw(msgspec.json.encode(fields[name]))
        self.blocks.start(index, Block(**fields), self.events)

    def delta(self, index: int, **fields: Any) -> None:
        self.blocks.delta(index, Delta(**fields), self.events)

    def stop(self, index: int) -> None:
        self.blocks.stop(index, self.events)

    def end(self, *, complete: bool = True) -> list[Event]:
        self.blocks.end(self.events, complete=complete)
        return self.events


def test_text_goes_out_at_once_also_what_a_block_begins_with() -> None:
    machine = Machine()
    machine.start(0, type="text", text="Hel")
    assert machine.blocks.text_index == 0
    machine.delta(0, text="lo")
    assert machine.events == [TextDelta("Hel"), TextDelta("lo")]
    machine.stop(0)
    assert machine.blocks.text_index is None
    assert machine.frame.chars == 5


def test_thinking_is_a_summary_and_is_kept_with_its_signature() -> None:
    machine = Machine()
    machine.start(0, type="thinking", thinking="", signature="")
    machine.delta(0, thinking="a")
    machine.delta(0, thinking="b")
    machine.delta(0, signature="old")
    machine.delta(0, signature="sig")
    machine.stop(0)
    block = {"type": "thinking", "thinking": "ab", "signature": "sig"}
    assert machine.events == [
        ReasoningDelta("a", summary=True),
        ReasoningDelta("b", summary=True),
        ReasoningState({"field": "thinking_blocks", "details": [block]}),
    ]


def test_thinking_without_its_signature_cannot_come_back() -> None:
    machine = Machine()
    machine.start(0, type="thinking", thinking="a")
    assert machine.end() == [ReasoningDelta("a", summary=True)]


def test_thinking_that_is_not_shown_is_kept_all_the_same() -> None:
    machine = Machine()
    machine.start(0, type="thinking", thinking="", signature="sig")
    machine.stop(0)
    machine.start(1, type="redacted_thinking", data="xyz")
    machine.stop(1)
    states = [event.state["details"] for event in machine.events if isinstance(event, ReasoningState)]
    assert states == [
        [{"type": "thinking", "thinking": "", "signature": "sig"}],
        [{"type": "redacted_thinking", "data": "xyz"}],
    ]
    assert not machine.blocks.said


def test_calls_have_keys_of_their_own_and_may_come_mixed() -> None:
    machine = Machine()
    machine.start(4, type="tool_use", id="a", name="f", input={})
    machine.start(7, type="tool_use", id="b", name="g", input={})
    machine.delta(7, partial_json="{}")
    machine.delta(4, partial_json='{"x":')
    machine.delta(4, partial_json="1}")
    machine.stop(4)
    machine.stop(7)
    assert machine.events == [
        ToolCallStart(0, "a", "f"),
        ToolCallStart(1, "b", "g"),
        ToolCallDelta(1, "{}"),
        ToolCallDelta(0, '{"x":'),
        ToolCallDelta(0, "1}"),
    ]


def test_arguments_that_came_with_the_beginning() -> None:
    machine = Machine()
    machine.start(0, type="tool_use", id="a", name="f", input={"x": 1})
    machine.stop(0)
    machine.start(1, type="tool_use", id="b", name="f", input={"x": 1})
    machine.delta(1, partial_json='{"y":2}')
    machine.stop(1)
    assert [event.arguments for event in machine.events if isinstance(event, ToolCallDelta)] == ['{"x":1}', '{"y":2}']


@pytest.mark.parametrize("complete", [True, False])
def test_a_call_without_arguments_is_whole_only_if_the_answer_is(complete: bool) -> None:
    machine = Machine()
    machine.start(0, type="tool_use", id="a", name="f", input={})
    machine.delta(0, partial_json="")
    machine.stop(0)
    assert machine.end(complete=complete)[1:] == ([ToolCallDelta(0, "{}")] if complete else [])


def test_a_call_without_arguments_is_whole_when_something_follows() -> None:
    machine = Machine()
    machine.start(0, type="tool_use", id="a", name="f")
    machine.stop(0)
    machine.start(1, type="text", text="then")
    assert machine.end(complete=False)[1:] == [ToolCallDelta(0, "{}"), TextDelta("then")]


@pytest.mark.parametrize("id", [None, "", " ", "x" * 65])
def test_ids_that_cannot_be_used(id: str | None) -> None:
    machine = Machine()
    machine.start(0, type="tool_use", id=id, name="f")
    assert machine.events == [ToolCallStart(0, "made_1", "f")]


def test_two_calls_of_one_id() -> None:
    machine = Machine()
    machine.start(0, type="tool_use", id="a", name="f")
    machine.start(1, type="tool_use", id="a", name="f")
    assert [event.call_id for event in machine.events if isinstance(event, ToolCallStart)] == ["a", "made_1"]


def test_a_call_without_a_name_is_no_answer() -> None:
    with pytest.raises(UpstreamGarbled):
        Machine().start(0, type="tool_use", id="a", name="")


def test_the_answers_tool_is_the_answer() -> None:
    machine = Machine(answers_by_tool=True)
    machine.start(0, type="tool_use", id="a", name="json_tool_call", input={})
    machine.delta(0, partial_json='{"a"')
    machine.delta(0, partial_json=":1}")
    machine.stop(0)
    machine.start(1, type="tool_use", id="b", name="json_tool_call", input={"c": 2})
    machine.stop(1)
    assert machine.end() == [TextDelta('{"a"'), TextDelta(":1}"), TextDelta('{"c":2}')]


def test_elsewhere_that_tool_is_one_of_the_clients() -> None:
    machine = Machine()
    machine.start(0, type="tool_use", id="a", name="json_tool_call", input={})
    assert machine.events == [ToolCallStart(0, "a", "json_tool_call")]


def test_citations_cover_their_block_wherever_they_come() -> None:
    machine = Machine()
    machine.start(0, type="text", text="Well, ")
    machine.stop(0)
    machine.start(1, type="text", text="", citations=[{"url": "https://a"}])
    machine.delta(1, text="so")
    machine.delta(1, citation={"url": "https://b"})
    machine.stop(1)
    notes = [event.annotation for event in machine.events if isinstance(event, Annotation)]
    assert [(note["url"], note["start_index"], note["end_index"]) for note in notes] == [
        ("https://a", 6, 8),
        ("https://b", 6, 8),
    ]


def test_a_document_is_cited_at_a_place_of_the_part_that_is_open() -> None:
    machine = Machine()
    machine.start(0, type="text", text="Well, ")
    machine.start(1, type="tool_use", id="a", name="f")
    machine.start(2, type="text", text="so", citations=[{"document_index": 0}])
    machine.stop(2)
    notes = [event.annotation for event in machine.events if isinstance(event, Annotation)]
    assert [note["index"] for note in notes] == [2]


def test_a_search_stands_where_its_result_came() -> None:
    machine = Machine()
    machine.start(0, type="server_tool_use", id="s", name="web_search", input={})
    machine.delta(0, partial_json='{"query":"a"}')
    machine.stop(0)
    assert machine.events == []
    machine.start(1, type="web_search_tool_result", tool_use_id="s", content=[])
    machine.stop(1)
    assert [type(event) for event in machine.events] == [OutputItem]
    assert machine.blocks.said
    assert len(machine.end()) == 1


def test_results_of_nothing_and_unknown_blocks_and_pieces_are_ignored() -> None:
    machine = Machine()
    machine.start(0, type="web_search_tool_result", tool_use_id="s", content=[])
    machine.start(1, type="compaction")
    machine.delta(1)
    machine.delta(9, thinking="x")
    machine.stop(9)
    assert machine.end() == []


def test_a_block_that_begins_again_ends_the_one_before() -> None:
    machine = Machine()
    machine.start(0, type="thinking", thinking="a", signature="s")
    machine.start(0, type="text", text="b")
    assert [type(event) for event in machine.events] == [ReasoningDelta, ReasoningState, TextDelta]
