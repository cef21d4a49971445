"""A client of a QMP monitor, and what vzdump's trace of its own commands tells."""
import contextlib
import json
import re
import socket
import threading
from dataclasses import dataclass
from datetime import datetime

from . import Failed


class Qmp:
    """Commands, one after the other."""

    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(path)
        # a stream for both ways would drop what it has read ahead at each write
        self.file = self.sock.makefile("r")
        self.file.readline()
        self("qmp_capabilities")

    def __call__(self, command, **args):
        args = {key.replace("_", "-"): value for key, value in args.items()}
        self.sock.sendall((json.dumps({"execute": command, "arguments": args}) + "\n").encode())
        while True:
            answer = json.loads(self.file.readline())
            if "return" in answer:
                return answer["return"]
            if "error" in answer:
                raise Failed(f"{command}: {answer['error']['desc']}")

    def close(self):
        self.file.close()
        self.sock.close()


class Events(threading.Thread):
    """Listens to a monitor of its own; events carry QEMU's time, so that a busy machine does not blur it."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.qmp = Qmp(path)
        self.seen = []
        self.start()

    def run(self):
        # the monitor ends with QEMU, or with finish()
        with contextlib.suppress(OSError, ValueError):
            for line in self.qmp.file:
                message = json.loads(line)
                if "event" in message:
                    at = message["timestamp"]
                    self.seen.append((at["seconds"] + at["microseconds"] / 1e6, message["event"]))

    def finish(self):
        self.qmp.sock.shutdown(socket.SHUT_RDWR)
        self.join()
        self.qmp.close()
        return self.seen


def pauses(events):
    """[(begin, seconds)] of what lies between STOP and RESUME."""
    found, begin = [], None
    for at, name in events:
        if name == "STOP":
            begin = at
        elif name == "RESUME" and begin is not None:
            found.append((begin, at - begin))
            begin = None
    return found


@dataclass
class Command:
    name: str
    sent: float         # seconds since 1970
    answered: float
    ms: float           # from when QEMU could begin with it: it was sent, and the one before was answered


TRACED = re.compile(r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}) qmp: (\S+) ([<>]) (.*)")
EXECUTE = re.compile(r'"execute": ?"([^"]+)"')
ANSWER = re.compile(r'\{ ?"(return|error)"|"(return|error)": ?[\[{"\d]')


def traced_commands(output, channel):
    """The commands on a channel in the trace of a run with VZDUMP_TRACE=qmp.  Answers come in the order of
    commands, events between them."""
    waiting, found, last = [], [], 0.0
    for line in output.splitlines():
        match = TRACED.match(line)
        if not match or match[2] != channel:
            continue
        at = datetime.strptime(match[1], "%Y-%m-%d %H:%M:%S.%f").timestamp()
        if match[3] == ">":
            waiting += [(name, at) for name in EXECUTE.findall(match[4])]
        elif waiting and '"event":' not in match[4][:200] and ANSWER.search(match[4][:200]):
            name, sent = waiting.pop(0)
            found.append(Command(name, sent, at, (at - max(sent, last)) * 1000))
            last = at
    return found
