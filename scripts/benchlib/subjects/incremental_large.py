"""A disk of 1 TiB with a block in every 59th cluster, of which nothing changes."""
import os

from .. import disks
from ..host import host
from .incremental import line_of
from .speed import FLEECING, ZSTD

ABOUT = "incremental backups of a disk of 1 TiB with little in it"


def run(ctx, s):
    disk = disks.empty_disk(ctx.path("large.raw"), 1 << (34 if ctx.quick else 40))
    with open(disk, "r+b") as f:
        for at in range(0, os.path.getsize(disk), 59 * 65536):
            f.seek(at)
            f.write(b"block" * 819)
    with host(ctx.tools, ctx.base, [disk]) as h:
        for name in ("first", "second"):
            result = h.vzdump("--storage", "backup", *ZSTD, *FLEECING, "--incremental", "1")
            s.rounds.append({"group": "incremental-large", "name": name, **result.record()})
            s.say(f"  {name}: {line_of(result.output)}")
            text = f"{'16 GiB' if ctx.quick else '1 TiB'}, incremental, {name} backup"
            s.figure(f"large.{name}.time", f"{text}: time", result.wall, "s")
            s.figure(f"large.{name}.cpu", f"{text}: CPU of vzdump and QEMU", result.cpu, "s")
            s.figure(f"large.{name}.memory", f"{text}: memory of vzdump", result.memory_mib, "MiB")
    os.unlink(disk)
