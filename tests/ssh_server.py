"""A small SSH server in a process of its own: real commands, real SFTP, real port forwarding.

Its working folder is the home folder of its only user. Prints the port that it listens on.

    python ssh_server.py HOST_KEY AUTHORIZED_KEYS PATH [--no-sftp]
"""

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path

import asyncssh

CHUNK_BYTES = 65536


class AnyPort(asyncssh.SSHServer):
    """Lets its user reach any port from here, as a jump host does."""

    def connection_requested(
        self, dest_host: str, dest_port: int, orig_host: str, orig_port: int
    ) -> bool:
        return True


class Board:
    def __init__(self, path: str) -> None:
        home = str(Path.cwd())
        self._environment = {"HOME": home, "PATH": path, "LC_ALL": "C"}

    async def run(self, process: "asyncssh.SSHServerProcess[bytes]") -> None:
        child = await asyncio.create_subprocess_exec(
            "/bin/sh",
            "-c",
            process.command or "exit 0",
            env=self._environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        assert child.stdin is not None
        feed = asyncio.create_task(_feed(process.stdin, child.stdin))
        await asyncio.gather(
            _pump(child.stdout, process.stdout), _pump(child.stderr, process.stderr)
        )
        if process.is_closing():  # the client has gone: nobody waits for the command
            os.killpg(child.pid, signal.SIGKILL)
        code = await child.wait()
        feed.cancel()
        if code < 0:
            process.exit_with_signal(signal.Signals(-code).name.removeprefix("SIG"))
        else:
            process.exit(code)


async def _feed(source: "asyncssh.SSHReader[bytes]", sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, asyncssh.Error):
        while chunk := await source.read(CHUNK_BYTES):
            sink.write(chunk)
            await sink.drain()
    sink.close()


async def _pump(source: asyncio.StreamReader | None, sink: "asyncssh.SSHWriter[bytes]") -> None:
    assert source is not None
    while chunk := await source.read(CHUNK_BYTES):
        try:
            sink.write(chunk)
            await sink.drain()
        except (OSError, asyncssh.Error):
            return


async def main(host_key: str, authorized_keys: str, path: str, *more: str) -> None:
    board = Board(path)
    server = await asyncssh.listen(
        "127.0.0.1",
        0,
        server_factory=AnyPort,
        server_host_keys=[host_key],
        authorized_client_keys=authorized_keys,
        process_factory=board.run,
        sftp_factory=None if "--no-sftp" in more else True,
        encoding=None,
    )
    sys.stdout.write(f"{server.get_port()}\n")
    sys.stdout.flush()
    await server.wait_closed()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
