"""Which form of Penstock this is: the Python files as they are, or with the machines compiled (`setup.py` says how)."""

from __future__ import annotations

from importlib.machinery import ExtensionFileLoader
from importlib.util import find_spec


def is_compiled() -> bool:
    """Tells whether the machines that run here are compiled; imports none of them."""
    spec = find_spec(".chunks", __package__)
    return spec is not None and isinstance(spec.loader, ExtensionFileLoader)
