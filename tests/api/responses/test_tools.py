import json

import pytest

from proxy.api.raw import Raw
from proxy.api.responses.tools import FREEFORM, NO_PARAMETERS, declared
from proxy.errors import BadRequest

SCHEMA = {"type": "object", "properties": {"a": {"type": "number"}}}


def read(*tools):
    return declared([Raw(json.dumps(tool).encode()) for tool in tools], "tools")


def refused(tool):
    with pytest.raises(BadRequest) as caught:
        read(tool)
    return caught.value


def test_a_function_keeps_its_schema_byte_for_byte():
    raw = b'{"type":"function","name":"f","parameters":{ "type":"object",  "x-\\u00e9": 1.0 },"strict":true}'
    (tool,) = declared([Raw(raw)], "tools")
    assert bytes(tool.parameters) == b'{ "type":"object",  "x-\\u00e9": 1.0 }'
    assert (tool.kind, tool.name, tool.description, tool.strict) == ("function", "f", None, True)


def test_a_function_of_chat_completions_form_is_taken_too():
    nested = {"type": "function", "function": {"name": "f", "description": "d", "parameters": SCHEMA, "strict": False}}
    (tool,) = read(nested)
    assert (tool.name, tool.description, tool.strict) == ("f", "d", False)
    assert json.loads(bytes(tool.parameters)) == SCHEMA


@pytest.mark.parametrize("more", [{}, {"parameters": None}])
def test_a_function_without_parameters_takes_none(more):
    (tool,) = read({"type": "function", "name": "f", **more})
    assert tool.parameters is NO_PARAMETERS
    assert tool.strict is None


def test_a_custom_tool_with_a_grammar_says_it_in_words():
    form = {"type": "grammar", "syntax": "lark", "definition": "start: /.+/s"}
    (tool,) = read({"type": "custom", "name": "patch", "description": "Edits.", "format": form})
    assert tool.kind == "custom"
    assert tool.parameters is FREEFORM
    description = tool.full_description()
    assert description is not None
    assert description.startswith("Edits.\n\n")
    assert description.endswith("must match this lark grammar:\nstart: /.+/s")


def test_the_nested_form_of_a_grammar_is_taken_too():
    nested = {"type": "grammar", "grammar": {"syntax": "regex", "definition": "a+"}}
    (tool,) = read({"type": "custom", "custom": {"name": "x", "format": nested}})
    assert tool.grammar is not None
    assert (tool.grammar.syntax, tool.grammar.definition) == ("regex", "a+")


def test_a_custom_tool_of_any_text_has_no_grammar():
    (tool,) = read({"type": "custom", "name": "x", "format": {"type": "text"}})
    assert tool.grammar is None


def test_a_namespace_is_taken_apart():
    inner = [{"type": "function", "name": "add", "parameters": SCHEMA}, {"type": "custom", "name": "run"}]
    tools = read({"type": "namespace", "name": "mcp__demo", "description": "d", "tools": inner})
    assert [(tool.namespace, tool.name, tool.kind, tool.path) for tool in tools] == [
        ("mcp__demo", "add", "function", "tools[0].tools[0]"),
        ("mcp__demo", "run", "custom", "tools[0].tools[1]"),
    ]


@pytest.mark.parametrize("kind", ["local_shell", "shell", "apply_patch"])
def test_what_the_client_runs_itself_gets_a_schema(kind):
    (tool,) = read({"type": kind})
    assert (tool.kind, tool.name) == (kind, kind)
    schema = json.loads(bytes(tool.parameters))
    assert schema["type"] == "object"
    assert set(schema["required"]) <= set(schema["properties"])
    assert tool.description


def test_a_search_by_the_client_keeps_its_own_schema():
    (tool,) = read({"type": "tool_search", "execution": "client", "description": "Find.", "parameters": SCHEMA})
    assert (tool.kind, tool.description) == ("tool_search", "Find.")
    assert json.loads(bytes(tool.parameters)) == SCHEMA


HOSTED = [
    {"type": "web_search", "external_web_access": True},
    {"type": "web_search_preview_2025_03_11"},
    {"type": "file_search", "vector_store_ids": ["vs"]},
    {"type": "mcp", "server_label": "x", "server_url": "https://example.com", "headers": None},
    {"type": "code_interpreter", "container": {"type": "auto"}},
    {"type": "image_generation"},
    {"type": "computer_use_preview", "environment": "browser"},
    {"type": "tool_search"},
    {"type": "tool_search", "execution": "server"},
    {"type": "shell", "environment": {"type": "container_auto"}},
    {"type": "acme:thing"},
    {"type": "from_the_future", "name": "x", "tools": "all"},
]


@pytest.mark.parametrize("tool", HOSTED, ids=[str(n) for n in range(len(HOSTED))])
def test_all_others_are_hosted_whatever_they_hold(tool):
    (read_tool,) = read(tool)
    assert (read_tool.kind, read_tool.label) == ("hosted", tool["type"])


@pytest.mark.parametrize(
    ("tool", "code", "param"),
    [
        ({}, "missing_required_parameter", "tools[0].type"),
        ({"type": "function"}, "missing_required_parameter", "tools[0].name"),
        ({"type": "function", "name": ""}, "string_below_min_length", "tools[0].name"),
        ({"type": "function", "name": 5}, "invalid_type", "tools[0].name"),
        ({"type": "function", "name": "f", "parameters": []}, "invalid_type", "tools[0].parameters"),
        ({"type": "custom"}, "missing_required_parameter", "tools[0].name"),
        ({"type": "custom", "name": "x", "format": {"type": "xml"}}, "invalid_value", "tools[0].format.type"),
        (
            {"type": "custom", "name": "x", "format": {"type": "grammar", "syntax": "lark"}},
            "missing_required_parameter",
            "tools[0].format.definition",
        ),
        (
            {"type": "custom", "name": "x", "format": {"type": "grammar", "definition": "a"}},
            "missing_required_parameter",
            "tools[0].format.syntax",
        ),
        ({"type": "namespace", "tools": []}, "missing_required_parameter", "tools[0].name"),
        (
            {"type": "namespace", "name": "n", "tools": [{"type": "function"}]},
            "missing_required_parameter",
            "tools[0].tools[0].name",
        ),
    ],
)
def test_what_is_wrong_is_named_where_it_stands(tool, code, param):
    error = refused(tool)
    assert (error.code, error.param) == (code, param)
