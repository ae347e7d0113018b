"""Where a study over several machines is kept: the address of its database and of its artifacts, never with a password.

A study file is shared, copied into reports and typed in commands, so a password has no place in it: the database's
own library reads one from the file that `PGPASSFILE` names (`~/.pgpass`), or from `PGPASSWORD`. TLS and everything else
that the library takes stands in the address as it does everywhere: `?sslmode=verify-full&sslrootcert=...`.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from engine.errors import Problem
from studies.studyfile.passwords import without_password
from studies.studyfile.problems import own_error, own_errors
from studies.studyfile.tables.validators import path

S3 = "s3://"
"""What the address of artifacts in an object storage begins with."""
DRIVER = "postgresql+psycopg"
"""What the address of a database begins with whose driver is the one of our extra."""


def database_url(text: str) -> str:
    """Accept the address of a PostgreSQL database, without a password; the driver is added where none is named."""
    scheme, _, rest = text.partition("://")
    kind = scheme.partition("+")[0]
    seen = without_password(text)
    if seen != text:
        what = "holds a password, which everybody who reads the study file would know"
        remedy = "leave it out; put it into ~/.pgpass (or the file that PGPASSFILE names), or into PGPASSWORD"
        raise own_errors([Problem(what=what, seen=seen, remedy=remedy)])
    if kind == "sqlite":
        raise own_error(
            "is a file that only the processes of one machine can share safely: its locks do not reach other machines",
            "leave storage out, and the study's own journal does the same, or name a PostgreSQL server",
        )
    if kind not in ("postgresql", "postgres"):
        raise own_error(
            "is no PostgreSQL database: workers take turns by its locks, which other databases lack",
            f"write for example {DRIVER}://me@server/recipes",
        )
    if not _has_database(f"{kind}://{rest}"):
        raise own_error("names no database", f"write for example {DRIVER}://me@server/recipes")
    return f"{scheme if '+' in scheme else DRIVER}://{rest}"


def _has_database(text: str) -> bool:
    """Whether an address can be read, its port is a number, and it says which database."""
    try:
        parts = urlsplit(text)
        return (parts.port or 1) > 0 and len(parts.path) > 1
    except ValueError:
        return False


def artifacts_place(text: str) -> str:
    """Accept the address of a bucket, with or without a prefix, or what a folder can be called."""
    if "://" not in text:
        return path(text)
    bucket, prefix = bucket_of(text)
    if not text.startswith(S3) or not re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", bucket) or "//" in prefix:
        seen = without_password(text)
        remedy = f"write {S3}bucket/prefix, or the folder that all machines share"
        raise own_errors([Problem(what="is no address of a bucket", seen=seen, remedy=remedy)])
    return text


def bucket_of(address: str) -> tuple[str, str]:
    """Return the bucket of an address of artifacts, and the prefix within it, which ends with a slash or is empty."""
    bucket, _, prefix = address.removeprefix(S3).partition("/")
    return bucket, f"{prefix.strip('/')}/" if prefix.strip("/") else ""


def database_words(address: str) -> str:
    """Return an address for people: passwords hidden, and what stands after its question mark left out."""
    return without_password(address).partition("?")[0]
