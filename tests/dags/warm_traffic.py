"""What the tests' tasks run as `traffic`: has `traffic_commands.py` do it, which is warm.

The servers are started and asked by the real one.
"""

import json
import os
import socket
import sys

REAL = ("up", "down", "status", "topic")

program, commands, *arguments = sys.argv[1:]
if arguments[0] in REAL:
    os.execv(program, [program, *arguments])
with socket.socket(socket.AF_UNIX) as door:
    door.connect(commands)
    socket.send_fds(door, [b"."], [0, 1, 2])
    called = {"arguments": arguments, "environment": dict(os.environ), "folder": os.getcwd()}
    door.sendall(json.dumps(called).encode() + b"\n")
    answer = door.makefile().read()
sys.exit(int(answer) if answer else f"{commands} did not say how {arguments} ended")
