"""Fleecing images under a limit, while guests rewrite their disks as fast as they can.

What draining allows: once the images are nearly full, the guest may overwrite, for the first time since the backup's
instant, as much as the target takes meanwhile.  Before that vzdump's own buffers fill, and the images.
"""
import os
import shutil
import statistics
import subprocess
import tempfile

from .. import disks
from ..disks import MIB
from ..guest import CLUSTER, Rewriter, Sampler, Writer, front, per_second, percentile, slow_backup
from ..host import host
from ..qmp import Events, pauses
from ..runner import move

ABOUT = "fleecing images with a limit under full rewriting, targets of 5, 20 and 100 MB/s, one and four disks"

SLACK = 8           # MiB that may be in flight
MIBS = {5: (112, 16), 20: (192, 32), 100: (576, 64)}     # of all disks, and of the limit, for targets of so many MB/s
NEARLY = 0.7        # of the limit
# Of the disks, {at random: share}: later most of what a writer in random order meets has been overwritten before.
MOST = {False: 0.98, True: 0.7}


def run(ctx, s):
    said = subprocess.run([ctx.tools.vzdump, "--help"], capture_output=True, text=True, check=False).stdout
    if "limit=" not in said:
        s.skip("fleecing images with a limit, which this vzdump does not know")
        return
    found = []
    for tools in ctx.qemus():
        for rate in (20,) if ctx.quick or tools is not ctx.tools else (5, 20, 100):
            for count in (1,) if ctx.quick else (1, 4):
                found += _both_writers(ctx, s, tools, rate, count)
    _in_memory(ctx, s)
    s.figure("limit.over", "fleecing with a limit: the most above it, of all", max(f["over"] for f in found), "MiB",
             goal=SLACK, brief=True)
    slowed = [f["speed"] for f in found if f["speed"] is not None]
    if slowed:
        s.figure("limit.speed", "fleecing with a limit: first writes, draining allows 1, the least", min(slowed),
                 goal=0.8, at_least=True, brief=True)
    _without(ctx, s)
    _gentle(ctx, s)


def _sizes(ctx, rate):
    """Bytes of all disks, and of the limit."""
    total, limit = MIBS[rate]
    part = 2 if ctx.quick else 1
    return total * MIB // part, limit * MIB // part


def _make_disks(ctx, total, count):
    return [disks.random_disk(ctx.path(f"limit{i}.raw"), total // count) for i in range(count)]


def _both_writers(ctx, s, tools, rate, count):
    total, limit = _sizes(ctx, rate)
    made = _make_disks(ctx, total, count)
    found = []
    with host(tools, ctx.base, made, running=True) as h:
        paths, monitor = front(h, count)
        for at_random in (False, True):
            found.append(_rewritten(h, paths, total // count, rate, limit, at_random))
            _show(s, tools, rate, count, limit, at_random, found[-1])
        _end(monitor, count)
    for disk in made:
        os.unlink(disk)
    return found


def _end(monitor, count):
    for i in range(count):
        monitor("block-export-del", id=f"guest{i}")
    monitor.close()


def _fleecing(limit):
    return ("--fleecing", f"enabled=1,storage=fast,limit={limit}" if limit else "enabled=1,storage=fast")


def _rewritten(h, paths, size, rate, limit, at_random):
    """A backup while one writer rewrites all disks."""
    events, sampler = Events(h.events), Sampler(h.fast, 0.02)
    writer = Rewriter(paths, size, at_random)
    output, taken = slow_backup(h, rate * 1_000_000, *_fleecing(limit))
    times, places = writer.finish()
    stops, space = pauses(events.finish()), sampler.finish()
    instant, end = stops[0][0] if stops else times[0], taken[-1][0]
    peak = max([mib for _, mib in space] or [0])
    done = _first_writes(times, places, instant, end, len(paths) * size * MOST[at_random])
    full = next((at for at, mib in space if limit and mib >= NEARLY * limit / MIB), None)
    return {"peak": peak, "over": peak - limit / MIB, "speed": _speed(done, taken, full), "output": output,
            "seconds": end - instant, "full after": full - instant if full else None,
            "first": len(done) * CLUSTER / MIB, "all": sum(CLUSTER for at in times if instant <= at <= end) / MIB}


def _first_writes(times, places, instant, end, most):
    """When each cluster was overwritten first since the instant, until `most` bytes were, or the backup ended."""
    seen, found = set(), []
    for at, place in zip(times, places):
        if at > end or len(seen) * CLUSTER >= most:
            break
        if at >= instant and place not in seen:
            seen.add(place)
            found.append(at)
    return found


def _speed(done, taken, full):
    """First writes since the images were nearly full, where what the target took meanwhile is 1; None if they were
    not for a second."""
    if not full or not done or done[-1] - full < 1:
        return None
    drained = _taken_until(taken, done[-1]) - _taken_until(taken, full)
    return sum(CLUSTER for at in done if at >= full) / max(drained, 1)


def _taken_until(taken, when):
    return max([n for at, n in taken if at <= when] or [0])


def _show(s, tools, rate, count, limit, at_random, found):
    version, way = tools.qemu_version(), "random" if at_random else "sequential"
    name = f"QEMU {version}, {rate} MB/s, {count} disk{'s' if count > 1 else ''}, {way}"
    key = f"limit.{version}.{rate}.{count}.{way}"
    s.figure(f"{key}.peak", f"{name}: images with limit {limit // MIB} MiB", found["peak"], "MiB",
             goal=limit / MIB + SLACK)
    if found["speed"] is None:
        s.say(f"  {name}: images not nearly full for long; {found['first']:.0f} MiB were overwritten")
    else:
        s.figure(f"{key}.speed", f"{name}: first writes, draining allows 1", found["speed"], goal=0.8, at_least=True)
    s.rounds.append({"group": "limit", "name": name, "limit_mib": limit // MIB,
                     **{what: round(found[what], 2) if found[what] is not None else None
                        for what in ("peak", "over", "speed", "seconds", "full after", "first", "all")},
                     "log": [line for line in found["output"].splitlines() if "fleecing" in line][-6:]})


def _in_memory(ctx, s):
    """The images are in memory, as on a host that has no fast storage."""
    if not os.path.isdir("/dev/shm"):
        s.skip("images in /dev/shm, which is not here")
        return
    total, limit = _sizes(ctx, 20)
    made = _make_disks(ctx, total, 1)
    folder = tempfile.mkdtemp(prefix="vzdump-bench-", dir="/dev/shm")
    try:
        with host(ctx.tools, ctx.base, made, running=True, fast=folder) as h:
            paths, monitor = front(h)
            found = _rewritten(h, paths, total, 20, limit, False)
            _end(monitor, 1)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    os.unlink(made[0])
    s.figure("limit.memory", f"images in /dev/shm, limit {limit // MIB} MiB, disk of {total // MIB} MiB: the most",
             found["peak"], "MiB", goal=limit / MIB + SLACK)


def _without(ctx, s):
    """What images take without a limit."""
    total, _ = _sizes(ctx, 20)
    made = _make_disks(ctx, total, 1)
    with host(ctx.tools, ctx.base, made, running=True) as h:
        paths, monitor = front(h)
        found = _rewritten(h, paths, total, 20, 0, False)
        _end(monitor, 1)
    os.unlink(made[0])
    s.figure("limit.none", f"20 MB/s, 1 disk of {total // MIB} MiB, sequential: images without a limit",
             found["peak"], "MiB")


def _gentle(ctx, s):
    """A guest that stays within the limit, which must not be felt: with and without it in turn."""
    total, limit = 64 * MIB, 32 * MIB
    made = _make_disks(ctx, total, 1)
    rounds = []
    with host(ctx.tools, ctx.base, made, running=True) as h:
        paths, monitor = front(h)
        for _ in range(ctx.rounds):
            rounds.append([])
            for bound in (0, limit):
                writer = Writer(paths[0], total)
                slow_backup(h, 20_000_000, *_fleecing(bound))
                rounds[-1].append(writer.finish())
        _end(monitor, 1)
    os.unlink(made[0])
    s.figure("limit.gentle.rate", "200 writes a second, with a limit, without it is 1: writes a second",
             statistics.median(per_second(bound) / per_second(free) for free, bound in rounds), goal=0.98,
             at_least=True, brief=True)
    p99 = [[percentile(writes, 0.99) for writes in each] for each in rounds]
    s.figure("limit.gentle.p99", "200 writes a second, with a limit, without it is 1: p99",
             statistics.median(bound / free for free, bound in p99), goal=1.3, moved=move([free for free, _ in p99]))
