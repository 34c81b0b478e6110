"""What `stores.keys` of the file says."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta


class KeysConfig(msgspec.Struct, tag="sqlite", tag_field="kind", forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Keys that `penstock keys` and /admin/keys make, in one SQLite file on a local disk, as hashes."""

    path: Annotated[
        str, Meta(min_length=1, description="The file, from the directory of this one; made when it is not there.")
    ] = "./penstock-keys.db"

    def file(self, directory: Path) -> Path:
        """Returns the file; a relative path begins at `directory`."""
        return directory / Path(self.path).expanduser()
