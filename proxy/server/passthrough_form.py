"""Looks for the field `model` in a form as it comes, and puts another name in its place. Sans-IO.

A form is multipart/form-data (RFC 7578). Its parts may come in any order, so that the field may stand behind a file:
what has come is held until the field was found or the form has ended.
"""

from __future__ import annotations

import re

from ..errors import BadRequest

_BOUNDARY = re.compile(r';\s*boundary=(?:"([^"]{1,200})"|([^\s;"]{1,200}))', re.IGNORECASE)
_DISPOSITION = re.compile(rb"^content-disposition:[ \t]*form-data\b([^\r\n]*)", re.IGNORECASE | re.MULTILINE)
_NAME = re.compile(rb';[ \t]*name=(?:"([^"]*)"|([^\s;"]+))', re.IGNORECASE)
_FILE = re.compile(rb";[ \t]*filename\*?=", re.IGNORECASE)
_FIELD = b"model"
_MAX_HEAD = 16 * 1024
_MAX_NAME = 1024
_END_OF_HEAD = b"\r\n\r\n"


def boundary_of(content_type: str) -> bytes:
    """Returns what stands between the parts of a form; raises BadRequest when its content type does not say it."""
    found = _BOUNDARY.search(content_type)
    if found is None:
        raise BadRequest("The content type of the form names no boundary.", code="invalid_body")
    return (found[1] or found[2]).encode("utf-8", "replace")


class FormModel:
    """One form. `held` is what has come of it; `done` once the model was found or the form has ended.

    `model` is what stands in the field, None without it.
    """

    def __init__(self, boundary: bytes) -> None:
        self.held = bytearray()
        self.model: str | None = None
        self.done = False
        self._line = b"--" + boundary
        self._at = 0  # where to look on
        self._value = -1  # where the field's value begins, once it was found
        self._value_end = -1
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

    def named(self, model: str) -> bytes:
        """Returns what is held, with that name of the model."""
        if self._value < 0:
            return bytes(self.held)
        return b"".join((self.held[: self._value], model.encode(), self.held[self._value_end :]))

    def rest(self) -> OtherModel:
        """Returns what looks on behind the field, at the rest of what is held first; raises BadRequest.

        Nobody may name one model for Penstock to see, and another for the upstream.
        """
        watch = OtherModel(self._line)
        if self._value >= 0:
            watch.feed(bytes(self.held[self._value_end :]))
        return watch

    def _delimiter(self) -> bool:
        """Goes to the next part; returns whether there is more to look at."""
        mark = self._line if self._at == 0 else b"\r\n" + self._line
        found = self.held.find(mark, self._at)
        if found < 0:
            if self._value >= 0 and len(self.held) - self._value > _MAX_NAME:
                raise BadRequest("The field 'model' of the form is too long.", param="model", code="invalid_value")
            self._at = max(self._at, len(self.held) - len(self._line) - 2)
            return False
        behind = found + len(mark)
        if len(self.held) < behind + 2:
            return False
        if self._value >= 0:
            self._take(found)
        elif self.held[behind : behind + 2] == b"--":
            self.done = True
        else:
            self._at, self._inside = behind, True
        return not self.done

    def _head(self) -> bool:
        """Reads the head of a part; returns whether there is more to look at."""
        end = self.held.find(_END_OF_HEAD, self._at)
        if end < 0 and len(self.held) - self._at <= _MAX_HEAD:
            return False
        if end < 0 or end - self._at > _MAX_HEAD:
            raise BadRequest("A part of the form has no end to its head.", code="invalid_body")
        if _names_model(bytes(self.held[self._at : end])):
            self._value = end + len(_END_OF_HEAD)
        self._at, self._inside = end + 2, False  # an empty part's delimiter begins with the head's last line end
        return True

    def _take(self, end: int) -> None:
        self._value_end = max(end, self._value)
        try:
            self.model = bytes(self.held[self._value : self._value_end]).decode().strip() or None
        except UnicodeDecodeError:
            raise BadRequest("The field 'model' of the form is no text.", param="model", code="invalid_value") from None
        self.done = True


class OtherModel:
    """Looks for one more field `model` in a form whose parts begin with `line`. Holds a part's head at most."""

    def __init__(self, line: bytes) -> None:
        self._mark = b"\r\n" + line
        self._kept = b""
        self._over = False

    def feed(self, data: bytes) -> None:
        """Takes what comes next; raises BadRequest when the field is there again."""
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
            if not self._over and _names_model(kept[behind:end]):
                raise BadRequest("The form names a model twice.", param="model", code="invalid_value")
            at = end + 2
        self._kept = b"" if self._over else kept[max(at, len(kept) - len(self._mark)) :]


def _names_model(head: bytes) -> bool:
    """Tells whether a part's head is that of the field, and not of a file of that name."""
    disposition = _DISPOSITION.search(head)
    if disposition is None or _FILE.search(disposition[1]):
        return False
    name = _NAME.search(disposition[1])
    return name is not None and (name[1] if name[1] is not None else name[2]) == _FIELD
