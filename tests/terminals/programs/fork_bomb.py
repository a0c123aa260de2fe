"""Forks until it is refused, or has made a thousand; says how many there were. Its argument is the user to become."""

import os
import sys
import time

if len(sys.argv) > 1:
    os.setuid(int(sys.argv[1]))
children = []
try:
    for _ in range(1000):
        pid = os.fork()
        if pid == 0:
            time.sleep(60)
            os._exit(0)
        children.append(pid)
    print("FORKED", len(children), flush=True)
except OSError as refused:
    print("REFUSED after", len(children), refused.errno, flush=True)
