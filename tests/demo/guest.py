#!/usr/bin/env python3
"""Plays the guest of scripts/demo through a monitor of its QEMU.

    guest.py SOCKET nodes                   names of all block nodes
    guest.py SOCKET rewrite DEVICE SIZE     write all over the disk until SIGTERM, then say how much
"""
import json
import random
import signal
import socket
import sys
import time

PIECE = 256 * 1024
PAUSE = 0.01


class Monitor:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        # a stream for both ways would drop what it has read ahead at each write
        self.file = self.socket.makefile("r")
        self.file.readline()
        self.execute("qmp_capabilities")

    def execute(self, command, **arguments):
        self.socket.sendall((json.dumps({"execute": command, "arguments": arguments}) + "\n").encode())
        while True:
            answer = json.loads(self.file.readline())
            if "error" in answer:
                raise SystemExit(answer["error"]["desc"])
            if "return" in answer:
                return answer["return"]


def rewrite(monitor, device, size):
    going = True

    def stop(*_):
        nonlocal going
        going = False

    signal.signal(signal.SIGTERM, stop)
    written, slowest, pieces = 0, 0.0, size // PIECE
    while going:
        place, byte = random.randrange(pieces) * PIECE, random.randrange(1, 256)
        start = time.monotonic()
        what = "discard" if random.randrange(4) == 0 else f"write -P {byte}"
        said = monitor.execute(
            "human-monitor-command",
            **{"command-line": f'qemu-io -d {device} "{what} {place} {PIECE}"'},
        )
        slowest = max(slowest, time.monotonic() - start)
        if "rror" in said or "failed" in said:
            raise SystemExit(f"the guest's write failed: {said}")
        written += PIECE
        time.sleep(PAUSE)
    print(f"{written // 2**20} MiB in {written // PIECE} writes, none failed, "
          f"the slowest took {slowest * 1000:.0f} ms")


def main():
    monitor = Monitor(sys.argv[1])
    if sys.argv[2] == "nodes":
        nodes = monitor.execute("query-named-block-nodes", flat=True)
        print(" ".join(sorted(node["node-name"] for node in nodes)))
    else:
        rewrite(monitor, sys.argv[3], int(sys.argv[4]))


main()
