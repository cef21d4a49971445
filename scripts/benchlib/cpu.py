"""The CPU time of processes that run, and of their threads, in seconds."""
import contextlib
import os
import re
import threading

from . import machine


def _stat(path):
    """Name and CPU time, also of threads that have ended if it is a process."""
    text = machine.read(path)
    name = text[text.index("(") + 1:text.rindex(")")]
    fields = text[text.rindex(")") + 2:].split()
    return name, (int(fields[11]) + int(fields[12])) / machine.TICKS


def of_process(pid):
    return _stat(f"/proc/{pid}/stat")[1]


def of_threads(pid):
    """{thread id: (name, seconds)} of those that live; the first one is called "main"."""
    found = {}
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for tid in os.listdir(f"/proc/{pid}/task"):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                name, seconds = _thread(pid, tid)
                found[int(tid)] = ("main" if int(tid) == pid else name, seconds)
    return found


def _thread(pid, tid):
    """The scheduler counts nanoseconds where it counts at all, /proc/*/stat hundredths of a second."""
    name, seconds = _stat(f"/proc/{pid}/task/{tid}/stat")
    with contextlib.suppress(OSError, ValueError, IndexError):
        seconds = int(machine.read(f"/proc/{pid}/task/{tid}/schedstat").split()[0]) / 1e9
    return name, seconds


def by_name(before, after):
    """What threads used between two calls of of_threads(), under their names without numbers at the end."""
    used = {}
    for tid, (name, seconds) in after.items():
        name = re.sub(r"[-_/ ]?\d+$", "", name)
        used[name] = used.get(name, 0) + seconds - before.get(tid, (name, 0))[1]
    return {name: round(seconds, 3) for name, seconds in sorted(used.items())}


class Watch(threading.Thread):
    """Looks at the threads of a process until it has ended: afterwards nothing tells what they used."""

    def __init__(self, pid, interval=0.05):
        super().__init__(daemon=True)
        self.pid, self.interval = pid, interval
        self.seen = {}
        self.stop = threading.Event()
        self.start()

    def run(self):
        while not self.stop.wait(self.interval):
            self.seen.update(of_threads(self.pid))

    def finish(self):
        self.stop.set()
        self.join()
        return by_name({}, self.seen)
