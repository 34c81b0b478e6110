from __future__ import annotations

from typing import Any

import msgspec
import pytest

from proxy.providers.anthropic.hosted import HostedCall, Offers, is_call, is_result_of
from proxy.providers.anthropic.wire import Block


def block(**fields: Any) -> Block:
    return msgspec.convert(
        {**fields, **{name: msgspec.Raw(msgspec.json.encode(fields[name])) for name in ("input", "content")
                      if name in fields}}, Block)  # fmt: skip


def call(name: str = "web_search", *pieces: str, **more: Any) -> HostedCall:
    made = HostedCall(block(**{"type": "server_tool_use", "id": "s1", "name": name, "input": {}, **more}))
    made.pieces += pieces
    return made


def test_a_search() -> None:
    found = [{"type": "web_search_result", "url": "https://a", "title": "A", "encrypted_content": "x"}]
    result = block(type="web_search_tool_result", tool_use_id="s1", content=found)
    made = call("web_search", '{"query":', '"cats"}')
    assert made.id == "s1"
    assert made.item(result, sources=False) == {
        "type": "web_search_call",
        "status": "completed",
        "action": {"type": "search", "query": "cats", "queries": ["cats"]},
    }
    shown = made.item(result, sources=True)
    assert shown is not None
    assert shown["action"]["sources"] == [{"type": "url", "url": "https://a"}]


def test_a_search_that_failed_and_one_that_got_no_answer() -> None:
    error = {"type": "web_search_tool_result_error", "error_code": "max_uses_exceeded"}
    failed = call().item(block(type="web_search_tool_result", content=error), sources=True)
    assert failed is not None
    assert failed["status"] == "failed"
    assert failed["action"] == {"type": "search", "query": "", "queries": [], "sources": []}
    waiting = call(input={"query": "dogs"}).item(None, sources=False)
    assert waiting is not None
    assert (waiting["status"], waiting["action"]["query"]) == ("incomplete", "dogs")


def test_a_page_that_was_read() -> None:
    fetched = {"type": "web_fetch_result", "url": "https://a", "content": {"type": "document"}}
    item = call("web_fetch", '{"url":"https://a"}').item(block(type="web_fetch_tool_result", content=fetched),
                                                         sources=True)  # fmt: skip
    assert item is not None
    assert item["action"] == {"type": "open_page", "url": "https://a"}


@pytest.mark.parametrize(
    ("content", "is_error", "status", "output", "error"),
    [
        ([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], False, "completed", "ab", None),
        ("plain", None, "completed", "plain", None),
        ([{"type": "text", "text": "no"}], True, "failed", None, "no"),
        ([5], False, "completed", "", None),
    ],
)
def test_a_tool_of_another_server(content: Any, is_error: bool | None, status: str, output: Any, error: Any) -> None:
    made = HostedCall(block(type="mcp_tool_use", id="m1", name="ask", server_name="wiki", input={"q": 1}))
    assert made.item(block(type="mcp_tool_result", content=content, is_error=is_error), sources=False) == {
        "type": "mcp_call",
        "status": status,
        "server_label": "wiki",
        "name": "ask",
        "arguments": '{"q":1}',
        "output": output,
        "error": error,
    }


@pytest.mark.parametrize("name", ["code_execution", "tool_search_tool_bm25", "", None])
def test_tools_that_the_api_has_no_item_for(name: str | None) -> None:
    made = HostedCall(block(type="server_tool_use", id="s", name=name))
    assert made.item(None, sources=True) is None


def test_arguments_that_are_no_json() -> None:
    item = call("web_search", '{"query": 5').item(None, sources=False)
    assert item is not None
    assert item["action"]["query"] == ""


def plain(blocks: list[dict[str, Any]]) -> Any:
    """Returns blocks as they are written."""
    return msgspec.json.decode(msgspec.json.encode(blocks))


def test_a_call_and_its_result_are_given_back_as_they_came() -> None:
    found = [{"type": "web_search_result", "url": "https://a", "encrypted_content": "x", "page_age": None}]
    result = block(type="web_search_tool_result", tool_use_id="s1", content=found)
    assert plain(call("web_search", '{"query":', '"cats"}').given_back(result)) == [
        {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "cats"}},
        {"type": "web_search_tool_result", "tool_use_id": "s1", "content": found},
    ]
    asked = HostedCall(block(type="mcp_tool_use", id="m1", name="ask", server_name="wiki", input={"q": 1}))
    answer = [{"type": "text", "text": "no"}]
    assert plain(asked.given_back(block(type="mcp_tool_result", tool_use_id="m1", content=answer, is_error=True))) == [
        {"type": "mcp_tool_use", "id": "m1", "name": "ask", "input": {"q": 1}, "server_name": "wiki"},
        {"type": "mcp_tool_result", "tool_use_id": "m1", "content": answer, "is_error": True},
    ]


def test_arguments_that_were_cut_are_none() -> None:
    back = call("web_search", '{"query":').given_back(block(type="web_search_tool_result", tool_use_id="s1"))
    assert plain(back)[0]["input"] == {}


CALL = {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {}}
RESULT = {"type": "web_search_tool_result", "tool_use_id": "s1", "content": []}


@pytest.mark.parametrize(
    ("value", "is_one", "ends_one"),
    [
        (CALL, True, False),
        ({**CALL, "type": "tool_use"}, False, False),
        ({**CALL, "id": 5}, False, False),
        ({**CALL, "input": "x"}, False, False),
        (RESULT, False, True),
        ({**RESULT, "tool_use_id": "s2"}, False, False),
        ({**RESULT, "content": "words"}, False, True),
        ({**RESULT, "content": ["words"]}, False, False),
        ({**RESULT, "type": "tool_result"}, False, False),
        ({**RESULT, "type": 5}, False, False),
        (5, False, False),
    ],
)
def test_only_whole_blocks_are_taken_back(value: Any, is_one: bool, ends_one: bool) -> None:
    assert is_call(value) is is_one
    assert is_result_of(CALL, value) is ends_one


@pytest.mark.parametrize(
    ("called", "taken"),
    [
        (CALL, True),
        ({**CALL, "name": "web_fetch"}, False),
        ({**CALL, "name": "bash_code_execution"}, True),
        ({**CALL, "name": "mine"}, False),
        ({"type": "mcp_tool_use", "id": "m", "name": "web_search", "server_name": "wiki", "input": {}}, True),
        ({"type": "mcp_tool_use", "id": "m", "name": "web_search", "server_name": "other", "input": {}}, False),
    ],
)
def test_calls_go_back_where_their_tool_is_offered(called: dict[str, Any], taken: bool) -> None:
    tools: list[dict[str, Any]] = [
        {"type": "web_search_20250305", "name": "web_search"},
        {"type": "code_execution_20250825", "name": "code_execution"},
        {"name": "mine", "input_schema": {}},
    ]
    assert Offers.of(tools, [{"type": "url", "name": "wiki"}, 5, {"name": 5}]).takes(called) is taken
    assert not Offers.of([], None).takes(called)
