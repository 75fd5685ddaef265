import hashlib
import os
import sys
from pathlib import Path

import pytest

from device_agents.errors import ConnectionLost, DeviceSilent, DiskUnwritable, ProtocolError
from device_agents.local import LocalStream, LocalTransport
from device_agents.transport import MAX_LINE_BYTES, OUTPUT_CAP_BYTES

TRANSPORT = LocalTransport()


def start(script: str) -> LocalStream:
    return TRANSPORT.start([sys.executable, "-c", script])


def test_a_command_gives_its_streams_and_its_exit_code():
    script = "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"
    done = TRANSPORT.run([sys.executable, "-c", script], limit_s=60)
    assert (done.exit_code, done.stdout, done.stderr) == (3, "out\n", "err\n")


def test_arguments_arrive_unchanged():
    argument = "two words; $HOME `date` 'quoted' \N{SNOWMAN}"
    done = TRANSPORT.run(["printf", "%s", argument], limit_s=60)
    assert done.stdout == argument


def test_what_a_command_prints_is_kept_up_to_a_cap():
    script = f"print('x' * {OUTPUT_CAP_BYTES + 5})"
    done = TRANSPORT.run([sys.executable, "-c", script], limit_s=60)
    assert len(done.stdout) == OUTPUT_CAP_BYTES


def test_a_command_that_does_not_end_is_ended():
    with pytest.raises(DeviceSilent, match="did not end within 0.2 s"):
        TRANSPORT.run(["sleep", "60"], limit_s=0.2)


def test_a_command_that_does_not_exist_is_told():
    with pytest.raises(ConnectionLost, match="no-such-command"):
        TRANSPORT.run(["no-such-command"], limit_s=60)


def test_commands_run_in_the_home_folder(lonely_home: Path):
    assert TRANSPORT.run(["pwd"], limit_s=60).stdout.strip() == str(lonely_home)
    assert TRANSPORT.home() == str(lonely_home)


def test_a_file_arrives_below_home_under_its_name(tmp_path: Path, lonely_home: Path):
    source = tmp_path / "model"
    source.write_bytes(b"content")
    TRANSPORT.put(source, "deep/er/model.onnx")
    assert (lonely_home / "deep/er/model.onnx").read_bytes() == b"content"
    assert [path.name for path in (lonely_home / "deep/er").iterdir()] == ["model.onnx"]


def test_a_file_that_is_there_is_not_written_again(tmp_path: Path):
    source, target = tmp_path / "model", tmp_path / "target"
    source.write_bytes(b"content")
    TRANSPORT.put(source, str(target))
    inode = target.stat().st_ino
    TRANSPORT.put(source, str(target))
    assert target.stat().st_ino == inode


def test_a_damaged_file_is_replaced(tmp_path: Path):
    source, target = tmp_path / "model", tmp_path / "target"
    source.write_bytes(b"content")
    target.write_bytes(b"conten")
    TRANSPORT.put(source, str(target))
    assert hashlib.sha256(target.read_bytes()).digest() == hashlib.sha256(b"content").digest()


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path):
    source = tmp_path / "model"
    source.write_bytes(b"content")
    with pytest.raises(DiskUnwritable, match="model/below"):
        TRANSPORT.put(source, f"{source}/below/target")


def test_lines_go_there_and_back():
    stream = start("import sys\nfor line in sys.stdin: print(line.strip().upper(), flush=True)")
    stream.send_line("first")
    stream.send_line("second")
    assert stream.read_line(limit_s=60) == "FIRST"
    assert stream.read_line(limit_s=60) == "SECOND"
    stream.close()


def test_half_a_line_is_no_answer():
    stream = start("import sys, time; sys.stdout.write('half'); sys.stdout.flush(); input()")
    with pytest.raises(DeviceSilent, match="no answer within 0.2 s"):
        stream.read_line(limit_s=0.2)
    stream.close()


def test_the_last_words_of_a_process_are_in_the_error():
    stream = start("import sys; sys.exit('out of luck')")
    with pytest.raises(ConnectionLost, match="out of luck"):
        stream.read_line(limit_s=60)
    with pytest.raises(ConnectionLost):
        for _ in range(100_000):
            stream.send_line("anybody there?")
    stream.close()


def test_a_line_without_end_is_not_taken_in():
    stream = start(f"import sys; sys.stdout.write('x' * {MAX_LINE_BYTES + 2**20}); input()")
    with pytest.raises(ProtocolError, match="16 MiB"):
        stream.read_line(limit_s=60)
    stream.close()


def test_closing_ends_the_process_and_may_be_done_twice():
    stream = start("import os; print(os.getpid(), flush=True); input()")
    pid = int(stream.read_line(limit_s=60))
    stream.close()
    stream.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_closed_stream_says_so():
    stream = start("input()")
    stream.close()
    with pytest.raises(ConnectionLost, match="closed before"):
        stream.send_line("hello")
