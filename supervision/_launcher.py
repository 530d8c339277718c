"""Started in front of an OS process child: ties its life to its parent's, then becomes the command.

Run as a plain file (`python -I -S _launcher.py PARENT_PID STATUS_FD WORD…`), so it imports nothing of ours
and costs about ten milliseconds. prctl(2) PR_SET_PDEATHSIG survives execve(2) and is sent when the parent's
*thread* that forked ends, which is the thread that watches this child until it has ended.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    parent, status = int(sys.argv[1]), int(sys.argv[2])
    os.set_inheritable(status, False)  # execve closes it: that is how the parent learns of success
    try:
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it died before the line above: no signal will come
            os._exit(126)
        os.execvp(sys.argv[3], sys.argv[3:])
    except OSError as error:
        os.write(status, f"{error.errno or 0} {error.strerror}".encode())
    os._exit(127)


main()
