"""Images in and out: how closely those of the input are looked at, and how those of the answer are made."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgspec

from ...api import invalid
from ...api.responses.items import Message, ToolOutput
from ...api.responses.parts import InputImage
from ...api.responses.request import ResponsesRequest
from .profile import GeminiProfile

Ignore = Callable[[str], None]
Fields = dict[str, Any]

TOOL = "image_generation"
_MODALITIES = {"text": "TEXT", "image": "IMAGE"}
_CONFIG = {"aspect_ratio": "aspectRatio", "image_size": "imageSize"}
"""What OpenRouter and others call the settings of an image, in Google's words."""
_RATIOS = ("1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9")
_SIZE = re.compile(r"([1-9]\d{0,4})x([1-9]\d{0,4})")
_RESOLUTIONS = {"low": "MEDIA_RESOLUTION_LOW", "high": "MEDIA_RESOLUTION_HIGH", "original": "MEDIA_RESOLUTION_HIGH"}
_MODEL_CHOOSES = (None, "auto")
_LEFT_OUT = ("background", "input_fidelity", "input_image_mask", "moderation", "output_compression", "quality")
"""Settings of OpenAI's tool that Google has no equal of."""


class _Tool(msgspec.Struct):
    size: str | None = None


_decode_tool = msgspec.json.Decoder(_Tool).decode
_decode_fields = msgspec.json.Decoder(Fields).decode


def seen(request: ResponsesRequest, ignore: Ignore) -> Fields:
    """Returns how closely all images are looked at: as closely as any of them demands.

    `ignore` is told of images that need not have been looked at so closely.
    """
    asked = {path: _RESOLUTIONS[detail] for path, detail in _details(request) if detail in _RESOLUTIONS}
    if not asked:
        return {}
    closest = max(asked.values(), key=list(_RESOLUTIONS.values()).index)
    for path, resolution in asked.items():
        if resolution != closest:
            ignore(path)
    return {"mediaResolution": closest}


def _details(request: ResponsesRequest) -> list[tuple[str, str | None]]:
    """Returns what each image of the input says of it, and where."""
    found: list[tuple[str, str | None]] = []
    for index, item in enumerate(request.items):
        name = "content" if isinstance(item, Message) else "output" if isinstance(item, ToolOutput) else ""
        content = getattr(item, name) if name else None
        for place, part in enumerate(content if isinstance(content, list) else ()):
            if isinstance(part, InputImage):
                found.append((f"input[{index}].{name}[{place}].detail", part.detail))
    return found


def drawn(request: ResponsesRequest, profile: GeminiProfile, ignore: Ignore) -> Fields:
    """Returns of which kinds the answer is, and how its images are made; raises BadRequest."""
    fields: Fields = {}
    config: Fields = {}
    for tool in request.tools if profile.draws else ():
        if tool.kind == "hosted" and tool.label == TOOL:
            fields["responseModalities"] = ["TEXT", "IMAGE"]
            config |= _of_tool(bytes(tool.raw), tool.path, ignore)
    config |= _of_config(request.get("image_config"), ignore)
    kinds = request.get("modalities")
    if kinds is not None:
        if not isinstance(kinds, list) or not all(isinstance(kind, str) for kind in kinds):
            raise invalid.wrong_type("modalities", "an array of strings")
        for index, kind in enumerate(kinds):
            if kind not in _MODALITIES:
                raise invalid.bad_value(f"modalities[{index}]", kind, tuple(_MODALITIES))
        if kinds:
            fields["responseModalities"] = [name for kind, name in _MODALITIES.items() if kind in kinds]
    if config:
        fields["imageConfig"] = config
    return fields


def _of_tool(raw: bytes, path: str, ignore: Ignore) -> Fields:
    try:
        size = _decode_tool(raw).size
        settings = _decode_fields(raw)
    except invalid.UNREADABLE as error:
        raise invalid.from_decoding(error, path) from None
    for name in _LEFT_OUT:
        if settings.get(name) not in _MODEL_CHOOSES:
            ignore(f"{path}.{name}")
    found = _SIZE.fullmatch(size or "")
    if found is None:
        if size not in _MODEL_CHOOSES:
            ignore(f"{path}.size")
        return {}
    wanted = int(found[1]) / int(found[2])
    return {"aspectRatio": min(_RATIOS, key=lambda ratio: abs(_quotient(ratio) / wanted - 1))}


def _quotient(ratio: str) -> float:
    width, _, height = ratio.partition(":")
    return int(width) / int(height)


def _of_config(config: Any, ignore: Ignore) -> Fields:
    if config is None:
        return {}
    if not isinstance(config, dict):
        raise invalid.wrong_type("image_config", "an object")
    for name in config:
        if name not in _CONFIG:
            ignore(f"image_config.{name}")
    made = {there: config.get(name) for name, there in _CONFIG.items() if config.get(name) is not None}
    for name, there in _CONFIG.items():
        if not isinstance(made.get(there, ""), str):
            raise invalid.wrong_type(f"image_config.{name}", "a string")
    return made
