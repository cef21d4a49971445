#!/usr/bin/env python3
"""A guest agent for guests without an operating system: agent.py SOCKET STATE MONITOR [slow]

Freezes and thaws nothing but the word in the file STATE.  guest-shutdown ends the QEMU behind
MONITOR, as a guest does that powers off.  A slow agent takes 2 s to freeze.
"""
import json
import os
import socket
import sys
import time


def write(path, text):
    with open(path + ".new", "w") as f:
        f.write(text)
    os.rename(path + ".new", path)


def quit_qemu(monitor):
    s = socket.socket(socket.AF_UNIX)
    s.connect(monitor)
    stream = s.makefile("rw")
    stream.readline()
    stream.write('{"execute":"qmp_capabilities"}\n{"execute":"quit"}\n')
    stream.flush()
    while stream.readline():
        pass


def answer(command, arguments, state, slow):
    if command == "guest-sync-delimited":
        return arguments["id"]
    if command == "guest-fsfreeze-freeze":
        write(state, "frozen")
        time.sleep(2 if slow else 0)
        return 1
    if command == "guest-fsfreeze-thaw":
        write(state, "thawed")
        return 1
    if command == "guest-fsfreeze-status":
        with open(state) as f:
            return f.read().strip()
    return {}


def serve(client, state, monitor, slow):
    stream = client.makefile("rb")
    for line in stream:
        request = json.loads(line.lstrip(b"\xff"))
        command = request["execute"]
        if command == "guest-shutdown":
            quit_qemu(monitor)
            return
        mark = b"\xff" if command == "guest-sync-delimited" else b""
        value = answer(command, request.get("arguments", {}), state, slow)
        client.sendall(mark + json.dumps({"return": value}).encode() + b"\n")


def main():
    path, state, monitor, *more = sys.argv[1:]
    write(state, "thawed")
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen(8)
    while True:
        client, _ = server.accept()
        try:
            serve(client, state, monitor, "slow" in more)
        except (ConnectionError, ValueError):
            pass
        finally:
            client.close()


main()
