"""Where the keys of AWS come from that requests are signed with.

Finding them may read files, run programs and ask servers: botocore does that in a thread, one look-up at a time however
many requests wait. Temporary keys are renewed ahead of their end while requests go on with those that are still good.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

import msgspec

from ...errors import PenstockError
from ..lookups import looked_up

_log = logging.getLogger("penstock")

_AHEAD_S = 15 * 60
"""How long before their end keys are renewed."""
_LAST_S = 60
"""How long before their end no request is signed with them any more."""
_AGAIN_S = 30.0
"""How long after a failed attempt to renew keys the next one is made, while the old ones are good."""


class Keys(msgspec.Struct, frozen=True):
    """What a request is signed with. `token` belongs to temporary keys."""

    access_key: str
    secret_key: str
    token: str | None = None


class NoKeys(PenstockError):
    """No keys were found, or those found cannot be renewed; says why."""


class KeySource(Protocol):
    """Gives keys to whoever signs."""

    async def keys(self) -> Keys:
        """Returns keys that are good now; raises NoKeys."""

    async def renew(self, refused: Keys) -> bool:
        """Looks for others than those that AWS has refused; tells whether there are any. Raises NoKeys."""

    async def close(self) -> None:
        """Stops looking."""


class GivenKeys:
    """Keys that stand in the file, and never change."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    async def keys(self) -> Keys:
        """Returns the keys."""
        return self._keys

    async def renew(self, refused: Keys) -> bool:
        """Returns False: there are no others."""
        return False

    async def close(self) -> None:
        """Does nothing."""


class FoundKeys:
    """Keys that `find` finds: it returns credentials as botocore has them, and may block. Raises what botocore does."""

    def __init__(self, find: Callable[[], Any]) -> None:
        self._find = find
        self._credentials: Any = None
        self._keys: Keys | None = None
        self._work: asyncio.Task[Keys] | None = None
        self._not_before = 0.0

    async def keys(self) -> Keys:
        """Returns keys that are good now; raises NoKeys when there are none."""
        keys = self._keys
        if keys is None or self._ends_within(_LAST_S):
            return await asyncio.shield(self._start(self._fetch))
        if self._work is None and self._ends_within(_AHEAD_S) and time.monotonic() >= self._not_before:
            self._not_before = time.monotonic() + _AGAIN_S
            self._start(self._fetch).add_done_callback(_tell_failure)
        return keys

    async def renew(self, refused: Keys) -> bool:
        """Looks for others than those refused, from the beginning; tells whether there are any. Raises NoKeys."""
        if self._keys is not None and self._keys != refused:
            return True  # somebody else has found them meanwhile
        return await asyncio.shield(self._start(self._fetch_anew)) != refused

    async def close(self) -> None:
        """Waits for nothing: a look-up that is under way ends by itself."""
        if self._work is not None:
            self._work.cancel()

    def _ends_within(self, seconds: int) -> bool:
        needed = getattr(self._credentials, "refresh_needed", None)
        return bool(needed(seconds)) if needed is not None else False

    def _start(self, work: Callable[[], Keys]) -> asyncio.Task[Keys]:
        """Returns the look-up that is under way, after starting one if there is none."""
        if self._work is None:
            self._work = asyncio.get_running_loop().create_task(self._run(work))
            self._work.add_done_callback(self._over)
        return self._work

    def _over(self, work: asyncio.Task[Keys]) -> None:
        self._work = None
        if not work.cancelled():
            work.exception()  # whoever waits for it gets it

    async def _run(self, work: Callable[[], Keys]) -> Keys:
        self._keys = keys = await looked_up(work)
        return keys

    def _fetch_anew(self) -> Keys:
        self._credentials = None
        return self._fetch()

    def _fetch(self) -> Keys:
        """Returns keys. Runs in a thread: blocks, and raises NoKeys for all that can go wrong there."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            if self._credentials is None:
                self._credentials = self._find()
            if self._credentials is None:
                raise NoKeys("no credentials were found: set access_key_id, aws_profile or AWS's own variables")
            frozen = self._credentials.get_frozen_credentials()
        except (BotoCoreError, ClientError, RuntimeError, OSError, ValueError) as error:
            raise NoKeys(f"the credentials cannot be used: {error}") from None
        return Keys(frozen.access_key, frozen.secret_key, frozen.token)


def _tell_failure(work: asyncio.Task[Keys]) -> None:
    if not work.cancelled() and (error := work.exception()) is not None:
        _log.warning("keys of AWS could not be renewed ahead of their end: %s", error)


def find_keys(
    given: Keys | None, *, profile: str | None, role: dict[str, str] | None, region: str | None
) -> Callable[[], Any]:
    """Returns what finds credentials: those given, of a profile, or of AWS's own chain.

    With a role, which holds parameters of AssumeRole (`RoleArn`, `RoleSessionName`, `ExternalId`), it takes that on
    with them, at the STS of the region.
    """

    def find() -> Any:
        from botocore.credentials import AssumeRoleCredentialFetcher, Credentials, DeferredRefreshableCredentials
        from botocore.session import Session

        session = Session(profile=profile)
        if given is not None:
            found = Credentials(given.access_key, given.secret_key, given.token)
        else:
            found = session.get_credentials()
        if found is None or role is None:
            return found
        extra = {name: value for name, value in role.items() if name != "RoleArn"}
        create = partial(session.create_client, region_name=region)
        fetcher = AssumeRoleCredentialFetcher(create, found, role["RoleArn"], extra_args=extra)
        return DeferredRefreshableCredentials(refresh_using=fetcher.fetch_credentials, method="assume-role")

    return find
