"""Somebody at a terminal: runs a command in a pseudo-terminal, types lines into it, and stays until it ends."""
import os
import pty
import select
import sys
import time

screen, command, *lines = sys.argv[1:]
pid, terminal = pty.fork()
if pid == 0:
    os.execvp("/bin/sh", ["sh", "-c", command])
log = open(screen, "wb", 0)


def watch(seconds):
    end = time.time() + seconds
    while time.time() < end:
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                shown = os.read(terminal, 4096)
            except OSError:
                return False
            if not shown:
                return False
            log.write(shown)
    return True


watch(2)
for line in lines:
    os.write(terminal, line.encode() + b"\n")
    watch(1.5)
while watch(5):
    pass
