"""A real PostgreSQL server for the tests, where one is installed."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest


@contextmanager
def postgresql_server(password: str | None = None) -> Iterator[str]:
    """URL of an empty database on a server of our own; skips the test where there is none.

    With a password the server lets nobody in without it.
    """
    pytest.importorskip("psycopg", reason="the extra postgresql is not installed")
    programs = [shutil.which(name) or _debian(name) for name in ("initdb", "postgres")]
    if None in programs:
        pytest.skip("no PostgreSQL server is installed")
    user = "nobody" if os.geteuid() == 0 else None  # the server refuses to run as root
    initdb, postgres = (str(program) for program in programs)
    with tempfile.TemporaryDirectory(prefix="pg") as folder, closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        if user:
            shutil.chown(folder, user)
        data = Path(folder) / "data"
        command = [initdb, "-D", data, "-U", "lut", "--no-sync"]
        if password:
            (Path(folder) / "password").write_text(password)
            command += ["-A", "scram-sha-256", f"--pwfile={folder}/password"]
        else:
            command += ["-A", "trust"]
        made = subprocess.run(command, user=user, cwd="/", capture_output=True, check=False)
        if made.returncode:
            pytest.skip(f"initdb does not work here: {made.stderr.decode()[-200:]}")
        free.close()
        options = ["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"]
        server = subprocess.Popen(
            [postgres, "-D", data, "-p", str(port), "-k", folder, *options],
            user=user,
            cwd="/",
            stderr=subprocess.DEVNULL,
        )
        try:
            login = f"lut:{password}" if password else "lut"
            url = f"postgresql://{login}@127.0.0.1:{port}/postgres"
            _wait_for(url, server)
            yield url
        finally:
            server.send_signal(signal.SIGINT)  # waits for no client, unlike SIGTERM
            server.wait(30)


def _debian(name: str) -> str | None:
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(found[-1]) if found else None


def _wait_for(url: str, server: subprocess.Popen[bytes]) -> None:
    import psycopg  # an extra of ours

    for _ in range(300):
        assert server.poll() is None, "the server ended"
        try:
            psycopg.connect(url).close()  # it listens before it lets anyone in
        except psycopg.OperationalError:
            time.sleep(0.1)
        else:
            return
    pytest.fail("the server never answered")
