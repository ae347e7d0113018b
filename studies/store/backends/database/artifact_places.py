"""Where artifacts of several machines lie: an object storage behind Optuna's Boto3 store, or a shared folder."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

from optuna.artifacts import Boto3ArtifactStore
from optuna.artifacts._protocol import ArtifactStore
from optuna.artifacts.exceptions import ArtifactNotFound

from engine.errors import Named
from engine.files import replaced
from studies.errors import StudyError
from studies.store.backends.artifact_files import ArtifactFiles
from studies.store.backends.database.patience import Allowance, Patience, first_line
from studies.studyfile.tables.places import S3, bucket_of

INSTALL = "pip install 'sd-recipe-search[s3]'"
"""What installs the library of object storages."""
SLOW, TRIES = 60, 3
"""Seconds that a request may take, and how often its own library tries one."""


class BucketStore:
    """An artifact store of Optuna on a bucket, below a prefix; waits where the storage does not answer."""

    def __init__(self, inner: Boto3ArtifactStore, prefix: str, patience: Patience) -> None:
        """``prefix`` ends with a slash, or is empty."""
        self._inner = inner
        self._prefix = prefix
        self._patience = patience

    def open_reader(self, artifact_id: str) -> BinaryIO:
        """Read an artifact, whole.

        Raises:
            ArtifactNotFound: there is none by this name.
        """
        return self._patience.call(lambda: BytesIO(self._inner.open_reader(self._prefix + artifact_id).read()))

    def write(self, artifact_id: str, content_body: BinaryIO) -> None:
        """Keep an artifact, whole or not at all."""

        def write() -> None:
            content_body.seek(0)
            self._inner.write(self._prefix + artifact_id, content_body)

        self._patience.call(write)

    def remove(self, artifact_id: str) -> None:
        """Delete an artifact; one that is not there is none."""
        self._patience.call(lambda: self._inner.remove(self._prefix + artifact_id))


def artifact_store(place: str, study: str, allowance: Allowance) -> ArtifactStore:
    """Open the place of a study's artifacts.

    Args:
        place: an address of S3, or a folder's path, which is made where it is not there.
        study: its name, which is a folder of its own there.
        allowance: how long this process waits for an object storage.

    Raises:
        StudyError: it cannot be used, or its library is not installed.
    """
    if not place.startswith(S3):
        folder = Path(place) / study
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            remedy = "mount the folder that all machines share, or name another one"
            raise StudyError(f"cannot be used ({error.strerror})", place=(folder,), remedy=remedy) from error
        return ArtifactFiles(folder)
    bucket, prefix = bucket_of(place)
    client, patience = _client(place, allowance)
    _refuse_closed(place, bucket, client)
    return BucketStore(Boto3ArtifactStore(bucket, client=client), f"{prefix}{study}/", patience)


def _client(place: str, allowance: Allowance) -> tuple[Any, Patience]:
    """The client of an object storage; its address and credentials are those of boto3, from the environment."""
    try:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError, HTTPClientError
    except ImportError as error:
        what = "needs boto3, which is not installed"
        raise StudyError(what, place=(Named(place),), remedy=INSTALL) from error

    def is_outage(error: Exception) -> bool:
        if isinstance(error, ClientError):
            return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)) >= 500
        return isinstance(error, (EndpointConnectionError, HTTPClientError))

    options = Config(connect_timeout=SLOW, read_timeout=SLOW, retries={"total_max_attempts": TRIES})
    return boto3.client("s3", config=options), Patience(place, (BotoCoreError, ClientError), is_outage, allowance)


def _refuse_closed(place: str, bucket: str, client: Any) -> None:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        client.head_bucket(Bucket=bucket)
    except (BotoCoreError, ClientError) as error:
        raise StudyError(
            f"cannot be used ({first_line(error)})",
            place=(Named(place),),
            remedy="see whether the bucket is there, and give boto3 its credentials (AWS_ACCESS_KEY_ID, "
            "AWS_SECRET_ACCESS_KEY or ~/.aws) and, for another storage than Amazon's, AWS_ENDPOINT_URL",
        ) from error


class SharedFiles:
    """Files of the study's folder, of which the others get copies; see `studies.store.backends.backend.KeptFiles`."""

    def __init__(self, store: ArtifactStore, folder: Path) -> None:
        """``folder`` is the study's on this machine."""
        self._store = store
        self._folder = folder

    def bring(self, path: Path, *, newest: bool = False) -> bool:
        """Have a file there; see `KeptFiles`."""
        if path.is_file() and not newest:
            return True
        try:
            with self._store.open_reader(self._name(path)) as body:
                content = body.read()
        except ArtifactNotFound:
            if path.is_file():  # the others have withdrawn it
                path.replace(path.with_name(f"{path.stem}.old{path.suffix}"))
            return False
        if not (path.is_file() and path.read_bytes() == content):
            path.parent.mkdir(parents=True, exist_ok=True)
            with replaced(path) as temporary:
                temporary.write_bytes(content)
        return True

    def share(self, path: Path) -> None:
        """Let the others have a file; see `KeptFiles`."""
        with path.open("rb") as file:
            self._store.write(self._name(path), file)

    def withdraw(self, path: Path) -> None:
        """Let nobody have a file any more; see `KeptFiles`."""
        with suppress(ArtifactNotFound):
            self._store.remove(self._name(path))

    def _name(self, path: Path) -> str:
        """The artifact of a file, by its place within the study's folder."""
        return hashlib.sha256(path.relative_to(self._folder).as_posix().encode()).hexdigest()


class PictureCache:
    """Copies of artifacts in the study's folder, as files that open."""

    def __init__(self, store: ArtifactStore, folder: Path) -> None:
        """``folder`` keeps the copies; it is made where it is not there."""
        folder.mkdir(parents=True, exist_ok=True)
        self._store = store
        self._copies = ArtifactFiles(folder)

    def path(self, artifact: str) -> Path:
        """Return the file of an artifact.

        Raises:
            ArtifactNotFound: there is none by this name.
        """
        try:
            return self._copies.path(artifact)
        except ArtifactNotFound:
            with self._store.open_reader(artifact) as body:
                self._copies.write(artifact, body)
        return self._copies.path(artifact)
