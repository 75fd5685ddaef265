"""Every fault that a profile must survive, and what its user is told."""

import functools
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from device_agents.ssh import open_ssh
from tests.end_to_end.desk import kill
from tests.faults.case import Case, Fault, desk_with

HERE = Path(__file__).parent
FAT = ("--space", f"{HERE / 'fat.py'}:fat")
LAST_MODEL = "ls -t ~/.edge-nas/models/*.onnx | head -n 1"
DAMAGE = f"f=$({LAST_MODEL}); printf XXXX | dd of=$f bs=1 seek=200 conv=notrunc 2>&1"
SITE = "~/.local/lib/python3.11/site-packages"


def on_board(verb: str, *arguments: object) -> Callable[[Case], None]:
    """A verb of the lab."""
    return lambda case: getattr(case.board, verb)(*arguments)


def in_shell(command: str) -> Callable[[Case], None]:
    """A command of the board's user."""

    def run(case: Case) -> None:
        case.board.shell(command)

    return run


def kill_program(argument: str) -> str:
    """A shell command that kills Pythons with this argument, and not the shell that it is of."""
    pattern = f"*' {argument[0]}''{argument[1:]} '*"
    return (
        "for p in /proc/[0-9]*; do case \"$(tr '\\0' ' ' < $p/cmdline 2>&1)\" in "
        f"{pattern}) kill -9 ${{p#/proc/}} 2>&1;; esac; done; true"
    )


def both(*steps: Callable[[Case], None]) -> Callable[[Case], None]:
    """One after the other."""

    def run(case: Case) -> None:
        for step in steps:
            step(case)

    return run


def kill_workstation(case: Case) -> None:
    """SIGKILL to the command."""
    assert case.process is not None
    if case.process.poll() is None:
        os.killpg(case.process.pid, signal.SIGKILL)


def interrupt(times: int) -> Callable[[Case], None]:
    """Ctrl-C, so many times."""

    def run(case: Case) -> None:
        assert case.process is not None
        for _ in range(times):
            if case.process.poll() is None:
                case.process.send_signal(signal.SIGINT)
                time.sleep(0.3)

    return run


def refuse_key(case: Case) -> None:
    """The board takes no key any more; the way back stays open."""
    link = open_ssh(case.board.device)
    case.later.append(link.close)
    link.run(["mv", ".ssh/authorized_keys", ".ssh/kept"], limit_s=30)
    back = functools.partial(link.run, ["mv", ".ssh/kept", ".ssh/authorized_keys"], limit_s=30)
    case.later.append(back)
    link.run(["sh", "-c", kill_program("serve")], limit_s=30)


def take_key(case: Case) -> None:
    """The key is taken again."""
    if case.later:
        case.later.pop()()


def teach_to_lie(name: str) -> Callable[[Case], None]:
    """The board's agent will tell this lie."""

    def run(case: Case) -> None:
        with open_ssh(case.board.device) as link:
            home = link.home()
            link.put(HERE / "liar.py", f"{home}/.local/lib/python3.11/site-packages/x")
        case.board.shell(f"mv {SITE}/x {SITE}/usercustomize.py; rm -f ~/armed")
        case.later.append(lambda: case.board.shell("rm -rf ~/.local ~/armed"))

    return run


def lying(name: str, says: str) -> Fault:
    """An answer that is wrong, once, at a random moment."""
    arm = in_shell(f"echo {name} > ~/armed")
    return Fault(before=teach_to_lie(name), strike=arm, says=says)


def small_disk(case: Case) -> None:
    """The storage lies on a disk of 16 MiB."""
    folder = case.desk.folder / "results"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "none", str(folder)], check=True)
    case.later.append(lambda: subprocess.run(["umount", "-l", str(folder)], check=True))


def fill_small_disk(case: Case) -> None:
    """Nothing fits any more."""
    with (case.desk.folder / "results" / "filler").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * 4096)
        except OSError:
            pass


def empty_small_disk(case: Case) -> None:
    """There is room again."""
    (case.desk.folder / "results" / "filler").unlink(missing_ok=True)


def second_workstation(case: Case) -> None:
    """Another desk wants the same board, for a LUT of its own."""
    desk = desk_with(case.board, case.desk.folder / "second")
    second = Case(case.board, desk, case.space)
    second.process = second.start("--wait", "30")

    def wait() -> None:
        code = second.finish()
        case.said += second.said
        assert code == 0, second.said
        assert second.keys() == case.keys()

    case.later.append(lambda: kill(second.process) if second.process.poll() is None else None)
    case.later.append(wait)


def wait_for_second(case: Case) -> None:
    """It gets the board when the first is done."""
    if len(case.later) == 2:
        case.later.pop()()


LOST = r"Trying again in|is back|put aside|Try again|cannot be reached: |does not answer within"

FAULTS: dict[str, Fault] = {
    "the agent is killed": Fault(strike=in_shell(kill_program("serve")), says=LOST),
    "the measuring child is killed": Fault(
        strike=in_shell(kill_program("child")), says="the system killed the job"
    ),
    "the workstation's process is killed": Fault(strike=kill_workstation),
    "Ctrl-C": Fault(strike=interrupt(1), says="stopped; what was done so far is kept", ends=(0, 1)),
    "Ctrl-C twice": Fault(strike=interrupt(2), says="stopped|kept"),
    "sshd is stopped for 5 s": Fault(
        strike=on_board("stop_sshd"), heals_s=5, mend=on_board("restart_sshd"), says=LOST
    ),
    "the board reboots": Fault(strike=on_board("reboot"), says=LOST),
    "the cable is cut for 5 s": Fault(
        strike=on_board("cut"), heals_s=5, mend=on_board("join"), says=LOST
    ),
    "the cable is cut for 60 s": Fault(
        strike=on_board("cut"), heals_s=60, mend=on_board("join"), says=LOST
    ),
    "200 ms and 20 % loss": Fault(
        strike=on_board("lag", 200, 20), mend=on_board("lag", 0, 0), says=LOST
    ),
    "the board freezes for 40 s": Fault(
        strike=on_board("freeze"), heals_s=40, mend=on_board("thaw"), says=LOST
    ),
    "its disk is full before": Fault(
        before=on_board("fill"), mend=on_board("unfill"), says="its disk is full", ends=(4,)
    ),
    "its disk fills up": Fault(
        strike=on_board("fill"), mend=on_board("unfill"), says="disk is full|No space"
    ),
    "its disk fills up for 8 s": Fault(
        strike=on_board("fill"), heals_s=8, mend=on_board("unfill"), says="disk is full|No space"
    ),
    "its disk is read-only before": Fault(
        before=on_board("readonly"), mend=on_board("writable"), says="read-only", ends=(4,)
    ),
    "its disk is read-only after a reboot": Fault(
        strike=both(on_board("reboot"), on_board("readonly")),
        mend=on_board("writable"),
        says="[Rr]ead-only",
    ),
    "its home is not writable": Fault(
        before=in_shell("rm -rf ~/.edge-nas; chmod 500 ~"),
        mend=in_shell("chmod 755 ~"),
        says="may not write there",
        ends=(4,),
    ),
    "a model needs more memory than there is": Fault(
        space=FAT, lost="times=33554432", says="memory", always=True
    ),
    "its host key changes": Fault(
        strike=both(on_board("rekey"), on_board("reboot")),
        mend=on_board("trust"),
        says="host key.*CHANGED.*SHA256:",
    ),
    "its host key was another before": Fault(
        before=on_board("rekey"), mend=on_board("trust"), says="CHANGED.*SHA256:", ends=(4,)
    ),
    "the key is refused": Fault(strike=refuse_key, mend=take_key, says="refuse|login"),
    "its clock is a day behind": Fault(before=on_board("skew", -86400), mend=on_board("skew", 0)),
    "its clock jumps by a day": Fault(
        strike=on_board("skew", 86400), mend=on_board("skew", 0), says=LOST
    ),
    "it answers rubbish": lying("rubbish", "no JSON"),
    "it answers half a line": lying("half", LOST),
    "it answers a line of 17 MiB": lying("long", "line longer than"),
    "it speaks another protocol": Fault(
        before=both(teach_to_lie("protocol"), in_shell("echo protocol > ~/armed")),
        says="protocol",
        ends=(1,),
    ),
    "a latency is not a number": lying("nan", "latency_ns"),
    "a latency is negative": lying("negative", "latency_ns"),
    "a latency is absurd": lying("absurd", "latency_ns"),
    "a result is of another model": lying("other", "model_sha256"),
    "a model is damaged on the way": Fault(strike=in_shell(DAMAGE), says="It is sent again"),
    "two workstations at once": Fault(
        strike=second_workstation, mend=wait_for_second, says="in use by"
    ),
    "the LUT's disk is full": Fault(
        before=small_disk,
        strike=fill_small_disk,
        mend=empty_small_disk,
        says="the disk is full",
        ends=(0, 2),
    ),
    "the cable is cut for ever": Fault(
        strike=on_board("cut"), mend=on_board("join"), says=LOST, ends=(0, 4)
    ),
}
