"""Names and formats of the documents, images, sounds and films that Converse takes.

The name of a document is read by the model: letters, digits, single blanks, hyphens, parentheses and brackets, 200 at
most, and no two alike in one request (wire reference, section 8.6).
"""

from __future__ import annotations

import re

_FORBIDDEN = re.compile(r"[^A-Za-z0-9\-()\[\] ]+")
_BLANKS = re.compile(r"\s+")
_MAX_NAME = 200
_UNNAMED = "document"

_DOCUMENTS = {
    "application/pdf": "pdf",
    "text/csv": "csv",
    "application/msword": "doc",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.ms-excel": "xls",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "text/html": "html",
    "text/plain": "txt",
    "text/markdown": "md",
}
_TEXT_TYPES = ("text/", "application/json", "application/xml", "application/yaml", "application/x-yaml")
_ALIASES = {"htm": "html", "markdown": "md", "text": "txt", "jpg": "jpeg", "3gp": "three_gp"}
_VIDEOS = {
    "video/x-matroska": "mkv",
    "video/quicktime": "mov",
    "video/mp4": "mp4",
    "video/webm": "webm",
    "video/x-flv": "flv",
    "video/mpeg": "mpeg",
    "video/x-ms-wmv": "wmv",
    "video/3gpp": "three_gp",
}
_MAGIC = (
    (b"\xff\xd8\xff", "jpeg"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"GIF8", "gif"),
)
IMAGES = ("png", "jpeg", "gif", "webp")
DOCUMENTS = tuple(_DOCUMENTS.values())
VIDEOS = tuple(_VIDEOS.values())
SOUNDS = (
    "mp3",
    "opus",
    "wav",
    "aac",
    "flac",
    "mp4",
    "ogg",
    "mkv",
    "mka",
    "x-aac",
    "m4a",
    "mpeg",
    "mpga",
    "pcm",
    "webm",
)


class Names:
    """The names of the documents of one request."""

    def __init__(self) -> None:
        self._used: set[str] = set()

    def take(self, filename: str | None) -> str:
        """Returns a name that is allowed and that no document before has, made of the file's."""
        stem = filename.rpartition(".")[0] or filename if filename else ""
        base = _BLANKS.sub(" ", _FORBIDDEN.sub(" ", stem)).strip()[:_MAX_NAME].strip() or _UNNAMED
        name, number = base, 1
        while name.lower() in self._used:
            number += 1
            mark = f" ({number})"
            name = base[: _MAX_NAME - len(mark)].strip() + mark
        self._used.add(name.lower())
        return name


def image_format(raw: bytes) -> str | None:
    """Returns what the bytes are, whatever they are called: a wrong name is refused. None when they are no image."""
    if raw[:4] == b"RIFF" and raw[8:12] == b"WEBP":
        return "webp"
    return next((form for magic, form in _MAGIC if raw.startswith(magic)), None)


def document_format(raw: bytes, media_type: str, filename: str | None) -> str | None:
    """Returns the format of a document, by its bytes, its media type or its name; None for what is none.

    A text of any other kind is plain text.
    """
    if raw.startswith(b"%PDF"):
        return "pdf"
    form = _DOCUMENTS.get(media_type) or named_format(filename or "", DOCUMENTS)
    if form is not None:
        return form
    if media_type and not media_type.startswith(_TEXT_TYPES) and media_type != "application/octet-stream":
        return None
    try:
        raw.decode()
    except UnicodeDecodeError:
        return None
    return "txt"


def named_format(name: str, known: tuple[str, ...]) -> str | None:
    """Returns the format that the end of a name stands for, if it is one of those known."""
    ending = name.rpartition(".")[2].lower()
    form = _ALIASES.get(ending, ending)
    return form if form in known else None


def video_format(media_type: str) -> str | None:
    """Returns the format of a film by its media type."""
    return _VIDEOS.get(media_type)
