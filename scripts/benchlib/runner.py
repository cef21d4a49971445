"""Measured runs.

Two programs are compared by running them in turn (A B A B ...): what else happens on the machine meets both alike.
Each round gives a ratio, and the median of these counts.  If what is compared with moves by more than MOVES
between rounds, the machine was not quiet enough: that is told, and all rounds are made again, a bounded number of
times; the rounds that moved least count.
"""
import contextlib
import os
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass, field

from . import Failed, cpu, machine

MOVES = 0.15


@dataclass
class Run:
    """What one run took."""
    wall: float
    cpu: float                  # of the program and of those beside it
    own_cpu: float = 0          # of the program and its children
    memory_mib: float = 0       # the most of any of them
    threads: dict = field(default_factory=dict)     # {process: {thread: CPU seconds}}
    load: dict = field(default_factory=dict)
    size: int = 0               # bytes written, if the subject looked
    output: str = ""

    def record(self):
        """For JSON."""
        record = {"wall": round(self.wall, 3), "cpu": round(self.cpu, 3), "own_cpu": round(self.own_cpu, 3),
                  "memory_mib": round(self.memory_mib, 1), "load": self.load}
        if self.threads:
            record["threads"] = self.threads
        if self.size:
            record["size"] = self.size
        return record


@contextlib.contextmanager
def _stream(path, mode, default):
    if path is None:
        yield default
    else:
        with open(path, mode) as f:
            yield f


@contextlib.contextmanager
def ended_with_us(p):
    """A program does not outlive a bench that is interrupted."""
    try:
        yield
    except BaseException:
        p.terminate()
        p.wait()
        raise


def measure(command, stdin=None, stdout=None, env=None, beside=None, name="program"):
    """Runs a command; stdin and stdout are paths, and output is what it said elsewhere.  beside is {name: pid} of
    processes that work for it, such as QEMU.  Raises Failed if the command fails."""
    os.sync()
    beside = beside or {}
    with tempfile.TemporaryFile("w+") as said, _stream(stdin, "rb", subprocess.DEVNULL) as source, \
            _stream(stdout, "wb", said) as sink:
        threads = {n: cpu.of_threads(pid) for n, pid in beside.items()}
        used = {n: cpu.of_process(pid) for n, pid in beside.items()}
        jiffies, begin = machine.jiffies(), time.monotonic()
        p = subprocess.Popen(command, stdin=source, stdout=sink, stderr=said, env=env)
        watch = cpu.Watch(p.pid)
        with ended_with_us(p):
            _, status, usage = os.wait4(p.pid, 0)
        wall = time.monotonic() - begin
        p.returncode = os.waitstatus_to_exitcode(status)
        own = usage.ru_utime + usage.ru_stime
        total = own + sum(cpu.of_process(pid) - used[n] for n, pid in beside.items())
        per_thread = {name: watch.finish()}
        per_thread.update({n: cpu.by_name(threads[n], cpu.of_threads(pid)) for n, pid in beside.items()})
        load = machine.load_between(jiffies, machine.jiffies(), total)
        said.seek(0)
        output = said.read()
    if p.returncode:
        raise Failed(f"{' '.join(command)} failed with {p.returncode}:\n{output}")
    return Run(wall, total, own, usage.ru_maxrss / 1024, per_thread, load, output=output)


def interleaved(runs, rounds):
    """{name: [Run of each round]} of {name: function}."""
    table = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            table[name].append(run())
    return table


def move(values):
    """By how much the largest is above the smallest."""
    return max(values) / max(min(values), 1e-9) - 1


class Comparison:
    """Rounds of several runs, of which others are compared with the reference."""

    def __init__(self, table, reference):
        self.table, self.reference = table, reference

    def moved(self, what="wall", reference=None):
        return move([getattr(run, what) for run in self.table[reference or self.reference]])

    def ratio(self, name, what="wall", reference=None, of=None):
        """The median of the rounds' ratios; `of` is another measure of the reference."""
        pairs = zip(self.table[name], self.table[reference or self.reference])
        return statistics.median(getattr(a, what) / max(getattr(b, of or what), 1e-9) for a, b in pairs)

    def median(self, name, what="wall"):
        return statistics.median(getattr(run, what) for run in self.table[name])

    def most(self, name, what):
        return max(getattr(run, what) for run in self.table[name])


def compare(runs, reference, rounds, repeats, say=print):
    """Rounds until the reference holds still, 1 + repeats times at most; all that was measured, the best first."""
    made = []
    for attempt in range(1 + repeats):
        made.append(Comparison(interleaved(runs, rounds), reference))
        moved = _restless(made[-1])
        if moved <= MOVES:
            break
        say(f"  ({reference} moved by {moved:.0%} between rounds"
            + (": again)" if attempt < repeats else ")"))
    return sorted(made, key=_restless)


def _restless(comparison):
    return max(comparison.moved("cpu"), comparison.moved("wall"))
