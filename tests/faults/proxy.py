#!/usr/bin/env python3
"""A monitor that goes away while its QEMU lives: proxy.py SOCKET REAL LOG [before|after|from WHICH]

Stands between a QMP client and the monitor REAL.  Each command of a client is a line of LOG, counted over all
connections.  WHICH is a number, or NAME#N for the N-th command of that name.  It

    before  ends the connection and is not passed on
    after   is passed on and answered, but the connection ends instead of the answer
    from    ends the connection, and so does every later one, also of new clients

`before` and `after` happen once.
"""
import json
import os
import socket
import sys


class Ended(Exception):
    pass


class Proxy:
    def __init__(self, real, log, how, which):
        self.real = real
        self.log = open(log, "w", buffering=1)
        self.how = how
        self.which = which
        self.count = 0
        self.names = []
        self.seen = False

    def answer(self, monitor):
        """Lines up to the answer; events come before it."""
        lines = []
        while True:
            line = monitor.readline()
            if not line:
                raise Ended
            lines.append(line)
            if "event" not in json.loads(line):
                return b"".join(lines)

    def is_hit(self, name):
        self.names.append(name)
        hit = not self.seen and self.which in (str(self.count), f"{name}#{self.names.count(name)}")
        self.seen = self.seen or hit
        return hit

    def command(self, line, fds, server, monitor):
        name = json.loads(line)["execute"]
        self.count += 1
        self.log.write(name + "\n")
        hit = self.is_hit(name)
        if hit and self.how == "before" or self.how == "from" and self.seen:
            raise Ended
        socket.send_fds(server, [line], fds)
        for fd in fds:
            os.close(fd)
        answer = self.answer(monitor)
        if hit:
            raise Ended
        return answer

    def serve(self, client):
        with socket.socket(socket.AF_UNIX) as server:
            server.connect(self.real)
            monitor = server.makefile("rb")
            client.sendall(monitor.readline())
            rest = b""
            while True:
                data, fds, _, _ = socket.recv_fds(client, 65536, 4)
                if not data:
                    return
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    client.sendall(self.command(line + b"\n", fds, server, monitor))
                    fds = []


def main():
    path, real, log, *cut = sys.argv[1:]
    proxy = Proxy(real, log, *(cut or ["", ""]))
    server = socket.socket(socket.AF_UNIX)
    server.bind(path + ".new")
    server.listen(8)
    os.rename(path + ".new", path)
    while True:
        client, _ = server.accept()
        try:
            proxy.serve(client)
        except (Ended, OSError, ValueError):
            pass
        finally:
            client.close()


main()
