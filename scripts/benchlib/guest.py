"""What stands for the guest and for a slow target.  Each is a process of its own: they must not wait for each
other, nor for this program."""
import contextlib
import multiprocessing
import os
import random
import subprocess
import tempfile
import time
from array import array

from . import Failed
from .disks import MIB
from .qmp import Qmp
from .runner import ended_with_us

CLUSTER = 65536


class _Process:
    """Runs work(stop) until finish(), which returns what it found."""

    def __init__(self):
        self.stop = multiprocessing.Event()
        self.ours, theirs = multiprocessing.Pipe()
        self.process = multiprocessing.Process(target=self._run, args=(theirs,), daemon=True)
        self.process.start()
        theirs.close()
        self.ours.recv()    # it has begun

    def _run(self, pipe):
        pipe.send(None)
        try:
            pipe.send(self.work())
        except OSError as e:
            pipe.send(Failed(f"{type(self).__name__}: {e}"))

    def work(self):
        raise NotImplementedError

    def finish(self):
        self.stop.set()
        found = self.ours.recv()
        self.process.join()
        if isinstance(found, Failed):
            raise found
        return found


class Writer(_Process):
    """64 KiB at a random place, 200 times a second; finds [(time, milliseconds)], time as time.time() has it."""

    def __init__(self, path, size, rate=200):
        self.path, self.size, self.rate = path, size, rate
        super().__init__()

    def work(self):
        found = []
        fd = os.open(self.path, os.O_RDWR)
        due = time.monotonic()
        while not self.stop.is_set():
            data = os.urandom(CLUSTER)  # never twice the same: it would compress
            offset = random.randrange(self.size // CLUSTER) * CLUSTER
            wall, begin = time.time(), time.monotonic()
            os.pwrite(fd, data, offset)
            found.append((wall, (time.monotonic() - begin) * 1000))
            due = max(due + 1 / self.rate, time.monotonic() - 0.5)
            time.sleep(max(0, due - time.monotonic()))
        os.close(fd)
        return found


class Rewriter(_Process):
    """Rewrites disks as fast as they take it, in order or in a new random order each time, one writer for all; finds
    the times of the writes, as time.time() has them, and their places, which are numbers of clusters over all disks."""

    def __init__(self, paths, size, at_random):
        self.paths, self.size, self.at_random = paths, size, at_random
        super().__init__()

    def _places(self):
        order = list(range(self.size // CLUSTER))
        while True:
            if self.at_random:
                random.shuffle(order)
            yield from order

    def work(self):
        fds = [os.open(path, os.O_RDWR) for path in self.paths]
        times, places = array("d"), array("I")
        for place in self._places():
            if self.stop.is_set():
                break
            for i, fd in enumerate(fds):
                os.pwrite(fd, os.urandom(CLUSTER), place * CLUSTER)     # never twice the same: it would compress
                times.append(time.time())
                places.append(place * len(fds) + i)
        for fd in fds:
            os.close(fd)
        return times, places


class Target(_Process):
    """Takes `rate` bytes a second from a pipe and throws them away; finds [(time, bytes so far)]."""

    def __init__(self, pipe, rate):
        self.pipe, self.rate = pipe, rate
        super().__init__()

    def work(self):
        found, taken, begin = [], 0, time.monotonic()
        piece = min(1 << 16, int(self.rate / 20))
        while data := os.read(self.pipe, piece):
            # a target that had nothing to do for a while is not faster afterwards
            begin = max(begin, time.monotonic() - taken / self.rate - 0.1)
            taken += len(data)
            time.sleep(max(0, begin + taken / self.rate - time.monotonic()))
            found.append((time.time(), taken))
        return found


class Sampler(_Process):
    """What the files in a folder take; finds [(time, MiB)], nothing if there never were any."""

    def __init__(self, folder, interval=0.05):
        self.folder, self.interval = folder, interval
        super().__init__()

    def work(self):
        found = []
        while not self.stop.wait(self.interval):
            blocks = 0
            for folder, _, names in os.walk(self.folder):
                for name in names:
                    with contextlib.suppress(FileNotFoundError):  # it may be gone by now
                        blocks += os.stat(os.path.join(folder, name)).st_blocks
            found.append((time.time(), blocks * 512 / MIB))
        return found if any(mib for _, mib in found) else []


def front(h, exports=1):
    """Files by which somebody writes into the first disks as the guest would: they share the devices' top nodes,
    throttle filters as PVE 9 has them, so that a backup's filter comes under both.  Returns paths and the monitor."""
    monitor, paths = Qmp(h.monitor), []
    for i in range(len(h.disks)):
        monitor("object-add", qom_type="throttle-group", id=f"none{i}")
        monitor("blockdev-add", driver="throttle", node_name=f"top{i}", throttle_group=f"none{i}", file=f"disk{i}")
        monitor("qom-set", path=f"/machine/peripheral/scsi{i}", property="drive", value=f"top{i}")
    for i in range(exports):
        paths.append(os.path.join(h.base, f"guest{i}"))
        with open(paths[-1], "w"):
            pass
        monitor("block-export-add", type="fuse", id=f"guest{i}", node_name=f"top{i}", mountpoint=paths[-1],
                writable=True)
    return paths, monitor


def slow_backup(h, rate, *args, **environment):
    """Saves the guest to a target that takes `rate` bytes a second; returns what vzdump said, and what the target
    took until when."""
    with tempfile.TemporaryFile("w+") as said:
        p = subprocess.Popen(h.command("--stdout", "--compress", "zstd", "--zstd", "2", *args),
                             env=h.environment(**environment), stdout=subprocess.PIPE, stderr=said)
        with ended_with_us(p):
            target = Target(p.stdout.fileno(), rate)
            p.stdout.close()
            status, taken = p.wait(), target.finish()
        said.seek(0)
        output = said.read()
    if status:
        raise Failed(f"vzdump failed:\n{output}")
    return output, taken


def percentile(writes, p):
    """Of [(time, milliseconds)]."""
    values = sorted(ms for _, ms in writes)
    return values[min(len(values) - 1, int(len(values) * p))] if values else 0.0


def within(writes, begin, end):
    """Those that went on at some time between begin and end."""
    return [(at, ms) for at, ms in writes if at + ms / 1000 >= begin and at <= end]


def per_second(writes):
    return (len(writes) - 1) / max(writes[-1][0] - writes[0][0], 1e-9) if len(writes) > 1 else 0.0

