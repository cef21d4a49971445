#!/usr/bin/env python3
"""A guest that writes as fast as it is let, beside a backup whose target takes so many bytes a second.

    rewriter.py MONITOR STORE ARCHIVE OPTION=VALUE... -- VZDUMP ARGUMENT...

Runs the command, whose standard output goes to ARCHIVE and whose log to ARCHIVE.log, and what a guest would do through
its devices, with many writes in flight, over the tests' own MONITOR.  It begins once the backup copies, and ends
when each place was written once, or the backup is over.  Below STORE are the fleecing images.

    disks=KEY:seq,KEY:random   which disks, and in which order
    mib=N             MiB of each disk that are written
    block=N           KiB of a write, 256
    depth=N           writes in flight per disk, 8
    second=N          at most so many writes a second and disk
    rate=N            bytes that the target takes a second, until the guest is done; 0: as they come
    stall=AT:SECONDS  after that many bytes the target takes none for so long
    stop=AT:SECONDS   SIGSTOP for the backup, SIGCONT after that time
    kill=AT           SIGKILL for it
    end=AT            the target goes away
    count=N           no more than so many writes of each disk

Prints what came of it as one line of JSON:

    status    how the backup ended
    peak      bytes that the images took at most, all together
    written   bytes of guest writes that were done
    all       whether the guest wrote all that it was to write before the backup was over
    seconds   how long that took
    drained   bytes that the target had taken by then
    held      the longest time in which no write came back while some were in flight
    mean      milliseconds that a write took, on average
"""
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "faults"))
from monitor import Monitor  # noqa: E402


class Disk:
    def __init__(self, monitor, text, blocks, count):
        self.key, order = text.split(":")
        self.blocks = list(range(blocks))
        if order == "random":
            random.Random(self.key).shuffle(self.blocks)
        del self.blocks[count:]
        base = f"/machine/peripheral/{self.key}"
        self.qdev = [d["qdev"] for d in monitor.execute("query-block")
                     if d.get("qdev") in (self.key, base, base + "/virtio-backend")][0]
        self.path = self.qdev if self.qdev.startswith("/") else base
        self.sent = self.done = 0


class Guest:
    def __init__(self, path, options):
        self.m = Monitor(path)
        self.block = int(options.get("block", 256)) << 10
        self.depth = int(options.get("depth", 8))
        self.second = int(options.get("second", 0))
        blocks = (int(options["mib"]) << 20) // self.block
        self.disks = [Disk(self.m, text, blocks, int(options.get("count", blocks)))
                      for text in options["disks"].split(",")]
        self.held, self.moved = 0.0, 0.0
        self.before = self.stats()

    def stats(self):
        return {s["qdev"]: s["stats"] for s in self.m.execute("query-blockstats") if s.get("qdev")}

    def of(self, disk, what):
        name = disk.path if disk.path in self.now else disk.qdev
        return self.now[name][what] - self.before[name][what]

    def look(self):
        self.now = self.stats()
        at = time.monotonic()
        done = [self.of(d, "wr_operations") for d in self.disks]
        if done != [d.done for d in self.disks] or all(d.sent == d.done for d in self.disks):
            self.moved = at
        self.held = max(self.held, at - self.moved)
        for d, n in zip(self.disks, done):
            d.done = n

    def write(self, disk):
        at = disk.blocks[disk.sent] * self.block
        self.m.execute("human-monitor-command",
                       command_line=f'qemu-io -d {disk.path} "aio_write -q -P 0x77 {at} {self.block}"')
        disk.sent += 1

    def may(self, disk, begin):
        if disk.sent == len(disk.blocks) or disk.sent - disk.done >= self.depth:
            return False
        return not self.second or disk.sent < (time.monotonic() - begin) * self.second

    def run(self, over):
        """True when all is written."""
        begin = self.moved = time.monotonic()
        while not over():
            self.look()
            if all(d.done == len(d.blocks) for d in self.disks):
                return True
            for disk in self.disks:
                while self.may(disk, begin):
                    self.write(disk)
            time.sleep(0.004)
        return False

    def figures(self):
        self.look()
        ops = sum(d.done for d in self.disks)
        ns = sum(self.of(d, "wr_total_time_ns") for d in self.disks)
        return {"written": ops * self.block, "held": round(self.held, 3), "mean": round(ns / 1e6 / max(ops, 1), 1)}


class Target:
    """Takes the archive, at its speed."""

    def __init__(self, stream, path, options):
        self.stream, self.path, self.taken = stream, path, 0
        self.rate = int(options.get("rate", 0))
        self.stall = [float(n) for n in options.get("stall", "inf:0").split(":")]
        self.end = float(options.get("end", "inf"))
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        due = time.monotonic()
        with open(self.path, "wb") as f:
            while self.taken < self.end and (data := os.read(self.stream.fileno(), 65536)):
                f.write(data)
                self.taken += len(data)
                if self.taken >= self.stall[0]:
                    time.sleep(self.stall[1])
                    self.stall[0] = float("inf")
                if self.rate:
                    # what was not taken in time is not caught up on
                    due = max(due + len(data) / self.rate, time.monotonic() - 0.1)
                    time.sleep(max(0, due - time.monotonic()))
        self.stream.close()


class Images:
    """What the fleecing images take."""

    def __init__(self, store):
        self.store, self.peak, self.over = store, 0, False
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while not self.over:
            used = 0
            for path in pathlib.Path(self.store).glob("images/*/*fleece*"):
                try:
                    used += path.stat().st_blocks * 512
                except FileNotFoundError:
                    pass
            self.peak = max(self.peak, used)
            time.sleep(0.02)


def stop_amid(process, target, options):
    at, seconds = (float(n) for n in options.get("stop", options.get("kill", "inf") + ":0").split(":"))
    while target.taken < at:
        if process.poll() is not None:
            return
        time.sleep(0.01)
    process.send_signal(signal.SIGSTOP if seconds else signal.SIGKILL)
    time.sleep(seconds)
    process.send_signal(signal.SIGCONT)


def wait_for(log, words, process):
    while words not in pathlib.Path(log).read_text() and process.poll() is None:
        time.sleep(0.02)


def main():
    split = sys.argv.index("--")
    monitor, store, archive, *words = sys.argv[1:split]
    options = dict(word.split("=") for word in words)
    guest = Guest(monitor, options)
    with open(archive + ".log", "wb") as log:
        process = subprocess.Popen(sys.argv[split + 1:], stdout=subprocess.PIPE, stderr=log)
    images = Images(store)
    target = Target(process.stdout, archive, options)
    threading.Thread(target=stop_amid, args=(process, target, options), daemon=True).start()
    wait_for(archive + ".log", "started backup task", process)
    begin = time.monotonic()
    every = guest.run(lambda: process.poll() is not None)
    seconds, drained = time.monotonic() - begin, target.taken
    target.rate = 0
    target.thread.join()
    status = process.wait()
    images.over = True
    print(json.dumps({"status": status, "peak": images.peak, "all": every, "seconds": round(seconds, 2),
                      "drained": drained, **guest.figures()}))


main()
