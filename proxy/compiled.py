"""The compiled form of the few classes that every delta or request goes through, where it was built (see `setup.py`).

Each is written in Python, and that is the reference: `native.pyx` and what it includes hold the same classes once
more, with the same methods, and `compiled_if_built` puts them in the place of these. Both forms have to say the same to
the byte. `PENSTOCK_PURE=1` leaves the compiled one alone.
"""

from __future__ import annotations

import hashlib
import logging
import os
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import TypeVar

_Class = TypeVar("_Class", bound=type)
_NAME = "proxy.native"
_log = logging.getLogger("penstock")
_FOLDER = Path(__file__).parent


@cache
def _load() -> ModuleType | None:
    """Returns the compiled module; None where there is none, it is not wanted, or was built from another source."""
    if not is_built():
        return None
    native = import_module(_NAME)
    if digest(_FOLDER) == native.SOURCE:
        return native
    _log.warning("the compiled form is not used: it was built from another source; install Penstock again")
    return None


def digest(folder: Path) -> str:
    """Returns what the compiled module keeps of the files in a folder that it was built from."""
    sources = sorted(folder.glob("native*.px[iy]"))
    return hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()


PURE: dict[str, type] = {}
"""The classes of which there may be a compiled form, as they are written in Python."""


def compiled_if_built(pure: _Class) -> _Class:
    """Class decorator: returns the compiled form of a class if there is one, else the class."""
    PURE[pure.__name__] = pure
    compiled: _Class = getattr(_load(), pure.__name__, pure)
    return compiled


def is_built() -> bool:
    """Tells whether there is a compiled form, and it is wanted; loads nothing."""
    return os.environ.get("PENSTOCK_PURE") != "1" and find_spec(_NAME) is not None


def is_compiled() -> bool:
    """Tells whether the compiled form runs here."""
    return _load() is not None
