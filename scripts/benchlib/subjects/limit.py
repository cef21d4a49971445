"""Fleecing images under a limit, while guests rewrite their disks as fast as they can.

What draining allows: the guest may have overwritten, for the first time since the backup's instant, as much as the
images may hold and the target has taken.  The rest it has to wait for.
"""
import os
import shutil
import subprocess
import tempfile

from .. import disks
from ..disks import MIB
from ..guest import CLUSTER, Rewriter, Sampler, Writer, front, per_second, percentile, slow_backup
from ..host import host
from ..qmp import Events, pauses

ABOUT = "fleecing images with a limit under full rewriting, targets of 5, 20 and 100 MB/s, one and four disks"

SLACK = 8           # MiB that may be in flight
SECONDS = {5: 10, 20: 8, 100: 6}    # how long a whole disk takes to a target of so many MB/s


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
    s.figure("limit.speed", "fleecing with a limit: first writes, where draining allows 1, the least of all",
             min(f["speed"] for f in found), goal=0.8, at_least=True, brief=True)
    _gentle(ctx, s)


def _sizes(ctx, rate):
    """Bytes of all disks, and of the limit."""
    total = rate * SECONDS[rate] * 1_000_000 * ctx.size // (3072 * MIB) // (16 * MIB) * 16 * MIB
    total = max(total, 64 * MIB)
    return total, max(total // 4, 16 * MIB)


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
    instant = stops[0][0] if stops else times[0]
    peak = max([mib for _, mib in space] or [0])
    done = _first_writes(times, places, instant, taken[-1][0], len(paths) * size)
    allowed = min(len(paths) * size, limit + _taken_until(taken, done[0]))
    return {"peak": peak, "over": peak - limit / MIB, "speed": done[1] / allowed, "output": output,
            "mib": done[1] / MIB, "seconds": done[0] - instant,
            "all": sum(CLUSTER for at in times if instant <= at <= taken[-1][0]) / MIB}


def _first_writes(times, places, instant, end, whole):
    """When all clusters had been overwritten since the instant, or the backup ended; and bytes until then."""
    seen = set()
    for at, place in zip(times, places):
        if at > end:
            break
        if at >= instant:
            seen.add(place)
            if len(seen) * CLUSTER >= whole * 0.98:
                return at, len(seen) * CLUSTER
    return end, len(seen) * CLUSTER


def _taken_until(taken, when):
    return max([n for at, n in taken if at <= when] or [0])


def _show(s, tools, rate, count, limit, at_random, found):
    version, way = tools.qemu_version(), "random" if at_random else "sequential"
    name = f"QEMU {version}, {rate} MB/s, {count} disk{'s' if count > 1 else ''}, {way}"
    key = f"limit.{version}.{rate}.{count}.{way}"
    s.figure(f"{key}.peak", f"{name}: images with limit {limit // MIB} MiB", found["peak"], "MiB",
             goal=limit / MIB + SLACK)
    s.figure(f"{key}.speed", f"{name}: first writes, where draining allows 1", found["speed"], goal=0.8,
             at_least=True)
    s.rounds.append({"group": "limit", "name": name, "limit_mib": limit // MIB,
                     **{what: round(found[what], 2) for what in ("peak", "over", "speed", "mib", "seconds", "all")},
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


def _gentle(ctx, s):
    """A guest that stays within the limit, which must not be felt; and what images take without a limit."""
    total, limit = _sizes(ctx, 20)
    made = _make_disks(ctx, total, 1)
    with host(ctx.tools, ctx.base, made, running=True) as h:
        paths, monitor = front(h)
        free = _rewritten(h, paths, total, 20, 0, False)
        writes = {}
        for bound in (0, limit):
            writer = Writer(paths[0], total)
            slow_backup(h, 20_000_000, *_fleecing(bound))
            writes[bound] = writer.finish()
        _end(monitor, 1)
    os.unlink(made[0])
    s.figure("limit.none", f"20 MB/s, 1 disk of {total // MIB} MiB, sequential: images without a limit",
             free["peak"], "MiB")
    s.figure("limit.gentle.rate", "200 writes a second, with a limit, where without it is 1: writes a second",
             per_second(writes[limit]) / per_second(writes[0]), goal=0.98, at_least=True, brief=True)
    s.figure("limit.gentle.p99", "200 writes a second, with a limit, where without it is 1: p99",
             percentile(writes[limit], 0.99) / percentile(writes[0], 0.99), goal=1.3)
