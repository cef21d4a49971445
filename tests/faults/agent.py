#!/usr/bin/env python3
"""A simulated guest agent, for guests without an operating system: agent.py SOCKET STATE MONITOR [KIND]

Freezes and thaws nothing but the word in the file STATE.  guest-shutdown ends the QEMU behind
MONITOR, as a guest does that powers off.  Each command is a line of STATE.log.  Kinds, which a real agent
cannot be made to be on demand:

    slow      takes 2 s to freeze
    refuses   as a Windows without VSS: pings are answered, all of fsfreeze with an error
    hangs     never answers a freeze; all later commands wait behind it
    stays     freezes, then never answers a thaw
    bomb      answers each command but a ping with 16 MiB of {},
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
    stream = s.makefile("r")
    stream.readline()
    s.sendall(b'{"execute":"qmp_capabilities"}\n{"execute":"quit"}\n')
    while stream.readline():
        pass


def misbehave(command, client, kind):
    """True if that was all."""
    fsfreeze = command.startswith("guest-fsfreeze-")
    if kind == "refuses" and fsfreeze:
        error = {"class": "GenericError", "desc": f"The command {command} has been disabled for this instance"}
        client.sendall(json.dumps({"error": error}).encode() + b"\n")
        return True
    if kind == "hangs" and command == "guest-fsfreeze-freeze" or kind == "stays" and command == "guest-fsfreeze-thaw":
        while client.recv(65536):
            pass
        return True
    if kind == "bomb" and fsfreeze:
        client.sendall(b'{"return":[' + b"{}," * (16 * 1024 * 1024 // 3) + b"{}]}\n")
        return True
    return False


def answer(command, arguments, state, kind):
    if command == "guest-sync-delimited":
        return arguments["id"]
    if command == "guest-fsfreeze-freeze":
        write(state, "frozen")
        time.sleep(2 if kind == "slow" else 0)
        return 1
    if command == "guest-fsfreeze-thaw":
        write(state, "thawed")
        return 1
    if command == "guest-fsfreeze-status":
        with open(state) as f:
            return f.read().strip()
    return {}


def serve(client, state, monitor, kind):
    stream = client.makefile("rb")
    for line in stream:
        request = json.loads(line.lstrip(b"\xff"))
        command = request["execute"]
        with open(state + ".log", "a") as log:
            log.write(command + "\n")
        if misbehave(command, client, kind):
            continue
        if command == "guest-shutdown":
            quit_qemu(monitor)
            return
        mark = b"\xff" if command == "guest-sync-delimited" else b""
        value = answer(command, request.get("arguments", {}), state, kind)
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
            serve(client, state, monitor, more[0] if more else "")
        except (ConnectionError, ValueError):
            pass
        finally:
            client.close()


main()
