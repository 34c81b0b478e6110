import pytest

from proxy.api.raw import Raw
from proxy.api.responses.tools import Tool, declared
from proxy.errors import BadRequest
from proxy.providers.gemini.settings import AskSettings
from tests.support.asked import function, request
from tests.support.gemini import MODEL, OLD_MODEL, asked, build
from tests.support.strict_gemini import check

CITY = {"type": "object", "properties": {"city": {"type": "string", "minLength": 1}}, "required": ["city"]}


def tools(*declarations, model=MODEL, **fields):
    built = asked(model, tools=list(declarations), **fields)
    check(built.raw)
    return built


def calling(choice, *declarations, model=MODEL):
    built = tools(*(declarations or (function("f"), function("g"))), tool_choice=choice, model=model)
    return built.body.get("toolConfig", {}).get("functionCallingConfig"), built


def names(built):
    return [one["name"] for one in built.body["tools"][0]["functionDeclarations"]]


def test_functions_are_declared_with_a_schema_that_is_taken():
    built = tools(function("get", description="Gets it.", parameters=CITY, strict=False), function("now"))
    assert built.body["tools"] == [
        {
            "functionDeclarations": [
                {
                    "name": "get",
                    "description": "Gets it.",
                    "parametersJsonSchema": {
                        "type": "object",
                        "properties": {"city": {"type": "string"}},
                        "required": ["city"],
                    },
                },
                {"name": "now"},
            ]
        }
    ]
    assert "toolConfig" not in built.body


@pytest.mark.parametrize(
    ("label", "own"),
    [
        ("web_search", "googleSearch"),
        ("google_search", "googleSearch"),
        ("code_interpreter", "codeExecution"),
        ("code_execution", "codeExecution"),
        ("url_context", "urlContext"),
        ("google_maps", "googleMaps"),
    ],
)
def test_tools_that_google_runs(label, own):
    built = tools({"type": label}, function("f"))
    assert built.body["tools"][1:] == [{own: {}}]
    assert built.ignored == []


def test_a_freeform_tool_is_a_function_with_one_text():
    built = tools({"type": "custom", "name": "patch", "description": "Patches."})
    (declaration,) = built.body["tools"][0]["functionDeclarations"]
    assert declaration["parametersJsonSchema"]["required"] == ["input"]
    assert declaration["description"].startswith("Patches.\n\nPut the tool's whole input")


@pytest.mark.parametrize(
    ("choice", "config"),
    [
        ("auto", None),
        ("none", {"mode": "NONE"}),
        ("required", {"mode": "ANY"}),
        ({"type": "function", "name": "g"}, {"mode": "ANY", "allowedFunctionNames": ["g"]}),
        (
            {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "f"}]},
            {"mode": "ANY", "allowedFunctionNames": ["f"]},
        ),
    ],
)
def test_the_choice(choice, config):
    made, built = calling(choice)
    assert made == config
    assert names(built) == ["f", "g"]


def test_tools_that_may_not_be_called_are_left_out_where_none_must_be():
    made, built = calling({"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}]})
    assert (made, names(built)) == (None, ["f"])
    assert not built.names.allows("g")


@pytest.mark.parametrize(("model", "config"), [(MODEL, {"mode": "VALIDATED"}), ("gemini-2.0-flash", None)])
def test_strict_functions_are_held_to_their_schema_where_the_model_can_be(model, config):
    assert calling("auto", function("f", strict=True), model=model)[0] == config


def test_hosted_tools_that_google_has_too():
    built = tools({"type": "web_search"}, {"type": "code_interpreter", "container": {"type": "auto"}})
    assert built.body["tools"] == [{"googleSearch": {}}, {"codeExecution": {}}]
    assert built.ignored == []


def test_beside_functions_the_calls_of_hosted_tools_are_asked_for():
    built = tools(function("f"), {"type": "web_search"}, {"type": "web_search_preview"})
    assert built.body["tools"][1:] == [{"googleSearch": {}}]
    assert built.body["toolConfig"] == {"includeServerSideToolInvocations": True}
    made = build(request(tools=[function("f"), {"type": "web_search"}]), settings=AskSettings(tells_hosted=False))
    assert "toolConfig" not in made.body


def test_beside_functions_older_models_take_no_hosted_tools():
    built = tools(function("f"), {"type": "web_search"}, model=OLD_MODEL)
    assert len(built.body["tools"]) == 1
    assert built.ignored == ["tools[1]: web_search"]
    assert tools({"type": "web_search"}, model=OLD_MODEL).body["tools"] == [{"googleSearch": {}}]


def test_hosted_tools_that_nobody_runs_are_named_or_refused():
    search = {"type": "file_search", "vector_store_ids": ["vs_1"]}
    built = tools(search)
    assert "tools" not in built.body
    assert built.ignored == ["tools[0]: file_search"]
    with pytest.raises(BadRequest) as caught:
        build(request(tools=[search]), unsupported_tools="refuse")
    assert caught.value.param == "tools[0].type"


def test_a_choice_of_a_hosted_tool_has_no_effect():
    assert tools(function("f"), {"type": "web_search"}, tool_choice={"type": "web_search"}).ignored == ["tool_choice"]
    assert "tool_choice" in tools({"type": "web_search"}, tool_choice="required").ignored


def test_one_call_at_a_time_cannot_be_asked_for():
    assert tools(function("f"), parallel_tool_calls=False).ignored == ["parallel_tool_calls"]
    assert tools(function("f"), parallel_tool_calls=True).ignored == []


def test_names_begin_as_gemini_wants_them_and_are_found_again():
    built = tools(function("1st"), function("-x"), function("_1st"), function("ok"))
    made = names(built)
    assert made == ["__1st", "_-x", "_1st", "ok"]
    assert [built.names.lookup(name).name for name in made] == ["1st", "-x", "_1st", "ok"]
    assert all(built.names.allows(name) for name in made)


def test_a_schema_that_is_no_json_is_named():
    raw = Raw(b'{"type":"function","name":"f","parameters":{"a":1}}')
    (tool,) = declared([raw], "tools")
    assert isinstance(tool, Tool)
    with pytest.raises(BadRequest) as caught:
        tools(function("f", parameters=[1]))
    assert caught.value.param == "tools[0].parameters"
