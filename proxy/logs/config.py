"""What the stages `log` and `trace` may say of the places their rows go to."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, field

from ..config.types import Duration, Mistake, Secret, Size
from ..s3 import check_access


class _Part(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Base of the parts of the settings."""


class RotateConfig(_Part, frozen=True):
    """When a new file begins, and what becomes of the old ones."""

    size: Annotated[Size | None, Meta(description="A new file begins when it would grow beyond.")] = None
    every: Annotated[
        Duration | None,
        Meta(description="A new file begins when the first line is that old: 1h, 1d; counted from midnight UTC."),
    ] = None
    files: Annotated[int, Meta(ge=0, description="How many old files are kept; 0 keeps them all.")] = 10
    compress: Annotated[bool, Meta(description="Whether old files are compressed, by gzip.")] = True

    def __post_init__(self) -> None:
        if self.size is None and self.every is None:
            raise Mistake("nothing says when a new file begins", "add size: 100MB, or every: 1d")
        if self.size is not None and self.size < 1024:
            raise Mistake("a file of less than 1 KiB holds no row", "write a larger size, such as 100MB")
        if self.every is not None and self.every < 1:
            raise Mistake("a file a second is too much", "write a longer time, such as 1d")


class AuditConfig(_Part, frozen=True):
    """How a file is made so that later changes to it show."""

    key: Annotated[
        Secret | None,
        Meta(
            description="With it the chain is made by HMAC-SHA-256: who does not know it cannot make another chain. "
            "Without it by SHA-256, and the anchor must be kept where the file's writers cannot write."
        ),
    ] = None
    sync: Annotated[
        bool, Meta(description="Whether each write is on the disk before the next (fdatasync); for power cuts.")
    ] = False


class S3Config(_Part, frozen=True):
    """How the bucket is reached; what is not said here comes from the environment, as for all tools of AWS."""

    region: Annotated[str | None, Meta(description="The bucket's region.")] = None
    endpoint_url: Annotated[
        Annotated[str, Meta(pattern="^https?://")] | None,
        Meta(description="Another server than Amazon's: MinIO, Ceph, R2."),
    ] = None
    access_key_id: Annotated[Secret | None, Meta(description="The id of the key.")] = None
    secret_access_key: Annotated[Secret | None, Meta(description="The key itself.")] = None
    encryption: Annotated[
        Literal["AES256", "aws:kms", "aws:kms:dsse"] | None,
        Meta(description="How the server encrypts objects; without it, as the bucket says."),
    ] = None
    kms_key: Annotated[str | None, Meta(description="The KMS key's id or ARN, for aws:kms.")] = None
    storage_class: Annotated[str | None, Meta(description="The objects' storage class, such as STANDARD_IA.")] = None
    compress: Annotated[bool, Meta(description="Whether objects are compressed, by gzip.")] = True

    def __post_init__(self) -> None:
        check_access(self)


class WebhookConfig(_Part, frozen=True):
    """How batches are posted."""

    secret: Annotated[
        Secret | None,
        Meta(
            description="Batches are signed with it: `x-penstock-signature: t=SECONDS,v1=HEX`, "
            "the HMAC-SHA-256 of `SECONDS.BODY`."
        ),
    ] = None
    headers: Annotated[dict[str, Secret], Meta(description="Headers to send, such as authorization.")] = field(
        default_factory=dict
    )


class DeliveryConfig(_Part, frozen=True):
    """How rows on their way to S3 or to a server are batched, kept and tried again."""

    rows: Annotated[int, Meta(ge=1, description="The most rows of a batch.")] = 1000
    bytes: Annotated[Size, Meta(description="The most bytes of a batch, before compression.")] = Size(4 * 1024**2)
    every: Annotated[Duration, Meta(description="How long a row waits for others at most.")] = Duration(5)
    queue: Annotated[
        Size, Meta(description="The most bytes that wait in memory; beyond, batches are spilled to disk.")
    ] = Size(32 * 1024**2)
    spill: Annotated[
        str | None,
        Meta(
            description="A directory for batches while they cannot be delivered, from the directory of this file; "
            "sent later, also by the next start. null keeps none: what does not fit in memory is dropped."
        ),
    ] = "./penstock-spill"
    spill_size: Annotated[Size, Meta(description="The most bytes there; beyond, the newest rows are dropped.")] = Size(
        1024**3
    )
    timeout: Annotated[Duration, Meta(description="How long one delivery may take.")] = Duration(30)
    retry: Annotated[Duration, Meta(description="The longest pause between two tries.")] = Duration(30)
    flush: Annotated[Duration, Meta(description="How long the end waits for deliveries; what is left is spilled.")] = (
        Duration(5)
    )
