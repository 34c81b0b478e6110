"""The conversation of a Responses request as the `messages` of chat completions."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, cast

from ...api import invalid
from ...api.responses.items import PlainMessage
from ...api.responses.parts import PlainPart
from ...api.responses.request import ResponsesRequest
from ...api.responses.tool_map import ToolMap
from ...api.responses.turns import Called, ModelTurn, SystemTurn, Turn, UserTurn
from ...sealing import Sealing
from .content import PARAGRAPH, Content, system_text, user_content
from .profile import ChatProfile
from .replay import replayed
from .tool_messages import Attachments, tool_call, tool_message

Message = dict[str, Any]
Replay = Callable[[ModelTurn], dict[str, Any]]

_INSTRUCTING = ("system", "developer")


def chat_messages(
    request: ResponsesRequest,
    profile: ChatProfile,
    tools: ToolMap,
    ignore: Callable[[str], None],
    sealing: Sealing,
) -> list[Message]:
    """Returns the messages; raises BadRequest. `ignore` is told of history that no message can hold.

    `sealing` opens the thinking that is given back.

    A model's turn is one message with all its calls; the messages of role `tool` stand directly behind it, in the
    order of the calls, and behind those one message of the user with the images and files that tools gave back.
    """
    if request.is_plain and not profile.cache_breakpoints:
        return plain_messages(request, profile)
    messages = _instructing(request, profile)
    turns, dropped = request.turns()
    for what in dropped:
        ignore(what)
    replay = partial(replayed, profile=profile, sealing=sealing, ignore=ignore)
    for turn in turns:
        _add(turn, messages, profile, tools, replay)
    return _in_form(messages, profile)


def plain_messages(request: ResponsesRequest, profile: ChatProfile) -> list[Message]:
    """Returns the messages of a plain input where nobody marks what to cache: the same as `chat_messages`.

    Each of its items is a turn by itself. Raises BadRequest.
    """
    messages = _instructing(request, profile)
    for item in cast(list[PlainMessage], request.items):
        role, said = item.role, item.content
        content = said if isinstance(said, str) else _plain_content(role, said, profile)
        if role == "user":
            messages.append({"role": "user", "content": content})
        elif role != "assistant":
            messages.append({"role": profile.system_role, "content": content})
        elif content:
            messages.append({"role": "assistant", "content": content})
    return _in_form(messages, profile)


def _instructing(request: ResponsesRequest, profile: ChatProfile) -> list[Message]:
    """Returns the messages to begin with: one of the instructions, if there are any."""
    instructions = request.value("instructions")
    return [{"role": profile.system_role, "content": instructions}] if instructions else []


def _in_form(messages: list[Message], profile: ChatProfile) -> list[Message]:
    """Returns messages as the server takes them; raises BadRequest where nothing is said in them."""
    for message in messages:
        if message["content"] or message["role"] not in _INSTRUCTING:
            break
    else:
        raise invalid.invalid("input", "The input holds nothing that a model could read.", "invalid_value")
    if len(messages) == 1:
        return messages
    if profile.merge_system != "never":
        messages = _merge_system(messages, everywhere=profile.merge_system == "all")
    if profile.alternate:
        messages = _alternate(messages, profile)
    return messages


def _plain_content(role: str, parts: list[PlainPart], profile: ChatProfile) -> Content:
    if len(parts) == 1:
        return parts[0].text
    texts = [part.text for part in parts]
    if role == "user" and texts and not profile.string_content:
        return [{"type": "text", "text": text} for text in texts]
    return ("" if role == "assistant" else PARAGRAPH).join(texts)


def _add(turn: Turn, messages: list[Message], profile: ChatProfile, tools: ToolMap, replay: Replay) -> None:
    """Adds the messages of one turn; `replay` returns the fields that give its thinking back."""
    if isinstance(turn, SystemTurn):
        messages.append({"role": profile.system_role, "content": system_text(turn.content, turn.path)})
    elif isinstance(turn, UserTurn):
        messages.append({"role": "user", "content": user_content(turn.content, turn.path, profile)})
    else:
        message = _assistant(turn, profile, tools, replay)
        if message is None:
            return
        messages.append(message)
        _add_outputs(turn.calls, messages, profile, tools)


def _assistant(turn: ModelTurn, profile: ChatProfile, tools: ToolMap, replay: Replay) -> Message | None:
    """Returns the message of a model's turn; None when it only thought, or said nothing."""
    text, refusal = turn.text, turn.refusal
    if not text and not refusal and not turn.calls:
        return None
    if refusal and not profile.refusals:
        text, refusal = text + refusal, ""
    message: Message = {"role": "assistant", "content": text}
    if refusal:
        message["refusal"] = refusal
    if not text and (refusal or turn.calls) and not profile.content_null_as_empty:
        message["content"] = None
    message.update(replay(turn))
    if turn.calls:
        message["tool_calls"] = [tool_call(called.call, tools, profile) for called in turn.calls]
    return message


def _add_outputs(calls: list[Called], messages: list[Message], profile: ChatProfile, tools: ToolMap) -> None:
    attachments = Attachments()
    for called in calls:
        output, call_id = called.output, called.call.call_id
        assert output is not None, "seen to when the turns were assembled"
        assert call_id is not None, "calls without an id are in no turn"
        messages.append(tool_message(output, called.output_path, call_id, tools, profile, attachments))
    if attachments.parts:
        messages.append({"role": "user", "content": attachments.parts})


def _merge_system(messages: list[Message], *, everywhere: bool) -> list[Message]:
    """Makes one message of the system messages at the beginning, or of all, in their order."""
    count = 0
    while count < len(messages) and messages[count]["role"] in _INSTRUCTING:
        count += 1
    system, others = messages[:count], messages[count:]
    if everywhere:
        system += [message for message in others if message["role"] in _INSTRUCTING]
        others = [message for message in others if message["role"] not in _INSTRUCTING]
    if len(system) < 2:
        return system + others
    text = PARAGRAPH.join(message["content"] for message in system if message["content"])
    return [{"role": system[0]["role"], "content": text}, *others]


def _alternate(messages: list[Message], profile: ChatProfile) -> list[Message]:
    """Joins neighbouring messages of the user, and of the model where no calls stand between them."""
    joined: list[Message] = []
    for message in messages:
        before = joined[-1] if joined else None
        if before is None or before["role"] != message["role"] or message["role"] not in ("user", "assistant"):
            joined.append(dict(message))
        elif message["role"] == "user":
            before["content"] = _both(before["content"], message["content"])
        else:
            joined[-1] = _one_assistant(before, message, profile)
    return joined


def _one_assistant(first: Message, second: Message, profile: ChatProfile) -> Message:
    """Returns one message for two of the model; the first has no calls, else its outputs would stand between them."""
    message = {**first, **second}
    texts = [text for text in (first["content"], second["content"]) if text]
    message["content"] = PARAGRAPH.join(texts) if texts or profile.content_null_as_empty else second["content"]
    if "refusal" in first and "refusal" in second:
        message["refusal"] = first["refusal"] + second["refusal"]
    return message


def _both(first: Content, second: Content) -> Content:
    if isinstance(first, str) and isinstance(second, str):
        return PARAGRAPH.join(text for text in (first, second) if text)
    return _parts(first) + _parts(second)


def _parts(content: Content) -> list[dict[str, Any]]:
    if isinstance(content, list):
        return content
    return [{"type": "text", "text": content}] if content else []
