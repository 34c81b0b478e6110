"""Tools and the choice among them, as Gemini says it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ...api import invalid
from ...api.responses.request import ResponsesRequest
from ...api.responses.tool_choice import ToolChoice, runnable_choice
from ...api.responses.tool_map import ToolForm, ToolMap
from ...api.responses.tools import Tool, ToolKind
from .imaging import TOOL
from .profile import GeminiProfile
from .schema import clean_schema, takes_nothing

Ignore = Callable[[str], None]

_HOSTED = {
    "code_execution": "codeExecution",
    "code_interpreter": "codeExecution",
    "google_maps": "googleMaps",
    "google_search": "googleSearch",
    "url_context": "urlContext",
    "web_search": "googleSearch",
    "web_search_preview": "googleSearch",
    "web_search_2025_08_26": "googleSearch",
    "web_search_preview_2025_03_11": "googleSearch",
}
"""Tools that Google runs, by the names that OpenAI and Google have for them."""


class GeminiNames(ToolMap):
    """Names of tools as Gemini takes them: they begin with a letter or an underscore."""

    __slots__ = ("_prefixed",)

    def __init__(self) -> None:
        super().__init__()
        self._prefixed: dict[str, str] = {}

    @classmethod
    def of_tools(cls, tools: Iterable[Tool]) -> GeminiNames:
        """Returns the names of the tools that can be called."""
        names = cls()
        for tool in tools:
            if tool.kind != "hosted":
                names.add(ToolForm(tool.kind, tool.name, tool.namespace or None))
        return names

    def upstream_name(self, kind: ToolKind, namespace: str | None, name: str) -> str:
        """Returns the name under which Gemini knows a tool."""
        legal = super().upstream_name(kind, namespace, name)
        if legal[0].isalpha() or legal[0] == "_":
            return legal
        made = f"_{legal}"
        while made in self._by_upstream:
            made = f"_{made}"
        self._prefixed[made] = legal
        return made

    def lookup(self, name: str) -> ToolForm:
        """Returns what the client calls a tool that Gemini called."""
        return super().lookup(self._prefixed.get(name, name))


def tool_fields(
    request: ResponsesRequest,
    profile: GeminiProfile,
    names: GeminiNames,
    refuse_hosted: Callable[[Tool], bool],
    ignore: Ignore,
    *,
    tells_hosted: bool,
) -> dict[str, Any]:
    """Returns `tools` and `toolConfig`, as far as there is something to say.

    Hosted tools that Google has no equal of are told to `ignore`, or refused where `refuse_hosted` says so; so are all
    of them beside functions, where the model takes only one of both. `tells_hosted`: the upstream has to be asked to
    tell of its own tools where functions stand beside them.
    """
    functions = [tool for tool in request.tools if tool.kind != "hosted"]
    choice = runnable_choice(request.fields.get("tool_choice"), request.tools, ignore)
    if choice is not None and choice.only is not None and not choice.forced:
        names.allow_only(choice.only)
        if choice.mode != "required":
            functions = [tool for tool in functions if any(tool is one for one in choice.only)]
    hosted: dict[str, None] = {}
    for tool in request.tools:
        own = _HOSTED.get(tool.label)
        if tool.kind != "hosted" or (tool.label == TOOL and profile.draws):
            continue
        if own is not None and (profile.mixes or not functions):
            hosted[own] = None
        elif refuse_hosted(tool):
            message = f"Tools of type '{tool.label}' cannot be run by this model's upstream."
            raise invalid.unsupported(f"{tool.path}.type", message)
        else:
            ignore(f"{tool.path}: {tool.label}")
    _note(request, choice, functions, ignore)
    tools: list[dict[str, Any]] = [{name: {}} for name in hosted]
    config: dict[str, Any] = {}
    if functions:
        tools.insert(0, {"functionDeclarations": [_declaration(tool, names) for tool in functions]})
        if calling := _calling(choice, functions, profile, names):
            config["functionCallingConfig"] = calling
        if hosted and tells_hosted:
            config["includeServerSideToolInvocations"] = True
    fields = {"tools": tools, "toolConfig": config}
    return {name: value for name, value in fields.items() if value}


def _note(request: ResponsesRequest, choice: ToolChoice | None, functions: list[Tool], ignore: Ignore) -> None:
    """Names what of the choice has no effect."""
    if not functions and choice is not None and choice.mode == "required":
        ignore("tool_choice")
    if functions and request.value("parallel_tool_calls") is False:
        ignore("parallel_tool_calls")


def _declaration(tool: Tool, names: GeminiNames) -> dict[str, Any]:
    declaration: dict[str, Any] = {"name": names.upstream_name(tool.kind, tool.namespace, tool.name)}
    description = tool.full_description()
    if description:
        declaration["description"] = description
    schema = clean_schema(tool.parameters, f"{tool.path}.parameters")
    if not takes_nothing(schema):
        declaration["parametersJsonSchema"] = schema
    return declaration


def _calling(
    choice: ToolChoice | None, functions: list[Tool], profile: GeminiProfile, names: GeminiNames
) -> dict[str, Any]:
    """Returns how freely the model may call; empty for the default."""
    mode = "auto" if choice is None else choice.mode
    if mode == "none":
        return {"mode": "NONE"}
    if mode == "required":
        only = choice.only if choice is not None else None
        if only is None:
            return {"mode": "ANY"}
        allowed = [names.upstream_name(tool.kind, tool.namespace, tool.name) for tool in only]
        return {"mode": "ANY", "allowedFunctionNames": allowed}
    if profile.validated and any(tool.strict for tool in functions):
        return {"mode": "VALIDATED"}
    return {}
