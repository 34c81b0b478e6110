"""Reads the head of one part of a form, as strictly as servers differ in how they read it. Sans-IO.

A head that one server takes for a field and another for a file, or for another field, is refused: what was looked at
here would not be what the upstream reads.
"""

from __future__ import annotations

import re

import msgspec

from ..errors import BadRequest

_PARAMETER = re.compile(rb';[ \t]*([^\s=;"]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s;"]*))[ \t]*')
_PARAMETERS = re.compile(rb'(?:;[ \t]*[^\s=;"]+=(?:"(?:[^"\\]|\\.)*"|[^\s;"]*)[ \t]*)*;?[ \t]*')
_CHARSET = re.compile(rb'charset="?([^\s;"]+)', re.IGNORECASE)
_PLAIN_CODINGS = (b"", b"7bit", b"8bit", b"binary")
_PLAIN_CHARSETS = (b"utf-8", b"utf8", b"us-ascii", b"ascii")


class Part(msgspec.Struct, frozen=True):
    """What a head says: the name of the field, if it is one that is wanted, and whether it is a file."""

    name: str | None
    is_file: bool


_OTHER = Part(None, is_file=False)


def read_part(head: bytes, wanted: frozenset[str]) -> Part:
    """Returns what a part is; raises BadRequest for a head that can be read in two ways.

    That is also one of a wanted field whose value is coded, or that is spelled in another way.
    """
    headers = _headers(head)
    kind, _, rest = headers.get(b"content-disposition", b"").partition(b";")
    if kind.strip().lower() != b"form-data":
        return _OTHER
    parameters = _parameters(b";" + rest if rest else b"")
    if b"filename" in parameters or b"filename*" in parameters:
        return Part(None, is_file=True)
    named = parameters.get(b"name")
    if named is None:
        return _OTHER
    name = named.decode("utf-8", "replace")
    if name not in wanted:
        meant = name.partition("[")[0].casefold()
        if meant in wanted:
            message = f"Unknown field: '{name[:80]}'. Did you mean '{meant}'?"
            raise BadRequest(message, param=name[:80], code="unknown_parameter")
        return _OTHER
    _check_coding(name, headers)
    return Part(name, is_file=False)


def _headers(head: bytes) -> dict[bytes, bytes]:
    """Returns the headers of a part by their names in lower case; its first line is the rest of the edge's."""
    first, *lines = head.split(b"\r\n")
    found: dict[bytes, bytes] = {}
    for line in lines:
        name, _, value = line.partition(b":")
        key = name.strip().lower()
        if line[:1] in (b" ", b"\t") or b"\n" in line or b"\r" in line or key in found:
            raise _unclear()
        found[key] = value.strip()
    if first.strip(b" \t"):
        raise _unclear()
    return found


def _parameters(written: bytes) -> dict[bytes, bytes]:
    if not _PARAMETERS.fullmatch(written):
        raise _unclear()
    found: dict[bytes, bytes] = {}
    for one in _PARAMETER.finditer(written):
        key = one[1].lower()
        if key in found or key == b"name*" or (key == b"name" and b"\\" in one[0]):
            raise _unclear()
        found[key] = one[2] if one[2] is not None else one[3]
    return found


def _check_coding(name: str, headers: dict[bytes, bytes]) -> None:
    charset = _CHARSET.search(headers.get(b"content-type", b""))
    coded = headers.get(b"content-transfer-encoding", b"").lower() not in _PLAIN_CODINGS
    if coded or (charset is not None and charset[1].lower() not in _PLAIN_CHARSETS):
        raise BadRequest(f"The field '{name}' of the form is no plain text.", param=name, code="invalid_value")


def _unclear() -> BadRequest:
    return BadRequest("The head of a part of the form cannot be read with certainty.", code="invalid_body")
