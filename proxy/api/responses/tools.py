"""The tools a client declares, in all the forms it may do so, as one flat list.

Tools stand in `tools`, in `additional_tools` items, and in the results of a tool search; each may be a function, a
freeform (custom) tool, a namespace of such tools, or a tool of OpenAI's own. Of the last kind those that the client
runs itself (shells, patches, tool search) can be told to any model as functions; the others are `hosted`: nothing here
runs them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

from .. import invalid
from ..raw import ABSENT, Raw, given

ToolKind = Literal["function", "custom", "tool_search", "local_shell", "shell", "apply_patch", "hosted"]

NO_PARAMETERS = Raw(b'{"type":"object","properties":{}}')
FREEFORM = Raw(b'{"type":"object","properties":{"input":{"type":"string"}},"required":["input"]}')
"""The schema of the function that stands for a freeform tool."""

_TOOL_SEARCH = Raw(
    b'{"type":"object","properties":{"query":{"type":"string","description":"What the tool should do."},'
    b'"limit":{"type":"integer","description":"How many tools to return at most."}},"required":["query"]}'
)
_LOCAL_SHELL = Raw(
    b'{"type":"object","properties":{"type":{"type":"string","enum":["exec"]},"command":{"type":"array","items":{"type":"string"},"description":'
    b'"The program and its arguments."},"working_directory":{"type":"string"},"timeout_ms":{"type":"integer"},'
    b'"env":{"type":"object","additionalProperties":{"type":"string"}},"user":{"type":"string"}},'
    b'"required":["type","command"]}'
)
_SHELL = Raw(
    b'{"type":"object","properties":{"commands":{"type":"array","items":{"type":"string"},"description":'
    b'"Shell commands to run, in order."},"timeout_ms":{"type":"integer","description":"Limit for all of them."},'
    b'"max_output_length":{"type":"integer","description":"Characters of output to keep."}},"required":["commands"]}'
)
_APPLY_PATCH = Raw(
    b'{"type":"object","properties":{"type":{"type":"string","enum":["create_file","update_file","delete_file"]},'
    b'"path":{"type":"string","description":"Path of the file, relative to the workspace."},"diff":{"type":"string",'
    b'"description":"Unified diff without file headers; for a new file all its lines with a leading +. Not for'
    b' delete_file."}},"required":["type","path"]}'
)


class Grammar(msgspec.Struct):
    """A grammar in `lark` or `regex` syntax."""

    syntax: str
    definition: str


class InputFormat(msgspec.Struct):
    """What a freeform tool takes: any text, or text of a grammar (flat, or nested as in chat completions)."""

    type: str
    syntax: str | None = None
    definition: str | None = None
    grammar: Grammar | None = None


class _Kind(msgspec.Struct):
    type: str


class _Named(msgspec.Struct):
    """A function or freeform tool."""

    name: str | None = None
    description: str | None = None
    parameters: Raw = ABSENT
    strict: bool | None = None
    format: InputFormat | None = None


class _NamedParam(_Named):
    """The same as it is declared: flat, or nested as in chat completions."""

    function: _Named | None = None
    custom: _Named | None = None


class _TypedParam(_NamedParam, kw_only=True):
    """The same with its type, where that is one of the two."""

    type: Literal["function", "custom"]


class _Namespace(msgspec.Struct):
    name: str
    tools: list[Raw] | None = None


class _Environment(msgspec.Struct):
    type: str | None = None


class _Own(msgspec.Struct):
    """A tool of OpenAI's own that a client may run itself."""

    description: str | None = None
    parameters: Raw = ABSENT
    execution: str | None = None
    environment: _Environment | None = None


class Tool(msgspec.Struct, kw_only=True):
    """One tool, flat. `path` is where it was declared and as which type (`label`); `raw` is what stood there."""

    kind: ToolKind
    name: str
    label: str
    path: str
    raw: Raw
    namespace: str | None = None
    description: str | None = None
    parameters: Raw = NO_PARAMETERS
    strict: bool | None = None
    grammar: Grammar | None = None

    def full_description(self) -> str | None:
        """The description for a model that knows functions only: what the form would have said is said in words."""
        if self.kind != "custom":
            return self.description
        lines = [self.description] if self.description else []
        lines.append("Put the tool's whole input, as it is, into the string `input`.")
        if self.grammar is not None:
            lines.append(f"The input must match this {self.grammar.syntax} grammar:\n{self.grammar.definition}")
        return "\n\n".join(lines)


_decode_kind = msgspec.json.Decoder(_Kind).decode
_decode_typed = msgspec.json.Decoder(_TypedParam).decode
_decode_named = msgspec.json.Decoder(_NamedParam).decode
_decode_namespace = msgspec.json.Decoder(_Namespace).decode
_decode_own = msgspec.json.Decoder(_Own).decode

_OWN: dict[str, tuple[ToolKind, str, Raw]] = {
    "tool_search": ("tool_search", "Searches for tools that are not listed yet.", _TOOL_SEARCH),
    "local_shell": ("local_shell", "Runs a command on the user's machine.", _LOCAL_SHELL),
    "shell": ("shell", "Runs shell commands on the user's machine.", _SHELL),
    "apply_patch": ("apply_patch", "Creates, updates or deletes a file.", _APPLY_PATCH),
}


def declared(raws: Iterable[Raw], path: str) -> list[Tool]:
    """Returns the tools of a list of declarations that stands at `path`; raises BadRequest."""
    tools: list[Tool] = []
    for index, raw in enumerate(raws):
        where = f"{path}[{index}]"
        try:
            tools.extend(_read(raw, where))
        except invalid.UNREADABLE as error:
            raise invalid.from_decoding(error, where) from None
    return tools


def _read(raw: Raw, path: str) -> list[Tool]:
    """Returns the tools of one declaration: several for a namespace, else one."""
    try:
        param = _decode_typed(raw)  # most are such, and need be read once only
    except invalid.UNREADABLE:
        return _read_other(raw, path)
    return [_named(param.type, (param.function if param.type == "function" else param.custom) or param, raw, path)]


def _read_other(raw: Raw, path: str) -> list[Tool]:
    """Returns the tools of any declaration; what is wrong with one is told by its type."""
    kind = _decode_kind(raw).type
    if kind == "namespace":
        return _members(_decode_namespace(raw), path)
    if kind == "function":
        function = _decode_named(raw)
        return [_named("function", function.function or function, raw, path)]
    if kind == "custom":
        custom = _decode_named(raw)
        return [_named("custom", custom.custom or custom, raw, path)]
    return [_own(kind, raw, path) or Tool(kind="hosted", name=kind, label=kind, path=path, raw=raw)]


def _members(namespace: _Namespace, path: str) -> list[Tool]:
    if not namespace.name:
        raise invalid.too_short(f"{path}.name")
    tools = declared(namespace.tools or (), f"{path}.tools")
    for tool in tools:
        tool.namespace = namespace.name
    return tools


def _own(kind: str, raw: Raw, path: str) -> Tool | None:
    """Returns a tool of OpenAI's own that the client runs itself; None for all others."""
    known = _OWN.get(kind)
    if known is None:
        return None
    param = _decode_own(raw)
    where = param.environment.type if param.environment is not None else None
    if (kind == "tool_search" and param.execution != "client") or (where or "").startswith("container"):
        return None
    own_kind, description, schema = known
    return Tool(
        kind=own_kind,
        name=own_kind,
        label=kind,
        path=path,
        raw=raw,
        description=param.description or description,
        parameters=_schema(param.parameters, path) if given(param.parameters) else schema,
    )


def _named(kind: ToolKind, param: _Named, raw: Raw, path: str) -> Tool:
    """Returns a function or freeform tool."""
    if param.name is None:
        raise invalid.missing(f"{path}.name")
    if not param.name:
        raise invalid.too_short(f"{path}.name")
    return Tool(
        kind=kind,
        name=param.name,
        label=kind,
        path=path,
        raw=raw,
        description=param.description,
        parameters=FREEFORM if kind == "custom" else _schema(param.parameters, path),
        strict=param.strict,
        grammar=_grammar(param.format, path),
    )


def _schema(parameters: Raw, path: str) -> Raw:
    """Returns the schema of the parameters; none given means none taken."""
    if not given(parameters):
        return NO_PARAMETERS
    if not bytes(parameters).startswith(b"{"):
        raise invalid.wrong_type(f"{path}.parameters", "an object")
    return parameters


def _grammar(form: InputFormat | None, path: str) -> Grammar | None:
    """Returns the grammar of a freeform tool, if it has one."""
    if form is None or form.type == "text":
        return None
    if form.type != "grammar":
        raise invalid.bad_value(f"{path}.format.type", form.type, ("text", "grammar"))
    if form.grammar is not None:
        return form.grammar
    if form.syntax is None:
        raise invalid.missing(f"{path}.format.syntax")
    if form.definition is None:
        raise invalid.missing(f"{path}.format.definition")
    return Grammar(form.syntax, form.definition)
