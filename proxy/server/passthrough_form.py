"""Looks for the fields of a form that matter as it comes, and puts other values in their place. Sans-IO.

A form is multipart/form-data (RFC 7578). Its parts may come in any order, so that a field may stand behind a file:
what has come is held until the model was found and a file begins behind it, or the form has ended. What matters is the
field `model`, and those whose texts a model will read. They are found as any server would find them, and what servers
may read differently is refused: nobody may name one model for Penstock to see, and another for the upstream.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from ..errors import BadRequest
from .form_part import read_part

_BOUNDARY = re.compile(r';\s*boundary=(?:"([^"]{1,200})"|([^\s;"]{1,200}))', re.IGNORECASE)
_MODEL = "model"
_MAX_HEAD = 16 * 1024
_MAX_NAME = 1024
_END_OF_HEAD = b"\r\n\r\n"

Place = tuple[int, int]
"""Where a value begins and ends in what is held of a form, in bytes."""


class Field(msgspec.Struct):
    """One field of a form: its name, the text in it, and where that stands."""

    name: str
    text: str
    place: Place


def boundary_of(content_type: str) -> bytes:
    """Returns what stands between the parts of a form; raises BadRequest when its content type does not say it."""
    found = _BOUNDARY.search(content_type)
    if found is None:
        raise BadRequest("The content type of the form names no boundary.", code="invalid_body")
    return (found[1] or found[2]).encode("utf-8", "replace")


class FormFields:
    """One form, of which the fields `texts` matter besides `model`. `held` is what has come, `fields` what was found.

    `model` is what stands in that field, None without it. `done` once the form has ended. `in_file` says that a file is
    coming: only there what comes may be long.
    """

    def __init__(self, boundary: bytes, texts: frozenset[str] = frozenset()) -> None:
        self.held = bytearray()
        self.model: str | None = None
        self.fields: list[Field] = []
        self.done = False
        self.in_file = False
        self._wanted = texts | {_MODEL}
        self._line = b"--" + boundary
        self._at = 0  # where to look on
        self._open: tuple[str, int] | None = None  # the field that is coming, and where its value begins
        self._inside = False  # between a delimiter and the end of a part's head

    def feed(self, data: bytes) -> None:
        """Takes what has come; raises BadRequest for what is no form."""
        self.held += data
        while not self.done and (self._head() if self._inside else self._delimiter()):
            pass

    def end(self) -> None:
        """Says that no more comes; raises BadRequest for a form that is not whole."""
        if not self.done:
            raise BadRequest("The form in the request body is not whole.", code="invalid_body")

    def written(self, model: str, texts: Mapping[int, str]) -> bytes:
        """Returns what is held with that name of the model ("": as it is), and other `texts` in fields by their index.

        A form that names no model gets the field in front. Raises BadRequest for a text that a form cannot hold.
        """
        values = {index: text.encode() for index, text in texts.items()}
        named = next((index for index, field in enumerate(self.fields) if field.name == _MODEL), None)
        pieces: list[bytes] = []
        if model and named is None:
            head = b'\r\nContent-Disposition: form-data; name="model"\r\n\r\n'
            pieces.append(self._line + head + model.encode() + b"\r\n")
        elif model and named is not None:
            values[named] = model.encode()
        at = 0
        for index, value in sorted(values.items()):
            if b"\r\n" + self._line in value:
                raise BadRequest("A text in the form cannot be sent as it is.", code="invalid_body")
            start, end = self.fields[index].place
            pieces += (bytes(self.held[at:start]), value)
            at = end
        return b"".join((*pieces, self.held[at:]))

    def rest(self, *, searched: bool) -> LateFields:
        """Returns what looks on behind what is held of a file; `searched` when somebody has looked at the texts."""
        late = LateFields(self._line, self._wanted if searched else frozenset((_MODEL,)))
        late.feed(bytes(self.held[self._at :]))
        return late

    def _delimiter(self) -> bool:
        """Goes to the next part; returns whether there is more to look at."""
        mark = self._line if self._at == 0 else b"\r\n" + self._line
        found = self.held.find(mark, self._at)
        if found < 0:
            if self._open is not None and self._open[0] == _MODEL and len(self.held) - self._open[1] > _MAX_NAME:
                raise BadRequest("The field 'model' of the form is too long.", param="model", code="invalid_value")
            self._at = max(self._at, len(self.held) - len(self._line) - 2)
            return False
        behind = found + len(mark)
        follows = bytes(self.held[behind : behind + 2])
        if len(follows) < 2:
            return False
        if self._open is not None:
            self._take(*self._open, max(found, self._open[1]))
        self.in_file = False
        if follows == b"--":
            self.done = True
        else:
            _check_edge(follows)
            self._at, self._inside = behind, True
        return not self.done

    def _head(self) -> bool:
        """Reads the head of a part; returns whether there is more to look at."""
        end = self.held.find(_END_OF_HEAD, self._at)
        if end < 0 and len(self.held) - self._at <= _MAX_HEAD:
            return False
        if end < 0 or end - self._at > _MAX_HEAD:
            raise BadRequest("A part of the form has no end to its head.", code="invalid_body")
        part = read_part(bytes(self.held[self._at : end]), self._wanted)
        if part.name is not None:
            self._open = part.name, end + len(_END_OF_HEAD)
        self.in_file = part.is_file
        self._at, self._inside = end + 2, False  # an empty part's delimiter begins with the head's last line end
        return True

    def _take(self, name: str, start: int, end: int) -> None:
        """Takes a field that is whole."""
        self._open = None
        try:
            text = bytes(self.held[start:end]).decode()
        except UnicodeDecodeError:
            raise BadRequest(f"The field '{name}' of the form is no text.", param=name, code="invalid_value") from None
        if name == _MODEL:
            if any(field.name == _MODEL for field in self.fields):
                raise _twice()
            self.model = text.strip() or None
        self.fields.append(Field(name, text, (start, end)))


class LateFields:
    """Looks for fields `unwanted` in the rest of a form whose parts begin with `line`. Holds a part's head at most."""

    def __init__(self, line: bytes, unwanted: frozenset[str]) -> None:
        self._mark = b"\r\n" + line
        self._unwanted = unwanted
        self._kept = b""
        self._over = False

    def feed(self, data: bytes) -> None:
        """Takes what comes next; raises BadRequest when there is such a field."""
        kept, at = self._kept + data, 0
        while not self._over and (found := kept.find(self._mark, at)) >= 0:
            behind = found + len(self._mark)
            end = kept.find(_END_OF_HEAD, behind)
            self._over = kept[behind : behind + 2] == b"--"
            if end < 0 and not self._over:
                if len(kept) - found > _MAX_HEAD:
                    raise BadRequest("A part of the form has no end to its head.", code="invalid_body")
                self._kept = kept[found:]
                return
            if not self._over:
                _check_edge(kept[behind : behind + 2])
                self._check(read_part(kept[behind:end], self._unwanted).name)
            at = end + 2
        self._kept = b"" if self._over else kept[max(at, len(kept) - len(self._mark)) :]

    def _check(self, name: str | None) -> None:
        if name == _MODEL:
            raise _twice()
        if name is not None:
            raise BadRequest(
                f"The field '{name}' of the form came too late to be looked at: send it before the files.",
                param=name,
                code="invalid_value",
            )


def _check_edge(follows: bytes) -> None:
    """Raises BadRequest for what some servers take for the edge of a part, and others for what is in it."""
    if follows != b"\r\n" and follows[:1] not in (b" ", b"\t"):
        raise BadRequest("The edge of a part of the form cannot be read with certainty.", code="invalid_body")


def _twice() -> BadRequest:
    return BadRequest("The form names a model twice.", param="model", code="invalid_value")
