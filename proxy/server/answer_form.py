"""The form of an answer that is sent whole: what is the same in all with the same status and headers."""

from __future__ import annotations

from collections.abc import Sequence

from ..compiled import compiled_if_built
from .own_answer import header_value

_PLACE = "\0"


@compiled_if_built
class AnswerForm:
    """Writes answers that begin with a line and have headers of these `names`, and a body."""

    __slots__ = ("_pieces",)

    def __init__(self, first: str, names: Sequence[str]) -> None:
        lines = "".join(f"{name}: {_PLACE}\r\n" for name in names)
        own = "" if "server" in names else "server: penstock\r\n"
        fixed = f"{first}\r\n{lines}{own}{_PLACE}date: {_PLACE}\r\ncontent-length: {_PLACE}\r\n\r\n".split(_PLACE)
        self._pieces = [""] * (2 * len(fixed) - 1)  # every other one is a place, and empty
        self._pieces[::2] = fixed

    def write(self, headers: dict[str, str], lines: str, date: str, body: bytes) -> bytes:
        """Returns an answer, whole, with the values of its headers and more lines behind them.

        What would begin another header, or cannot be sent in one, is taken out of a value; see `header_value`. Hot:
        once a request.
        """
        said = [*headers.values()]
        together = "".join(said)
        if not (together.isascii() and together.isprintable()):
            said = [*map(header_value, said)]
        pieces = self._pieces.copy()
        pieces[1::2] = (*said, lines, date, str(len(body)))
        return "".join(pieces).encode() + body
