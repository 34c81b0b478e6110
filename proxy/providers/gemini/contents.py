"""The conversation of a Responses request as Gemini's `contents`, and the instructions that stand beside them.

User and model take turns, and the user begins. What the model did at one go is one content, with the signatures on the
very parts they stood on; directly behind it stands what came of its calls, in their order, in one content of the user.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ...api import invalid
from ...api.chat.images import image_format
from ...api.responses.items import GeneratedImage
from ...api.responses.request import ResponsesRequest
from ...api.responses.turns import Called, ModelTurn, SystemTurn, Turn, UserTurn
from ...sealing import Sealing
from ..chat.content import system_text
from .content import user_parts
from .profile import GeminiProfile
from .state import Entry, entries_of, image_key, signed_by_id
from .tool_parts import call_part, output_parts
from .tools import GeminiNames

Part = dict[str, Any]
Content = dict[str, Any]

_UNKNOWN_SIGNATURE = "skip_thought_signature_validator"
"""What stands for the signature of what was made elsewhere, or lost: models refuse calls and images without any."""
_NOTHING = " "
_LOST = "input: reasoning"
"""How history is named in the header of what had no effect that only its maker could have read."""


class Asked:
    """What the parts of a conversation are made with. Without `sealing` nothing is given back that was sealed."""

    __slots__ = ("family", "ignore", "model", "names", "profile", "sealing", "signatures")

    def __init__(
        self,
        family: str,
        model: str,
        profile: GeminiProfile,
        names: GeminiNames,
        ignore: Callable[[str], None],
        *,
        sealing: Sealing | None,
        signatures: Mapping[str, str],
    ) -> None:
        self.family = family
        self.model = model
        self.profile = profile
        self.names = names
        self.ignore = ignore
        self.sealing = sealing
        self.signatures = signatures


def conversation(request: ResponsesRequest, asked: Asked, note: str | None = None) -> tuple[list[str], list[Content]]:
    """Returns the instructions, one text each and `note` the last of them, and the contents; raises BadRequest."""
    turns, dropped = request.turns(images=True)
    for what in dropped:
        asked.ignore(what)
    instructions = request.value("instructions")
    system: list[str] = [instructions] if instructions else []
    contents: list[Content] = []
    for group in _groups(turns):
        first = group[0]
        if isinstance(first, SystemTurn):
            system.append(system_text(first.content, first.path))
        elif isinstance(first, UserTurn):
            _add(contents, "user", user_parts(first.content, first.path))
        else:
            together = [turn for turn in group if isinstance(turn, ModelTurn)]
            _add(contents, "model", _model_parts(together, asked))
            called = [called for turn in together for called in turn.calls]
            _add(contents, "user", _outputs(called, asked))
    system = [text for text in system if text]
    if not contents and not system:
        raise invalid.invalid("input", "The input holds nothing that a model could read.", "invalid_value")
    if note is not None:
        system.append(note)
    if not contents or contents[0]["role"] != "user":
        contents.insert(0, {"role": "user", "parts": [{"text": _NOTHING}]})
    if system and not asked.profile.system:
        contents[0] = {"role": "user", "parts": [*({"text": text} for text in system), *contents[0]["parts"]]}
        system = []
    return system, contents


def _groups(turns: list[Turn]) -> list[list[Turn]]:
    """Returns the turns, those of the model together that are one go."""
    groups: list[list[Turn]] = []
    for turn in turns:
        if isinstance(turn, ModelTurn) and turn.continues and groups:
            groups[-1].append(turn)
        else:
            groups.append([turn])
    return groups


def _add(contents: list[Content], role: str, parts: list[Part]) -> None:
    """Adds parts: neighbours of one role are one content, and a content without parts is none."""
    if not parts:
        return
    if contents and contents[-1]["role"] == role:
        contents[-1]["parts"] += parts
    else:
        contents.append({"role": role, "parts": parts})


def _model_parts(turns: list[ModelTurn], asked: Asked) -> list[Part]:
    """Returns the parts of what the model did at one go."""
    entries = [_entries(turn, asked) for turn in turns]
    signatures = {**asked.signatures, **signed_by_id([entry for some in entries for entry in some])}
    made: list[Part | _Text] = []
    for turn, some in zip(turns, entries, strict=True):
        for entry in some:
            _replay(entry, made)
        text = turn.text + turn.refusal
        if text:
            made.append(_Text(text))
        made += [_signed(_image_part(image), signatures.get(image_key(image.result or ""))) for image in turn.images]
        for called in turn.calls:
            made.append(_signed(call_part(called.call, asked.names), signatures.get(called.call.call_id or "")))
    parts = [part for one in made for part in (one.parts() if isinstance(one, _Text) else [one])]
    if asked.profile.signatures:
        _sign_unsigned(parts)
    return parts


def _signed(part: Part, signature: str | None) -> Part:
    return {**part, "thoughtSignature": signature} if signature else part


def _image_part(image: GeneratedImage) -> Part:
    data = image.result or ""
    return {"inlineData": {"mimeType": f"image/{image_format(data, image.output_format)}", "data": data}}


def _entries(turn: ModelTurn, asked: Asked) -> list[Entry]:
    """Returns what a turn's thinking holds for this model. What only another one could read is named as lost."""
    made: list[Entry] = []
    for thought in turn.thoughts:
        found = entries_of([thought], asked.family, asked.model, asked.sealing) if asked.sealing is not None else []
        if not found and (thought.encrypted_content or thought.content):
            asked.ignore(_LOST)
        made += found
    return made


def _replay(entry: Entry, made: list[Part | _Text]) -> None:
    """Puts back what an entry tells of, behind what is made already."""
    on, signature = entry.get("on"), entry["data"]
    last = made[-1] if made else None
    if on == "text":
        if isinstance(last, _Text):
            last.sign(entry.get("range"), signature)
        else:
            made.append({"text": "", "thoughtSignature": signature})
    elif on == "thought" and isinstance(entry.get("text"), str):
        made.append({"text": entry["text"], "thought": True, "thoughtSignature": signature})
    elif on == "part" and isinstance(entry.get("part"), dict):
        made.append(entry["part"])


def _sign_unsigned(parts: list[Part]) -> None:
    """Signs what has no signature and needs one: images, and the first call of one go."""
    wanting = [part for part in parts if "inlineData" in part]
    wanting += [part for part in parts if "functionCall" in part][:1]
    for part in wanting:
        part.setdefault("thoughtSignature", _UNKNOWN_SIGNATURE)


class _Text:
    """One stretch of text, and the signatures on pieces of it: each makes a part of its own."""

    __slots__ = ("_marks", "_text")

    def __init__(self, text: str) -> None:
        self._text = text
        self._marks: list[tuple[int, int, str]] = []

    def sign(self, place: Any, signature: str) -> None:
        """Takes a signature on the characters from `place[0]` to `place[1]`; at the end where these make no sense."""
        end = len(self._text)
        match place:
            case [int(first), int(last)] if 0 <= first <= last:
                self._marks.append((min(first, end), min(last, end), signature))
            case _:
                self._marks.append((end, end, signature))

    def parts(self) -> list[Part]:
        """Returns the parts; the text is the same, whatever is signed."""
        parts: list[Part] = []
        at = 0
        for first, last, signature in self._marks:
            first = max(first, at)
            if first > at:
                parts.append({"text": self._text[at:first]})
            at = max(last, first)
            parts.append({"text": self._text[first:at], "thoughtSignature": signature})
        if at < len(self._text):
            parts.append({"text": self._text[at:]})
        return parts


def _outputs(calls: list[Called], asked: Asked) -> list[Part]:
    """Returns what came of calls, in their order; images that no response can hold stand behind all of them."""
    responses: list[Part] = []
    behind: list[Part] = []
    for called in calls:
        response, more = output_parts(called, asked.names, media=asked.profile.media_outputs)
        responses.append(response)
        behind += more
    return responses + behind
