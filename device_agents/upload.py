"""Files to a device: whole and verified, or not at all."""

import hashlib
import secrets
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Protocol

import paramiko

from device_agents.disk import disk_error, probe_disk
from device_agents.errors import ConnectionLost, DeviceError, DeviceSilent, DiskUnwritable
from device_agents.ssh_login import Connection
from device_agents.transport import Transport, sha256_of

SILENCE_LIMIT_S = 30.0  # our choice: without one acknowledged block
_COMMAND_LIMIT_S = 30.0
_SLOWEST_BYTES_PER_S = 2_000_000  # our choice: an old SD card being read
_CHUNK_BYTES = 2**18
_NOT_FOUND = 127  # what a shell answers when there is no such command


class _Shell(Transport, Protocol):
    def open_channel(self, argv: Sequence[str]) -> paramiko.Channel: ...


class Upload:
    """Puts files by SFTP, or through `dd` where sshd has no SFTP, as on very small systems."""

    def __init__(self, shell: _Shell, connection: Connection, device_name: str) -> None:
        self._shell = shell
        self._connection = connection
        self._device_name = device_name
        self._sftp: paramiko.SFTPClient | None = None
        self._has_sftp = True

    def put(self, source: Path, target: str) -> None:
        """Have a file on the device; see Transport."""
        digest = sha256_of(source)
        if self._sha256(target, source) == digest:
            return
        folder = str(PurePosixPath(target).parent)
        self._run(["mkdir", "-p", "-m", "700", "--", folder], path=folder)
        draft = f"{target}.{secrets.token_hex(4)}.part"
        try:
            self._send(source, draft, folder)
            if self._sha256(draft, source) != digest:
                raise self._damaged(target)
            self._run(["mv", "-f", "--", draft, target], path=target)
        except BaseException:
            self._forget(draft)
            raise

    def _send(self, source: Path, draft: str, folder: str) -> None:
        sftp = self._open_sftp()
        try:
            if sftp is None:
                self._send_by_dd(source, draft)
            else:
                with source.open("rb") as file:
                    sftp.putfo(file, draft, confirm=False)
        except TimeoutError as exc:
            raise self._silent(source) from exc
        except (OSError, EOFError, paramiko.SSHException) as exc:
            if not self._connection.last.is_active():
                raise self._lost(source) from exc
            found = disk_error(str(exc), device_name=self._device_name, path=folder)
            raise (
                found
                or probe_disk(self._shell, folder, device_name=self._device_name)
                or self._not_written(folder, exc)
            ) from exc

    def _open_sftp(self) -> paramiko.SFTPClient | None:
        if self._sftp is None and self._has_sftp:
            try:
                self._sftp = self._connection.last.open_sftp_client()
            except (paramiko.SSHException, EOFError, OSError):
                self._has_sftp = False
        if self._sftp is not None:
            channel = self._sftp.get_channel()
            if channel is not None:
                channel.settimeout(SILENCE_LIMIT_S)
        return self._sftp

    def _send_by_dd(self, source: Path, draft: str) -> None:
        channel = self._shell.open_channel(["env", "LC_ALL=C", "dd", f"of={draft}", "bs=65536"])
        try:
            channel.settimeout(SILENCE_LIMIT_S)
            with source.open("rb") as file:
                while chunk := file.read(_CHUNK_BYTES):
                    channel.sendall(chunk)
            channel.shutdown_write()
            if not channel.status_event.wait(SILENCE_LIMIT_S):
                raise TimeoutError
            if channel.recv_exit_status() != 0:
                raise OSError(channel.recv_stderr(_CHUNK_BYTES).decode("utf-8", "replace"))
        finally:
            channel.close()

    def _sha256(self, path: str, source: Path) -> str | None:
        """The hash of a file on the device, made there; None when there is no such file."""
        limit_s = _COMMAND_LIMIT_S + source.stat().st_size / _SLOWEST_BYTES_PER_S
        done = self._shell.run(["sha256sum", "--", path], limit_s=limit_s)
        if done.exit_code == _NOT_FOUND:
            return self._sha256_read_back(path)
        words = (done.stdout.strip().splitlines() or [""])[-1].split()  # a login script may print
        # A name with unusual characters makes sha256sum put a backslash in front.
        return words[0].lstrip("\\") if done.exit_code == 0 and words else None

    def _sha256_read_back(self, path: str) -> str | None:
        channel = self._shell.open_channel(["cat", "--", path])
        digest = hashlib.sha256()
        try:
            channel.settimeout(SILENCE_LIMIT_S)
            while chunk := channel.recv(_CHUNK_BYTES):
                digest.update(chunk)
            return digest.hexdigest() if channel.recv_exit_status() == 0 else None
        except TimeoutError as exc:
            raise self._silent(Path(path)) from exc
        finally:
            channel.close()

    def _run(self, argv: Sequence[str], *, path: str) -> None:
        done = self._shell.run(["env", "LC_ALL=C", *argv], limit_s=_COMMAND_LIMIT_S)
        if done.exit_code == 0:
            return
        found = disk_error(done.stderr, device_name=self._device_name, path=path)
        raise found or self._not_written(path, done.stderr.strip())

    def _forget(self, draft: str) -> None:
        try:
            self._shell.run(["rm", "-f", "--", draft], limit_s=_COMMAND_LIMIT_S)
        except DeviceError:
            pass  # the device has gone; its next purge takes the draft along

    def _silent(self, source: Path) -> DeviceSilent:
        return DeviceSilent(
            f"{self._device_name}: took no data of {source.name} for {SILENCE_LIMIT_S:g} s. "
            f"Check the device with: nas devices doctor {self._device_name}",
            device=self._device_name,
        )

    def _lost(self, source: Path) -> ConnectionLost:
        return ConnectionLost(
            f"{self._device_name}: the connection was lost while sending {source.name}. Try again",
            device=self._device_name,
        )

    def _damaged(self, target: str) -> ConnectionLost:
        return ConnectionLost(
            f"{self._device_name}: {target} arrived damaged. Try again; "
            "if it happens twice, its disk or memory is failing",
            device=self._device_name,
        )

    def _not_written(self, path: str, reason: object) -> DiskUnwritable:
        return DiskUnwritable(
            f"{self._device_name}: cannot write {path}: {reason}. "
            f"Check the device with: nas devices doctor {self._device_name}",
            device=self._device_name,
        )
