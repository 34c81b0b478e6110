"""Decides what an echo model answers to a request. Sans-IO, and without chance: the same body gives the same answer."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from .conversation import Conversation, Tool, declared_tools, must_call, read_conversation
from .directives import Accident, CallDirective, DirectiveError, Step
from .models import model_pace, model_step
from .sample import Sampler

_MAX_TEXT = 16 * 1024 * 1024
_NOTHING_SAID = "There is nothing to echo."


class Call(msgspec.Struct):
    """One tool call: `arguments` is JSON text, or the raw input of a custom tool."""

    name: str
    arguments: str
    custom: bool = False


class Answer(msgspec.Struct):
    """All that an echo model will do: say this, or fail like that, at this pace.

    `status` other than 200 is an HTTP error of that status with `code` and `message`. `limit` is the most tokens that
    may be said. `accident` happens after `after` tokens, or half-way. `head_s` and `first_token_s` are pauses in
    seconds, before the head and behind it.
    """

    reasoning: str = ""
    text: str = ""
    refusal: str = ""
    calls: list[Call] = msgspec.field(default_factory=list)
    finish: str | None = None
    limit: int | None = None
    half: bool = False
    logprobs: bool = False
    prompt_tokens: int = 0
    accident: Accident | None = None
    after: int | None = None
    tokens_per_s: float = 0.0
    first_token_s: float = 0.0
    head_s: float = 0.0
    status: int = 200
    code: str | None = None
    message: str = ""
    param: str | None = None


def decide(body: dict[str, Any], tokens_per_s: float = 0.0) -> Answer:
    """Returns the answer to the body of a chat request; `tokens_per_s` is the pace where nothing else is said."""
    model = body.get("model")
    base = model_step(model) if isinstance(model, str) else None
    if base is None or not isinstance(model, str):
        return Answer(
            status=404,
            code="model_not_found",
            message=f"The model '{model}' does not exist or you do not have access to it.",
            param="model",
        )
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        return Answer(status=400, message="'messages' must be a list with at least one message.", param="messages")
    try:
        conversation = read_conversation(messages)
    except DirectiveError as error:
        return Answer(status=400, code="invalid_directive", message=str(error), param="messages")
    answer = Answer(prompt_tokens=conversation.prompt_tokens)
    step = _merged(base, conversation.step)
    _settings(answer, conversation, model_pace(model, tokens_per_s))
    if step.status is not None:
        answer.status, answer.code = step.status, step.code
        answer.message = f"The echo model answers with an error of status {step.status}, as it was asked to."
        return answer
    _speak(answer, model, step, conversation, body)
    _obey(answer, model, body, conversation.directives.repeat or 1)
    answer.finish = step.finish
    answer.accident, answer.after = step.accident, step.after
    return answer


def _merged(base: Step, step: Step | None) -> Step:
    """Returns what to do: what the directives say, and what they leave open as the model does it by itself."""
    if step is None:
        return base
    speaks = step.say is not None or bool(step.calls)
    return Step(
        say=step.say,
        reasoning=step.reasoning,
        calls=step.calls,
        refusal=step.refusal if speaks else step.refusal or base.refusal,
        finish=step.finish,
        status=step.status or base.status,
        code=step.code,
        accident=step.accident or base.accident,
        after=step.after,
    )


def _settings(answer: Answer, conversation: Conversation, pace: float) -> None:
    said = conversation.directives
    answer.tokens_per_s = pace if said.tokens_per_s is None else said.tokens_per_s
    answer.first_token_s = said.first_token_s or 0.0
    answer.head_s = said.head_s or 0.0


def _speak(answer: Answer, model: str, step: Step, conversation: Conversation, body: dict[str, Any]) -> None:
    """Fills in what is thought, said and called."""
    results = conversation.results
    tools = declared_tools(body)
    if step.calls:
        answer.calls = [_directed(call, tools, conversation.text) for call in step.calls]
    elif step.say is None and step.refusal is None and not results:
        answer.calls = _chosen(model, tools, conversation.text, body)
    answer.refusal = step.refusal or ""
    if step.say is not None:
        answer.text = step.say
    elif not answer.calls and not answer.refusal:
        answer.text = _said(conversation, body)
    if step.reasoning is not None:
        answer.reasoning = step.reasoning
    elif model == "echo-reasoning":
        answer.reasoning = _thoughts(answer, conversation)


def _said(conversation: Conversation, body: dict[str, Any]) -> str:
    """Returns the text of an answer that no directive gives: the results of tools, else what the user said."""
    results = conversation.results
    text = "\n".join(f"{one.name or 'The tool'} said: {one.text}" for one in results) or conversation.text
    wanted = body.get("response_format")
    kind = wanted.get("type") if isinstance(wanted, dict) else None
    if kind == "json_object":
        return msgspec.json.encode({"echo": text}).decode()
    if kind == "json_schema":
        inner = wanted.get("json_schema") if isinstance(wanted, dict) else None
        schema = inner.get("schema") if isinstance(inner, dict) else None
        return msgspec.json.encode(Sampler(schema if isinstance(schema, dict) else {}, text).value()).decode()
    return text or _NOTHING_SAID


def _thoughts(answer: Answer, conversation: Conversation) -> str:
    if answer.calls:
        return f"I was asked: {conversation.text} I will call {answer.calls[0].name}."
    if conversation.results:
        return "The tools have answered. I will say what they said."
    return f"I was told: {conversation.text} I will say it back."


def _chosen(model: str, tools: list[Tool], text: str, body: dict[str, Any]) -> list[Call]:
    """Returns the calls that the model makes by itself."""
    if not tools or not (model in ("echo-tools", "echo-tools-parallel") or must_call(body)):
        return []
    named = [tool for tool in tools if _mentions(text, tool)]
    if model != "echo-tools-parallel" or body.get("parallel_tool_calls") is False:
        return [_made_up((named or tools)[0], text)]
    several = named if len(named) > 1 else [*named, *(tool for tool in tools if tool not in named)][:2]
    if len(several) == 1:
        return [_made_up(several[0], text), _made_up(several[0], f"{text} (again)")]
    return [_made_up(tool, text) for tool in several]


def _mentions(text: str, tool: Tool) -> bool:
    return any(re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text) is not None for name in (tool.name, tool.bare))


def _made_up(tool: Tool, text: str) -> Call:
    """Returns a call with arguments out of the text."""
    if tool.custom:
        return Call(tool.name, text, custom=True)
    value = Sampler(tool.schema, text).value() if tool.schema else {}
    return Call(tool.name, msgspec.json.encode(value if isinstance(value, dict) else {}).decode())


def _directed(call: CallDirective, tools: list[Tool], text: str) -> Call:
    """Returns the call that a directive asks for; a tool that is not declared is called all the same."""
    tool = _find(call.name, tools)
    given = call.arguments
    if call.verbatim:
        return Call(tool.name, given if isinstance(given, str) else "", custom=tool.custom)
    if given is None:
        return _made_up(tool, text)
    if isinstance(given, dict):
        return Call(tool.name, msgspec.json.encode(given).decode(), custom=tool.custom)
    if tool.custom:
        return Call(tool.name, given, custom=True)
    return Call(tool.name, msgspec.json.encode({_text_property(tool.schema): given}).decode())


def _find(name: str, tools: list[Tool]) -> Tool:
    """Returns the declared tool of a name: its own, or the one that it had before a namespace was put in front."""
    flat = name.replace(".", "__")
    for tool in tools:
        if tool.name in (name, flat):
            return tool
    return next((tool for tool in tools if tool.name.endswith("__" + flat)), Tool(name))


def _text_property(schema: dict[str, Any]) -> str:
    """Returns the property that raw text goes into: the first required string, else `input`."""
    properties = schema.get("properties")
    for name in schema.get("required") or ():
        part = properties.get(name) if isinstance(properties, dict) else None
        if isinstance(part, dict) and part.get("type") == "string":
            return str(name)
    return "input"


def _obey(answer: Answer, model: str, body: dict[str, Any], repeat: int) -> None:
    """Applies the parameters that limit or change what is said."""
    if repeat > 1 and answer.text:
        if (len(answer.text) + 1) * repeat > _MAX_TEXT:
            repeat = max(1, _MAX_TEXT // (len(answer.text) + 1))
        answer.text = " ".join([answer.text] * repeat)
    stop = body.get("stop")
    for end in [stop] if isinstance(stop, str) else stop if isinstance(stop, list) else []:
        if isinstance(end, str) and end:
            answer.text = answer.text.partition(end)[0]
    limits = [body.get(name) for name in ("max_completion_tokens", "max_tokens")]
    answer.limit = next((one for one in limits if isinstance(one, int) and not isinstance(one, bool) and one > 0), None)
    answer.half = model == "echo-length" and answer.limit is None
    answer.logprobs = body.get("logprobs") is True
