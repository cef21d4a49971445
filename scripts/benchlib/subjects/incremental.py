"""Incremental backups of a disk of files, of which 1 % of the clusters change between two backups."""
import os
import random
import subprocess

from .. import disks
from ..context import size_text
from ..host import host
from ..qmp import Qmp
from .speed import FLEECING, ZSTD

ABOUT = "incremental backups on XFS, 1 % of the disk rewritten between two (needs root)"

CLUSTER = 65536


class Place:
    """A file system with shared blocks for the archives, on a loop device."""

    def __init__(self, base, kind, size):
        self.dir, self.image = os.path.join(base, "backup"), os.path.join(base, "place.img")
        os.makedirs(self.dir, exist_ok=True)
        disks.empty_disk(self.image, size)
        subprocess.run([f"mkfs.{kind}", "-q", self.image], check=True)
        subprocess.run(["mount", "-o", "loop", self.image, self.dir], check=True)

    def used(self):
        subprocess.run(["sync", "-f", self.dir], check=True)
        st = os.statvfs(self.dir)
        return (st.f_blocks - st.f_bfree) * st.f_frsize

    def end(self):
        subprocess.run(["umount", self.dir], check=True)
        os.unlink(self.image)


def change_disk(h, rng, spots, clusters, total):
    """The guest rewrites so many clusters of `total`: four of five requests within the hot spots."""
    monitor, disk, data = Qmp(h.monitor), h.disks[0], os.path.join(h.base, "piece")
    done = set()
    while len(done) < clusters:
        n = min(rng.choice((1, 1, 2, 4, 8)), clusters - len(done))
        at = (rng.choice(spots) + rng.randrange(60 - n) if rng.random() < 0.8 else
              rng.randrange(total - n))
        # what a file system holds: a piece of the disk itself, from another place
        with open(disk, "rb") as f:
            f.seek(rng.randrange(total - n) * CLUSTER + 4096)
            piece = f.read(n * CLUSTER)
        with open(data, "wb") as f:
            f.write(piece.ljust(n * CLUSTER, b"x"))
        monitor("human-monitor-command", command_line=f'qemu-io -d /machine/peripheral/scsi0 '
                f'"write -s {data} {at * CLUSTER} {n * CLUSTER}"')
        done.update(range(at, at + n))
    monitor.close()
    os.unlink(data)


def line_of(output):
    """What vzdump says about the way in which the first disk was read."""
    return next((line.partition("INFO: ")[2] for word in ("incremental to", "full backup")
                 for line in output.splitlines() if word in line), "")


def run(ctx, s):
    if os.geteuid():
        s.skip("incremental backups, since only root can mount a file system")
        return
    disk, size = ctx.files_disk(), ctx.size * 4 // 3
    os.truncate(disk, size)
    place = Place(ctx.base, "xfs", max(ctx.size * 4, 1 << 30))
    try:
        with host(ctx.tools, ctx.base, [disk], keep=True) as h:
            disks.warm(disk)
            rows = _chain(ctx, s, h, place, size // CLUSTER)
    finally:
        place.end()
        os.unlink(disk)     # others want it as it was
    _figures(s, rows)


def _chain(ctx, s, h, place, total):
    """[(kind, Run)], whose size is what the archive takes that was not there before."""
    rng, rows = random.Random(13), []
    spots = [rng.randrange(total - 64) for _ in range(20)]
    s.say(f"disk of {size_text(total * CLUSTER)}, {size_text(ctx.size)} of files, 1 % of the clusters rewritten "
          "between two backups, XFS:")

    def run_one(kind, *args):
        before = place.used()
        result = h.vzdump("--storage", "backup", *ZSTD, *FLEECING, *args)
        result.size = place.used() - before
        rows.append((kind, result))
        s.say(f"  {kind:12s} {result.wall:6.2f} s, CPU {result.cpu:6.2f} s, new {result.size / disks.MIB:7.1f} MiB, "
              f"memory {result.memory_mib:4.0f} MiB  {line_of(result.output)}")
        s.rounds.append({"group": "incremental", "name": kind, **result.record()})

    for _ in range(2):
        run_one("full")
    run_one("chain", "--incremental", "1")
    for _ in range(2 if ctx.quick else 4):
        change_disk(h, rng, spots, total // 100, total)
        run_one("next", "--incremental", "1")
    h.stop()
    h.start()
    change_disk(h, rng, spots, total // 100, total)
    run_one("comparing", "--incremental", "1")
    return rows


def _figures(s, rows):
    full = [r for kind, r in rows if kind == "full"]
    moved = max(r.wall for r in full) / min(r.wall for r in full) - 1
    for kind, text in (("next", "incremental, 1 % rewritten"), ("comparing", "incremental, all compared")):
        runs = sorted((r for k, r in rows if k == kind), key=lambda r: r.wall)
        middle = runs[len(runs) // 2]
        for what, name, unit in (("cpu", "CPU", ""), ("wall", "time", ""), ("size", "space", "")):
            least = min(getattr(r, what) for r in full)
            s.figure(f"incremental.{kind}.{what}", f"{text}: {name}, where a full backup takes 1",
                     getattr(middle, what) / least, unit, moved=None if what == "size" else moved, brief=what != "cpu")
