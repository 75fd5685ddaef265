"""The lab itself: that a fault is one, and that a mended board is as new."""

import pytest

from device_agents.errors import DeviceUnreachable
from device_agents.ssh import open_ssh

pytestmark = pytest.mark.lab


def test_a_board_is_broken_and_mended(lab):
    (board,) = lab.boards(1)
    assert board.shell("hostname") == "board1\n"
    board.shell("mkdir ~/.edge-nas")
    board.stop_sshd()
    with pytest.raises(DeviceUnreachable, match="refused"):
        open_ssh(board.device)
    assert lab.boards(1) == [board]
    assert board.shell("ls -A ~") == ".ssh\n"


def test_boards_that_are_up_stay_when_more_are_wanted(lab):
    (board,) = lab.boards(1)
    started = board.shell("cat /proc/1/stat")
    others = lab.boards(2)
    assert others[0] is board
    assert others[1].shell("hostname") == "board2\n"
    assert board.shell("cat /proc/1/stat").split()[21] == started.split()[21]
