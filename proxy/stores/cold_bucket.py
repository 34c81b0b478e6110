"""The bucket of the cold store, by S3's protocol."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import aiohttp

from ..s3 import make_client, put_options
from .cold_config import ColdConfig
from .cold_object import key_of
from .store import StoreFailed, StoreUnavailable

_MISSING = ("NoSuchKey", "404")
_MAYBE_MISSING = ("AccessDenied", "403")
_UNFIT = ("EntityTooLarge", "InvalidDigest", "KeyTooLongError", "MaxMessageLengthExceeded")
_READS, _OTHERS = 24, 8
"""How many connections there are for reads, and for all else."""


class ColdForbidden(StoreUnavailable):
    """S3 refused access to this object. To who may not list a bucket it says the same of objects that are not there.

    Keys that are wrong or over, and clocks that are off, are not meant by it: they say nothing about the object.
    """


class ColdUnfit(StoreFailed):
    """This object will never be taken; others may be."""


class Bucket:
    """Puts, gets and removes objects; the client is made when it is first used, and nothing asked before.

    Everything raises StoreUnavailable while S3 is out of reach or refuses access. Nothing is tried twice here: who
    waits for a read is told, and what is written waits for its next turn.
    """

    def __init__(self, config: ColdConfig) -> None:
        self.where = f"s3://{config.bucket}/{config.prefix.strip('/')}".rstrip("/")
        self._config = config
        self._exits = contextlib.AsyncExitStack()
        self._making = asyncio.Lock()
        self._client: Any = None
        self._reading = asyncio.Semaphore(_READS)
        key = config.customer_key_bytes()
        self._get_options: dict[str, Any] = {}
        if key is not None:
            self._get_options = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": key}
        self._put_options = {**put_options(config), **self._get_options}

    def start(self) -> None:
        """Imports what speaks to S3, which takes half a second, before anybody waits for it."""
        import aiobotocore.session

        aiobotocore.session.get_session()

    async def put(self, owner: str, id: str, body: bytes) -> None:
        """Writes the object of a response; raises ColdUnfit when it can never be written."""
        await self._ask(
            "put_object", owner, id, Body=body, ContentType="application/zstd", patience_s=60.0, **self._put_options
        )

    async def get(self, owner: str, id: str) -> bytes | None:
        """Returns the object of a response, or None."""
        patience_s = float(self._config.timeout)
        try:
            async with asyncio.timeout(patience_s), self._reading:
                return await self._ask("get_object", owner, id, patience_s=patience_s, **self._get_options)
        except TimeoutError:
            raise StoreUnavailable(f"{self.where} gave no answer within {patience_s:g} s") from None

    async def remove(self, owner: str, id: str) -> None:
        """Removes the object of a response, if it is there."""
        await self._ask("delete_object", owner, id, patience_s=30.0)

    async def close(self) -> None:
        """Closes the client."""
        self._client = None
        await self._exits.aclose()

    async def _ask(self, what: str, owner: str, id: str, *, patience_s: float, **options: Any) -> bytes | None:
        from botocore.exceptions import BotoCoreError, ClientError

        key = key_of(self._config.prefix, owner, id)
        try:
            async with asyncio.timeout(patience_s):
                client = self._client or await self._made()
                answer = await getattr(client, what)(Bucket=self._config.bucket, Key=key, **options)
                if "Body" not in answer:
                    return None
                async with answer["Body"] as body:
                    data: bytes = await body.read()
                    return data
        except ClientError as error:
            self._refuse(error.response, id)
            return None
        except TimeoutError:
            raise StoreUnavailable(f"{self.where} gave no answer within {patience_s:g} s") from None
        except (BotoCoreError, aiohttp.ClientError, OSError) as error:
            raise StoreUnavailable(f"{self.where}: {error}") from error

    def _refuse(self, answer: Any, id: str) -> None:
        """Raises what S3 refused, but for an object that is not there."""
        code = answer.get("Error", {}).get("Code", "")
        code = code or str(answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        if code in _MISSING:
            return
        message = f"{self.where}: {code}: {answer.get('Error', {}).get('Message', '')}"
        if code in _UNFIT:
            raise ColdUnfit(f'response "{id}": {message}')
        raise ColdForbidden(message) if code in _MAYBE_MISSING else StoreUnavailable(message)

    async def _made(self) -> Any:
        async with self._making:
            if self._client is None:
                self._client = await self._exits.enter_async_context(
                    make_client(
                        self._config,
                        connect_s=min(10.0, float(self._config.timeout)),
                        read_s=60.0,
                        connections=_READS + _OTHERS,
                    )
                )
            return self._client
