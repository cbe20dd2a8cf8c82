"""
Become another program that ends with its parent and does not run as root.

Run by path, as a script, between the fork and the program: standard library only, so that it
takes some 15 ms. A hook that runs in the forked child instead would not be safe beside threads.

    python -I -S child.py PARENT_PID DEATH_SIGNAL USER PROGRAM [ARGUMENT…]

USER is "-" for the user we are.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import sys

_SET_DEATH_SIGNAL, _KEEP_CAPABILITIES, _AMBIENT, _AMBIENT_RAISE = 1, 8, 47, 2
_MAY_OPEN_ANY_FILE = (1, 2)  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
_CAPABILITY_VERSION_3 = 0x20080522


def main(arguments: list[str]) -> None:
    """Take on the user, ask to die with the parent, and become the program."""
    parent, death_signal, user, *command = arguments
    if user != "-":
        _become(user)
    # After the change of user, which clears it.
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_DEATH_SIGNAL, int(death_signal))
    if os.getppid() != int(parent):  # it ended before we could ask
        sys.exit(1)
    os.execv(command[0], command)  # noqa: S606  becoming it is the point


def _become(user: str) -> None:
    account = pwd.getpwnam(user)
    on_linux = sys.platform == "linux"
    if on_linux:
        ctypes.CDLL(None).prctl(_KEEP_CAPABILITIES, 1)
    os.setgroups([])
    os.setresgid(account.pw_gid, account.pw_gid, account.pw_gid)
    os.setresuid(account.pw_uid, account.pw_uid, account.pw_uid)
    if on_linux:
        _keep_the_right_to_open_files()


def _keep_the_right_to_open_files() -> None:
    """
    Keep root's right to enter folders, and only that.

    The folders above a root's home or a root's environment are often closed to everyone else,
    and opening them up for this would be worse. Where the system does not grant it, the program
    runs without, and reaches only what its user may.
    """
    libc = ctypes.CDLL(None)
    wanted = sum(1 << capability for capability in _MAY_OPEN_ANY_FILE)
    for allowed in (wanted, 1 << _MAY_OPEN_ANY_FILE[0]):
        header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
        sets = (ctypes.c_uint32 * 6)(allowed, allowed, allowed, 0, 0, 0)
        if libc.capset(header, sets) == 0:
            break
    for capability in _MAY_OPEN_ANY_FILE:
        libc.prctl(_AMBIENT, _AMBIENT_RAISE, capability, 0, 0)


if __name__ == "__main__":
    main(sys.argv[1:])
