"""How S3, and what speaks as it does, is asked: the client, and what is said of each object that is put."""

from __future__ import annotations

from typing import Any, Protocol

from .config.types import Mistake, Secret


class S3Access(Protocol):
    """What the settings of everything that has a bucket say of it."""

    @property
    def region(self) -> str | None:
        """The bucket's region."""

    @property
    def endpoint_url(self) -> str | None:
        """Another server than Amazon's."""

    @property
    def access_key_id(self) -> Secret | None:
        """The id of the key; without it, it is found as by all tools of AWS."""

    @property
    def secret_access_key(self) -> Secret | None:
        """The key itself."""

    @property
    def encryption(self) -> str | None:
        """How the server encrypts objects."""

    @property
    def kms_key(self) -> str | None:
        """The KMS key's id or ARN."""

    @property
    def storage_class(self) -> str | None:
        """The objects' storage class."""


def check_access(access: S3Access) -> None:
    """Raises Mistake where settings contradict each other."""
    if (access.access_key_id is None) != (access.secret_access_key is None):
        raise Mistake("access_key_id and secret_access_key belong together", "set both, or none")
    if access.kms_key is not None and not (access.encryption or "").startswith("aws:kms"):
        raise Mistake("kms_key is for encryption: aws:kms", "add encryption: aws:kms")


def make_client(access: S3Access, *, connect_s: float, read_s: float, connections: int = 10) -> Any:
    """Returns the context of a client that tries nothing twice; nothing is asked yet. Raises ImportError."""
    import aiobotocore.config
    import aiobotocore.session

    other = access.endpoint_url is not None  # other servers know neither names of buckets as hosts nor new checksums
    return aiobotocore.session.get_session().create_client(
        "s3",
        region_name=access.region,
        endpoint_url=access.endpoint_url,
        aws_access_key_id=None if access.access_key_id is None else access.access_key_id.reveal(),
        aws_secret_access_key=None if access.secret_access_key is None else access.secret_access_key.reveal(),
        config=aiobotocore.config.AioConfig(
            connect_timeout=connect_s,
            read_timeout=read_s,
            max_pool_connections=connections,
            retries={"total_max_attempts": 1},
            request_checksum_calculation="when_required" if other else "when_supported",
            response_checksum_validation="when_required" if other else "when_supported",
            s3={"addressing_style": "path" if other else "auto"},
        ),
    )


def put_options(access: S3Access) -> dict[str, str]:
    """Returns what every put says of the object's encryption and class."""
    said = {
        "ServerSideEncryption": access.encryption,
        "SSEKMSKeyId": access.kms_key,
        "StorageClass": access.storage_class,
    }
    return {name: value for name, value in said.items() if value is not None}
