"""A private PostgreSQL server for tests: its own folder, its own free port, stopped by its own pid."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

_USER = "nasearch"


def find_binaries() -> Path | None:
    """The folder with `initdb` and `postgres`; Debian keeps it out of PATH."""
    on_path = shutil.which("initdb")
    if on_path and (Path(on_path).resolve().parent / "postgres").exists():
        return Path(on_path).resolve().parent
    folders = Path("/usr/lib/postgresql").glob("*/bin")
    found = [folder for folder in folders if (folder / "initdb").exists() and (folder / "postgres").exists()]
    return max(found, key=lambda folder: int(folder.parent.name), default=None)


class Server:
    """A running server with one superuser and a password."""

    def __init__(self, port: int, password: str, binaries: Path) -> None:
        self.port, self.password, self._binaries = port, password, binaries

    def url(self, database: str, password: str | None = None) -> str:
        """URL of a database on this server."""
        return f"postgresql://{_USER}:{password or self.password}@127.0.0.1:{self.port}/{database}"

    def create_database(self) -> str:
        """Make an empty database and give its URL."""
        name = f"test_{secrets.token_hex(6)}"
        self._psql(f"CREATE DATABASE {name} TEMPLATE template0")
        return self.url(name)

    def empty(self, url: str, spared: tuple[str, ...]) -> None:
        """Remove every row of a database but those of some tables; ids begin at 1 again."""
        names = ", ".join(f"'{name}'" for name in spared)
        tables = f"SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename NOT IN ({names})"
        statement = f"SELECT string_agg(quote_ident(tablename), ', ') INTO found FROM ({tables}) AS t"
        execute = "EXECUTE 'TRUNCATE ' || found || ' RESTART IDENTITY'"
        self._psql(f"DO $$ DECLARE found text; BEGIN {statement}; {execute}; END $$", url)

    def _psql(self, statement: str, url: str | None = None) -> None:
        command: list[str | Path] = [self._binaries / "psql", "-qX", "-v", "ON_ERROR_STOP=1", "-c", statement]
        subprocess.run([*command, url or self.url("postgres")], check=True, capture_output=True, text=True)

    def answers(self) -> bool:
        """Whether the server takes a statement."""
        try:
            self._psql("SELECT 1")
        except subprocess.CalledProcessError:
            return False
        return True


@contextlib.contextmanager
def running_server(binaries: Path) -> Iterator[Server]:
    """Make a cluster in a new folder, run it, and remove both at the end."""
    # The server refuses to run as root; Debian's package brings a user for it.
    as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    folder = Path(tempfile.mkdtemp(prefix="nasearch-postgres-"))
    if as_user:
        shutil.chown(folder, "postgres")
    password = secrets.token_hex(12)
    secret = folder / "password"
    secret.write_text(password)
    secret.chmod(0o644)
    data = folder / "data"
    settings = ["--auth=scram-sha-256", f"--username={_USER}", f"--pwfile={secret}", "--encoding=UTF8"]
    try:
        subprocess.run(
            [*as_user, binaries / "initdb", "-D", data, *settings, "--locale=C", "--no-sync"],
            check=True,
            capture_output=True,
            cwd=folder,
        )
        server = Server(_free_port(), password, binaries)
        options = [
            f"--{name}"
            for name in (
                "listen_addresses=127.0.0.1",
                f"unix_socket_directories={folder}",
                "fsync=off",  # tests kill clients, never the server
            )
        ]
        with (folder / "log").open("w") as log:
            process = subprocess.Popen(
                [*as_user, binaries / "postgres", "-D", data, "-p", str(server.port), *options],
                stdout=log,
                stderr=log,
                cwd=folder,
            )
        try:
            _wait(server, process, folder / "log")
            yield server
        finally:
            _stop(process, data / "postmaster.pid")
    finally:
        shutil.rmtree(folder)


def _wait(server: Server, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 30
    while not server.answers():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"PostgreSQL did not start:\n{log.read_text()}")
        time.sleep(0.1)


def _stop(process: subprocess.Popen[bytes], pid_file: Path) -> None:
    # The child may be runuser; the server wrote its own pid. SIGQUIT: no checkpoint, all is removed.
    if pid_file.exists():
        os.kill(int(pid_file.read_text().splitlines()[0]), signal.SIGQUIT)
    process.wait(timeout=30)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
