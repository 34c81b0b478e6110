"""What `stores.cold` of the file may say."""

from __future__ import annotations

import base64
import binascii
import importlib.util
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from ..config.types import Duration, Mistake, Secret, Size
from ..s3 import check_access


class ColdConfig(msgspec.Struct, tag_field="kind", tag="s3", forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Responses in a bucket of S3, one object each, beside the store on disk and for as long as that keeps them."""

    bucket: Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/-]+$", description="The bucket, or its ARN.")]
    prefix: Annotated[
        str,
        Meta(
            pattern=r"^[A-Za-z0-9!_.*'()/=-]*$",
            description="What keys begin with: PREFIX/HASH OF THE OWNER/ID.json.zst.",
        ),
    ] = ""
    after: Annotated[
        Duration,
        Meta(
            description="How long a response stays on the disk of this host too. It is written to the bucket soon "
            "after it was made; once that has it, the disk may forget it when this time is over, or space is needed."
        ),
    ] = Duration(86400)
    content: Annotated[
        Literal["full", "none"],
        Meta(
            description="full writes whole responses; none only what they were (id, model, status, usage, cost): what "
            "was asked and answered then stays on this host alone, and nothing is read back."
        ),
    ] = "full"
    region: Annotated[str | None, Meta(description="The bucket's region.")] = None
    endpoint_url: Annotated[
        Annotated[str, Meta(pattern="^https?://")] | None,
        Meta(description="Another server than Amazon's: MinIO, Ceph, R2."),
    ] = None
    access_key_id: Annotated[
        Secret | None, Meta(description="The id of the key; by default found as by all tools of AWS.")
    ] = None
    secret_access_key: Annotated[Secret | None, Meta(description="The key itself.")] = None
    encryption: Annotated[
        Literal["AES256", "aws:kms", "aws:kms:dsse"] | None,
        Meta(description="How the server encrypts objects; without it, as the bucket says."),
    ] = None
    kms_key: Annotated[str | None, Meta(description="The KMS key's id or ARN, for aws:kms.")] = None
    customer_key: Annotated[
        Secret | None,
        Meta(description="A key of your own for SSE-C: 32 bytes in base64. Who loses it has lost what it encrypts."),
    ] = None
    storage_class: Annotated[
        str | None, Meta(description="The objects' storage class, such as STANDARD_IA; one that is read at once.")
    ] = None
    timeout: Annotated[
        Duration, Meta(description="How long a client waits for what the bucket has; then it gets a 503.")
    ] = Duration(5)
    backlog: Annotated[
        Size,
        Meta(
            description="How many bytes beyond max_bytes the disk may take for responses that the bucket has not got "
            "yet, while it is out of reach; beyond, the oldest are lost, which is logged."
        ),
    ] = Size(1024**3)
    flush: Annotated[
        Duration,
        Meta(description="How long the end of a worker waits for the bucket; what is left waits on disk."),
    ] = Duration(5)

    def __post_init__(self) -> None:
        check_access(self)
        if self.customer_key is not None and self.encryption is not None:
            raise Mistake("customer_key and encryption exclude each other", "remove one of them")
        if self.storage_class in ("GLACIER", "DEEP_ARCHIVE"):
            raise Mistake(f"objects of the class {self.storage_class} cannot be read at once", "write GLACIER_IR")
        if not self.timeout:
            raise Mistake("timeout is 0: the bucket could never answer in time", "write 5s")
        self.customer_key_bytes()
        if importlib.util.find_spec("aiobotocore") is None:
            raise Mistake("aiobotocore, which speaks to S3, is not installed", "pip install 'penstock[aws]'")

    def customer_key_bytes(self) -> bytes | None:
        """Returns the key for SSE-C; raises Mistake when it is none."""
        if self.customer_key is None:
            return None
        try:
            key = base64.b64decode(self.customer_key.reveal(), validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if len(key) != 32:
            raise Mistake("customer_key is not 32 bytes in base64", "make one: openssl rand -base64 32")
        return key
