"""Servers that tests start for themselves: PostgreSQL, an object storage, and a network that can be cut."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

USER, PASSWORD = "me", "secret-Pa55"
"""Who may use the database; the password is looked for wherever it must not be."""
ORDINARY = "nobody"
"""Whom the server runs as where tests run as root, which PostgreSQL refuses."""


def server_programs() -> Path | None:
    """The folder of PostgreSQL's programs; None where it is not installed."""
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    found = shutil.which("initdb") or (str(places[-1]) if places else None)
    return None if found is None else Path(found).resolve().parent


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def cleaned_up(script: str, *arguments: str) -> Generator[None]:
    """Have a script of the shell run in the end, also where this process is killed.

    A process of its own runs it: it reads from a pipe, which ends with this process, however that ends.

    Args:
        script: what cleans up.
        arguments: it finds them in `$1`, `$2` and so on.
    """
    command = ["sh", "-c", f"cd /; read _; {script}", "sh", *arguments]
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=quiet, stderr=quiet, start_new_session=True)
    try:
        yield
    finally:
        process.communicate()


@dataclass(kw_only=True)
class DatabaseServer:
    """A PostgreSQL server in a folder of its own."""

    programs: Path
    folder: Path
    port: int = field(default_factory=free_port)

    def url(self, port: int | None = None, database: str = "recipes") -> str:
        """Its address, maybe through another port."""
        return f"postgresql+psycopg://{USER}@127.0.0.1:{port or self.port}/{database}"

    @property
    def environment(self) -> dict[str, str]:
        """What a worker needs to know of it: where the password is."""
        return {"PGPASSFILE": str(self.folder / "pgpass")}

    def make(self) -> None:
        """Make the database cluster, with a password."""
        (self.folder / "password").write_text(PASSWORD + "\n")
        (self.folder / "pgpass").write_text(f"*:*:*:{USER}:{PASSWORD}\n")
        (self.folder / "pgpass").chmod(0o600)
        for path in (self.folder, self.folder / "password") if os.getuid() == 0 else ():
            os.chown(path, pwd.getpwnam(ORDINARY).pw_uid, -1)
        options = ["-U", USER, "--pwfile", str(self.folder / "password"), "--auth", "scram-sha-256", "--no-sync"]
        self._run("initdb", "-D", str(self.folder / "data"), "-E", "UTF8", *options)
        with (self.folder / "data" / "postgresql.conf").open("a") as file:
            file.write(f"port = {self.port}\nunix_socket_directories = '{self.folder}'\nfsync = off\n")
            file.write("listen_addresses = '127.0.0.1'\nshared_buffers = 16MB\nmax_connections = 80\n")

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-l", str(self.folder / "log"), "-w", "-s", "start")

    def stop(self, *, how: str = "fast") -> None:
        """Stop it: connections are ended, or (immediate) cut as by a power failure."""
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-m", how, "-w", "-s", "stop")

    def restart(self, *, how: str = "fast") -> None:
        """Stop and start it."""
        self.stop(how=how)
        self.start()

    def ask(self, statement: str, database: str = "recipes") -> str:
        """The answer of `psql`."""
        command = [str(self.programs / "psql"), "-h", "127.0.0.1", "-p", str(self.port), "-U", USER, "-At", "-c"]
        command += [statement, database]
        environment = {**os.environ, **self.environment}
        return subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()

    @property
    def end(self) -> list[str]:
        """The command that cuts all connections and ends it."""
        return self._command("pg_ctl", "-D", str(self.folder / "data"), "-m", "immediate", "-w", "-s", "stop")

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(self._command(program, *arguments), cwd="/", check=True, stdout=subprocess.DEVNULL)

    def _command(self, program: str, *arguments: str) -> list[str]:
        ordinary = ["setpriv", "--reuid", ORDINARY, "--clear-groups"] if os.getuid() == 0 else []
        return [*ordinary, str(self.programs / program), *arguments]


@contextmanager
def database_server(programs: Path) -> Generator[DatabaseServer]:
    """A server that runs, with an empty database `recipes`; it ends with this process, also where that is killed."""
    folder = Path(tempfile.mkdtemp(prefix="recipe-search-postgresql-"))
    server = DatabaseServer(programs=programs, folder=folder)
    with cleaned_up('folder=$1; shift; "$@"; rm -rf "$folder"', str(folder), *server.end):
        server.make()
        server.start()
        server.ask("CREATE DATABASE recipes", database="postgres")
        yield server


@contextmanager
def bucket_server(bucket: str) -> Generator[dict[str, str]]:
    """An object storage with one bucket; gives the environment that reaches it."""
    import boto3

    port = free_port()
    environment = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    command = [sys.executable, "-W", "ignore", "-m", "moto.server", "-p", str(port)]
    quiet = subprocess.DEVNULL
    with (
        subprocess.Popen(command, stdout=quiet, stderr=quiet) as process,
        cleaned_up('kill -9 "$1"', str(process.pid)),
    ):
        _wait_for(("127.0.0.1", port))
        client = boto3.client(
            "s3",
            endpoint_url=environment["AWS_ENDPOINT_URL"],
            aws_access_key_id="test",
            aws_secret_access_key="test",
            region_name="us-east-1",
        )
        client.create_bucket(Bucket=bucket)
        client.close()
        yield environment


def _wait_for(address: tuple[str, int]) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            with socket.create_connection(address):
                return
        except OSError:
            assert time.monotonic() < deadline, f"{address} does not answer"
            time.sleep(0.1)


class Network:
    """A way to a server on this machine that can be cut: nothing gets through, and nobody is told."""

    def __init__(self, port: int) -> None:
        """``port`` is the server's."""
        self._server = port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self._whole = threading.Event()
        self._whole.set()
        self._ended = False
        self._sockets: list[socket.socket] = []
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while not self._ended:
            try:
                near, _ = self._listening.accept()
            except OSError:
                return
            self._whole.wait()
            try:
                far = socket.create_connection(("127.0.0.1", self._server))
            except OSError:
                near.close()
                continue
            self._sockets += [near, far]
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self._pass, args=(one, other), daemon=True).start()

    def _pass(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while content := one.recv(65536):
                self._whole.wait()
                other.sendall(content)
        with suppress(OSError):
            other.shutdown(socket.SHUT_RDWR)  # so that the other direction ends too
        one.close()

    def cut(self) -> None:
        """Let nothing through."""
        self._whole.clear()

    def mend(self, *, reset: bool = False) -> None:
        """Let everything through again; with ``reset``, what was connected before is told that it is not any more."""
        if reset:
            for one in self._sockets:
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
            self._sockets = []
        self._whole.set()

    def close(self) -> None:
        """End it, once."""
        self._ended = True
        self.mend(reset=True)
        self._listening.close()
