#!/usr/bin/env python3
"""One QMP command for the tests: qmp.py SOCKET COMMAND [JSON-ARGUMENTS]

Prints the "return" member: strings as they are, all else as JSON.  Exit status 1 and QEMU's words on
stderr when it says no.  COMMAND "hmp" takes a human monitor line instead of JSON.
"""
import json
import socket
import sys


def main():
    path, command, *rest = sys.argv[1:]
    if command == "hmp":
        command = "human-monitor-command"
        arguments = {"command-line": rest[0]}
    else:
        arguments = json.loads(rest[0]) if rest else {}
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(60)
    sock.connect(path)
    stream = sock.makefile("rw")

    def execute(name, args):
        stream.write(json.dumps({"execute": name, "arguments": args}) + "\n")
        stream.flush()
        while True:
            line = stream.readline()
            if not line:
                sys.exit(f"{path}: the connection was closed")
            answer = json.loads(line)
            if "return" in answer:
                return answer["return"]
            if "error" in answer:
                sys.exit(f"{name}: {answer['error']['desc']}")

    stream.readline()
    execute("qmp_capabilities", {})
    value = execute(command, arguments)
    print(value if isinstance(value, str) else json.dumps(value), end="\n" if value else "")


main()
