"""A chat-completions request as stages see it. Messages stay JSON bytes one by one until somebody reads them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, ClassVar, Literal, Self

import msgspec

from ...errors import BadRequest
from ...request import Dialect, InputText, ModelRequest, refuse_twins
from ..texts import Keys, field_texts, path_of, texts_of, with_texts_in_json
from .names import chat_name

_Object = dict[str, msgspec.Raw]
_JOIN = "\n\n"
_FIELDS = frozenset(
    (
        "audio",
        "chat_template_kwargs",
        "enable_thinking",
        "frequency_penalty",
        "function_call",
        "functions",
        "logit_bias",
        "logprobs",
        "max_completion_tokens",
        "max_output_tokens",
        "max_tokens",
        "messages",
        "metadata",
        "min_p",
        "modalities",
        "model",
        "moderation",
        "n",
        "parallel_tool_calls",
        "prediction",
        "presence_penalty",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "reasoning",
        "reasoning_effort",
        "repetition_penalty",
        "response_format",
        "safety_identifier",
        "seed",
        "service_tier",
        "stop",
        "store",
        "stream",
        "stream_options",
        "temperature",
        "thinking",
        "tool_choice",
        "tools",
        "top_k",
        "top_logprobs",
        "top_p",
        "user",
        "verbosity",
        "web_search_options",
    )
)
"""Parameters of the API, and those that servers of open models have beside them."""
_IN_MESSAGE = frozenset(("content", "role"))
_NO_TEXTS = frozenset(
    (
        "audio",
        "messages",
        "modalities",
        "model",
        "prompt_cache_key",
        "prompt_cache_retention",
        "reasoning_effort",
        "safety_identifier",
        "service_tier",
        "stream_options",
        "user",
        "verbosity",
    )
)
"""Fields that no model reads, and those that are read by themselves: all others may hold texts."""
_IN_PART = frozenset(("refusal", "text", "type"))


class _Message(msgspec.Struct):
    """What is looked at in a message before it is passed on."""

    role: str


_decode_messages = msgspec.json.Decoder(list[_Message]).decode
_decode_raws = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_object = msgspec.json.Decoder(_Object).decode
_decode_parts = msgspec.json.Decoder(list[_Object]).decode
_encode = msgspec.json.encode


class ChatRequest(ModelRequest):
    """The body of POST /chat/completions. It is checked no harder than a pass-through needs."""

    dialect: ClassVar[Dialect] = "chat"
    known: ClassVar[Collection[str]] = _FIELDS

    def validate(self) -> None:
        """Raises BadRequest for the first thing that would make no sense to any chat upstream."""
        _ = self.model, self.stream, self.include_usage
        raw = self.fields.get("messages")
        if raw is None:
            raise BadRequest(
                "Missing required parameter: 'messages'.", param="messages", code="missing_required_parameter"
            )
        try:
            messages = _decode_messages(raw)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise _explain(raw, error) from None
        if not messages:
            raise BadRequest(
                "Invalid 'messages': empty array. Expected an array with minimum length 1.",
                param="messages",
                code="empty_array",
            )
        n = self.get("n", 1)
        if not isinstance(n, int) or isinstance(n, bool) or n < 1:
            raise BadRequest("Invalid value for 'n': expected an integer from 1.", param="n", code="invalid_value")

    def check_translatable(self) -> None:
        """Raises BadRequest for what only a pass-through can do: several answers at once, spoken answers."""
        if self.get("n", 1) != 1:
            raise BadRequest("Unsupported value: 'n' must be 1 for this model.", param="n", code="unsupported_value")
        modalities = self.get("modalities", [])
        if isinstance(modalities, list) and "audio" in modalities:
            raise BadRequest(
                "Unsupported value: 'modalities' cannot contain 'audio' for this model.",
                param="modalities",
                code="unsupported_value",
            )

    def own_name(self, param: str) -> str:
        """Returns what the client calls a parameter that is named as in the Responses API."""
        return chat_name(param, self.fields)

    @property
    def include_usage(self) -> bool:
        """Whether the client wants the usage chunk at the end of its stream; raises BadRequest for a wrong type."""
        options = self.get("stream_options", {})
        if not isinstance(options, dict):
            raise BadRequest(
                "Invalid type for 'stream_options': expected an object.", param="stream_options", code="invalid_type"
            )
        return options.get("include_usage") is True

    def texts(self) -> Iterator[InputText]:
        """Yields the texts of all messages: whole contents, the parts of lists, files that are texts, and what is said
        to be the model's thoughts and calls of tools.

        Raises BadRequest for a second one that only some upstreams would read.
        """
        for index, raw in enumerate(self._messages()):
            message = _message(raw, f"messages[{index}].")
            content = bytes(message.get("content", b""))
            if content[:1] == b'"':
                yield ChatText(self, index, ("content",), msgspec.json.decode(content))
            elif content[:1] == b"[":
                for place, part in enumerate(_parts(content)):
                    refuse_twins(part, _IN_PART, f"messages[{index}].content[{place}].")
            rest = {field: written for field, written in message.items() if field != "role"}
            if content[:1] == b'"':
                del rest["content"]
            if rest:
                for keys, text in texts_of(_encode(rest), f"messages[{index}]"):
                    yield ChatText(self, index, keys, text)

    def more_texts(self) -> Iterable[InputText]:
        """Returns the texts of all other fields: tools, the form of the answer, metadata, what servers know besides."""
        others = self.fields.keys() - _NO_TEXTS
        return field_texts(self, others) if others else ()

    def add_instructions(self, text: str, where: Literal["prepend", "append"]) -> None:
        """Puts a text before or after the system messages that open the conversation.

        It is joined to the first or last of them rather than made a message of its own: many chat templates take only
        one, and only at the beginning. Without one, a system message is put in front.
        """
        raws = self._messages()
        leading = 0
        while leading < len(raws) and _role(raws[leading]) in ("system", "developer"):
            leading += 1
        if leading == 0:
            self._put_messages([msgspec.Raw(_encode({"role": "system", "content": text})), *raws])
            return
        place = 0 if where == "prepend" else leading - 1
        message = _decode_object(raws[place])
        old = msgspec.json.decode(message.get("content", b"null"))
        new: Any = text
        if isinstance(old, list):
            part = {"type": "text", "text": text}
            new = [part, *old] if where == "prepend" else [*old, part]
        elif isinstance(old, str) and old:
            new = text + _JOIN + old if where == "prepend" else old + _JOIN + text
        message["content"] = msgspec.Raw(_encode(new))
        raws[place] = msgspec.Raw(_encode(message))
        self._put_messages(raws)

    def copy(self) -> Self:
        """Returns a copy whose changes do not show in this one."""
        return type(self)(dict(self.fields))

    def _messages(self) -> list[msgspec.Raw]:
        """Returns the messages, each as JSON; none when the field is no list."""
        try:
            return _decode_raws(self.fields.get("messages", b"[]"))
        except (msgspec.DecodeError, UnicodeDecodeError):
            return []

    def _put_messages(self, raws: list[msgspec.Raw]) -> None:
        self.fields["messages"] = msgspec.Raw(b"[" + b",".join(raws) + b"]")

    def put_texts(self, texts: Sequence[tuple[int, Keys, str]]) -> None:
        """Puts other texts where keys lead to in messages."""
        of_messages: dict[int, list[tuple[Keys, str]]] = {}
        for index, keys, text in texts:
            of_messages.setdefault(index, []).append((keys, text))
        raws = self._messages()
        for index, some in of_messages.items():
            raws[index] = msgspec.Raw(with_texts_in_json(raws[index], some))
        self._put_messages(raws)


class ChatText:
    """One text of a chat request's messages; `path` says where it stands, as the API's `param` would."""

    __slots__ = ("_index", "_keys", "_request", "path", "text")

    def __init__(self, request: ChatRequest, index: int, keys: Keys, text: str) -> None:
        self._request = request
        self._index = index
        self._keys = keys
        self.path = f"messages[{index}]{path_of(keys)}"
        self.text = text

    def replace(self, text: str) -> None:
        """Puts another text in its place."""
        self.replace_all([(self, text)])

    @staticmethod
    def replace_all(changes: Sequence[tuple[ChatText, str]]) -> None:
        """Does so for many."""
        for place, text in changes:
            place.text = text
        changes[0][0]._request.put_texts([(place._index, place._keys, text) for place, text in changes])


def _message(raw: msgspec.Raw, path: str) -> _Object:
    try:
        fields = _decode_object(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}
    refuse_twins(fields, _IN_MESSAGE, path)
    return fields


def _parts(content: bytes) -> list[_Object]:
    try:
        return _decode_parts(content)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return []


def _role(raw: msgspec.Raw) -> Any:
    message = msgspec.json.decode(raw)
    return message.get("role") if isinstance(message, dict) else None


def _explain(raw: msgspec.Raw, error: Exception) -> BadRequest:
    """Returns the error for messages that are no list of objects with a role, naming the first that is wrong."""
    try:
        messages = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return BadRequest(f"The messages are not JSON: {error}", param="messages", code="invalid_json")
    if not isinstance(messages, list):
        return BadRequest(
            "Invalid type for 'messages': expected an array of objects.", param="messages", code="invalid_type"
        )
    for index, message in enumerate(messages):
        path = f"messages[{index}]"
        if not isinstance(message, dict):
            return BadRequest(f"Invalid type for '{path}': expected an object.", param=path, code="invalid_type")
        if "role" not in message:
            path += ".role"
            return BadRequest(f"Missing required parameter: '{path}'.", param=path, code="missing_required_parameter")
        if not isinstance(message["role"], str):
            path += ".role"
            return BadRequest(f"Invalid type for '{path}': expected a string.", param=path, code="invalid_type")
    return BadRequest(f"The messages cannot be read: {error}", param="messages", code="invalid_value")
