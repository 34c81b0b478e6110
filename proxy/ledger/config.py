"""What `stores.ledger` of the file may say, and the ledger made from it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from ..config.types import Duration
from ..deferred import Deferred

if TYPE_CHECKING:
    from . import ledger
else:  # loaded with its stage
    ledger = Deferred("proxy.ledger.ledger")


class LedgerConfig(
    msgspec.Struct, tag="sqlite", tag_field="kind", forbid_unknown_fields=True, frozen=True, kw_only=True
):
    """One row for each exchange, with what it has used and cost, in a SQLite file on a local disk."""

    path: Annotated[
        str, Meta(min_length=1, description="The file, from the directory of this one; made when it is not there.")
    ] = "./penstock-ledger.db"
    keep: Annotated[
        Duration,
        Meta(
            description="How long rows of single exchanges and sums of end users are kept. Sums of keys, teams and "
            "users by day are kept for ever."
        ),
    ] = Duration(400 * 86400)
    durable: Annotated[
        bool,
        Meta(
            description="Whether each row is on the disk before its exchange is over. Without it a process that is "
            "killed loses the rows of its last 0.2 seconds."
        ),
    ] = False


def make_ledger(config: LedgerConfig, directory: Path) -> ledger.Ledger:
    """Returns the ledger for its settings, not yet started. Relative paths begin at `directory`."""
    return ledger.Ledger(directory / Path(config.path).expanduser(), keep_s=float(config.keep), durable=config.durable)
