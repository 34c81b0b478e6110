"""Content parts of the Responses API as content blocks of Converse."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any

from ...api import invalid
from ...api.raw import given
from ...api.responses.parts import (
    InputAudio,
    InputFile,
    InputImage,
    InputPart,
    InputVideo,
    RefusalPart,
    TextPart,
)
from ...errors import BadRequest
from .documents import (
    DOCUMENTS,
    IMAGES,
    SOUNDS,
    VIDEOS,
    Names,
    document_format,
    image_format,
    named_format,
    video_format,
)

Block = dict[str, Any]

CACHE_POINT = "cachePoint"

_DATA_URL = re.compile(r"data:([^,]*),", re.IGNORECASE)
_S3 = "s3://"


class Content:
    """Turns the parts of one request into blocks; it knows the documents before.

    `cite`: ask for citations of documents. `cache`: say where the client wants a breakpoint of the cache.
    """

    def __init__(self, *, cite: bool, cache: bool) -> None:
        self._names = Names()
        self._cite = cite
        self._cache = cache

    def blocks(self, content: str | list[InputPart], path: str, field: str = "content") -> list[Block]:
        """Returns the blocks of a message or output that stands at `path`; raises BadRequest for what cannot be shown.

        Text of nothing but white space is left out: Converse refuses it.
        """
        if isinstance(content, str):
            return text_blocks(content)
        made: list[Block] = []
        for index, part in enumerate(content):
            made += self._part(part, f"{path}.{field}[{index}]")
            if made and self._cache and given(part.prompt_cache_breakpoint):
                made.append(cache_point())
        return made

    def _part(self, part: InputPart, path: str) -> list[Block]:
        if isinstance(part, TextPart):
            return text_blocks(part.text)
        if isinstance(part, RefusalPart):
            return text_blocks(part.refusal)
        if isinstance(part, InputImage):
            return [_image(part, path)]
        if isinstance(part, InputFile):
            return [self._file(part, path)]
        if isinstance(part, InputAudio):
            return [_audio(part, path)]
        return [_video(part, path)]

    def _file(self, part: InputFile, path: str) -> Block:
        address = part.file_url
        if address is not None:
            where = f"{path}.file_url"
            if not address.startswith(_S3):
                raise _cannot(where, "Bedrock fetches files from S3 alone: send 'file_data', or an s3:// address.")
            form = named_format(part.filename or address, DOCUMENTS) or named_format(address, DOCUMENTS)
            return self._document(_known(form, where, DOCUMENTS), _in_s3(address), part.filename or address)
        if part.file_data is None:
            if part.file_id is not None:
                raise _cannot(f"{path}.file_id", "Bedrock keeps no files: send 'file_data'.")
            raise invalid.missing(f"{path}.file_data")
        where = f"{path}.file_data"
        media_type, encoded, raw = _data(part.file_data, where, bare=True)
        picture = image_format(raw)
        if picture is not None:
            return {"image": {"format": picture, "source": {"bytes": encoded}}}
        form = _known(document_format(raw, media_type, part.filename), where, DOCUMENTS)
        return self._document(form, {"bytes": encoded}, part.filename)

    def _document(self, form: str, source: Block, filename: str | None) -> Block:
        name = self._names.take(filename.rpartition("/")[2] if filename else None)
        document: Block = {"format": form, "name": name, "source": source}
        if self._cite:
            document["citations"] = {"enabled": True}
        return {"document": document}


def text_blocks(text: str) -> list[Block]:
    """Returns a text as one block, or none when it says nothing."""
    return [{"text": text}] if text and not text.isspace() else []


def cache_point() -> Block:
    """Returns a breakpoint of the cache."""
    return {CACHE_POINT: {"type": "default"}}


def system_blocks(content: str | list[InputPart], path: str, *, cache: bool) -> list[Block]:
    """Returns the text blocks of a message that instructs the model; raises BadRequest when there is more than text."""
    if isinstance(content, str):
        return text_blocks(content)
    for index, part in enumerate(content):
        if not isinstance(part, TextPart):
            where = f"{path}.content[{index}].type"
            raise invalid.bad_value(where, str(part.__struct_config__.tag), ("input_text",))
    return Content(cite=False, cache=cache).blocks(content, path)


def _image(part: InputImage, path: str) -> Block:
    url, where = part.image_url, f"{path}.image_url"
    if url is None:
        if part.file_id is not None:
            raise _cannot(f"{path}.file_id", "Bedrock keeps no files: send an 'image_url' of the form data:...")
        raise invalid.missing(where)
    if url.startswith(_S3):
        return {"image": {"format": _known(named_format(url, IMAGES), where, IMAGES), "source": _in_s3(url)}}
    if not _DATA_URL.match(url):
        raise _cannot(where, "Bedrock fetches images from S3 alone: send a data: address, or an s3:// one.")
    _, encoded, raw = _data(url, where)
    return {"image": {"format": _known(image_format(raw), where, IMAGES), "source": {"bytes": encoded}}}


def _audio(part: InputAudio, path: str) -> Block:
    where = f"{path}.input_audio"
    _, encoded, _ = _data(part.input_audio.data, f"{where}.data", bare=True)
    form = part.input_audio.format.lower()
    return {"audio": {"format": _known(form if form in SOUNDS else None, where, SOUNDS), "source": {"bytes": encoded}}}


def _video(part: InputVideo, path: str) -> Block:
    url, where = part.video_url, f"{path}.video_url"
    if url.startswith(_S3):
        return {"video": {"format": _known(named_format(url, VIDEOS), where, VIDEOS), "source": _in_s3(url)}}
    if not _DATA_URL.match(url):
        raise _cannot(where, "Bedrock fetches films from S3 alone: send a data: address, or an s3:// one.")
    media_type, encoded, _ = _data(url, where)
    return {"video": {"format": _known(video_format(media_type), where, VIDEOS), "source": {"bytes": encoded}}}


def _data(data: str, path: str, *, bare: bool = False) -> tuple[str, str, bytes]:
    """Returns media type, base64 and bytes of a `data:` address, or of base64 alone where that is allowed."""
    match = _DATA_URL.match(data)
    declared = match[1].lower() if match is not None else (";base64" if bare else "")
    if not declared.endswith(";base64"):
        raise _cannot(path, "Data must be given as base64.")
    encoded = data[match.end() :] if match is not None else data
    try:
        raw = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise invalid.invalid(path, f"Invalid '{path}': it is not valid base64.") from None
    if not raw:
        raise invalid.invalid(path, f"Invalid '{path}': it is empty.")
    return declared.partition(";")[0], encoded, raw


def _in_s3(url: str) -> Block:
    return {"s3Location": {"uri": url}}


def _known(form: str | None, path: str, known: tuple[str, ...]) -> str:
    if form is None:
        raise _cannot(path, f"Bedrock takes these formats here: {', '.join(known)}.")
    return form


def _cannot(path: str, message: str) -> BadRequest:
    return invalid.unsupported(path, message)
