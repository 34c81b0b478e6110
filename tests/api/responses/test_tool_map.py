import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.api.raw import Raw
from proxy.api.responses.tool_map import ToolForm, ToolMap
from proxy.api.responses.tools import Tool

LEGAL = re.compile(r"[A-Za-z0-9_-]{1,64}")


def tool(name, namespace=None, kind="function"):
    return Tool(kind=kind, name=name, label=kind, path="tools[0]", raw=Raw(b"{}"), namespace=namespace)


def test_a_plain_name_stays_itself():
    names = ToolMap.of([tool("get_weather")])
    assert names.upstream_name("function", None, "get_weather") == "get_weather"
    assert names.lookup("get_weather") == ToolForm("function", "get_weather")


def test_a_namespace_goes_in_front_and_comes_back():
    names = ToolMap.of([tool("add", "mcp__demo"), tool("exec", "functions", "custom")])
    assert names.upstream_name("function", "mcp__demo", "add") == "mcp__demo__add"
    assert names.lookup("mcp__demo__add") == ToolForm("function", "add", "mcp__demo")
    assert names.lookup("functions__exec") == ToolForm("custom", "exec", "functions")
    assert names.lookup("functions__exec").input_field == "input"


def test_a_model_may_leave_out_the_namespace_where_only_one_can_be_meant():
    names = ToolMap.of([tool("add", "a"), tool("sub", "a"), tool("sub", "b")])
    assert names.lookup("add") == ToolForm("function", "add", "a")
    assert names.lookup("sub") == ToolForm("function", "sub")


@pytest.mark.parametrize("name", ["weather.get", "größe", "a b", "x" * 65, "x" * 200, "a/b"])
def test_illegal_names_become_legal_and_come_back(name):
    names = ToolMap.of([tool(name)])
    upstream = names.upstream_name("function", None, name)
    assert LEGAL.fullmatch(upstream)
    assert names.lookup(upstream).name == name


def test_names_that_fall_together_stay_apart():
    names = ToolMap.of([tool("a.b"), tool("a_b"), tool("b", "a"), tool("a__b")])
    upstream = {
        names.upstream_name("function", ns, name)
        for ns, name in [(None, "a.b"), (None, "a_b"), ("a", "b"), (None, "a__b")]
    }
    assert len(upstream) == 4
    assert all(LEGAL.fullmatch(one) for one in upstream)


def test_a_function_and_a_shell_of_one_name_stay_apart():
    names = ToolMap.of([tool("shell"), tool("shell", kind="shell")])
    own = names.upstream_name("shell", None, "shell")
    assert own != "shell"
    assert names.lookup("shell").kind == "function"
    assert names.lookup(own).kind == "shell"


def test_a_call_of_the_history_gets_the_name_its_tool_would_have_had():
    names = ToolMap.of([])
    assert names.upstream_name("function", "mcp__demo", "add") == "mcp__demo__add"
    assert names.lookup("mcp__demo__add") == ToolForm("function", "add", "mcp__demo")


def test_hosted_tools_have_no_name():
    assert ToolMap.of([tool("web_search", kind="hosted")]).lookup("web_search").kind == "function"


def test_an_empty_map_restores_nothing():
    assert ToolMap().lookup("a__b") == ToolForm("function", "a__b")


NAMES = st.text(min_size=1, max_size=80)


@given(st.lists(st.tuples(st.none() | NAMES, NAMES), unique=True, max_size=30))
def test_any_names_become_legal_and_unique_and_come_back(pairs):
    names = ToolMap.of([tool(name, namespace) for namespace, name in pairs])
    upstream = [names.upstream_name("function", namespace, name) for namespace, name in pairs]
    assert all(LEGAL.fullmatch(one) for one in upstream)
    assert len(set(upstream)) == len(pairs)
    assert [(names.lookup(one).namespace, names.lookup(one).name) for one in upstream] == pairs


def test_every_call_is_allowed_unless_the_request_names_tools():
    names = ToolMap.of([tool("f"), tool("g")])
    assert names.allows("f")
    assert names.allows("nobody declared this")


def test_only_the_named_tools_are_allowed_under_whatever_name_they_are_called():
    tools = [tool("f"), tool("add", "ns"), tool("g"), tool("shell", kind="shell")]
    names = ToolMap.of(tools)
    names.allow_only([tools[1], tools[3]])
    assert [name for name in ("f", "ns__add", "add", "g", "shell", "unknown") if names.allows(name)] == [
        "ns__add",
        "add",
        "shell",
    ]
