"""What a stage is that asks for keys of the key store: the engine tells it where that is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..stage import Stage

if TYPE_CHECKING:
    from .stored_keys import StoredKeys


class KeyStage(Stage):
    """Base of the stage that finds out who is asking."""

    key_store: Path = Path("penstock-keys.db")
    """The file of `stores.keys`, as the engine has found it."""
    stored: StoredKeys | None = None
    """The keys of that file; None where the stage does not ask for them."""
