"""A large disk on which nothing is."""
import os

from .. import disks
from ..host import host
from .speed import FLEECING, ZSTD, backup

ABOUT = "an empty disk of 1 TiB"


def run(ctx, s):
    disk = disks.empty_disk(ctx.path("empty.raw"), 1 << 40)
    with host(ctx.tools, ctx.base, [disk]) as h:
        result = backup(h, *ZSTD, *FLEECING)
    os.unlink(disk)
    s.figure("empty.time", "empty disk of 1 TiB: time", result.wall, "s", brief=True)
    s.figure("empty.cpu", "empty disk of 1 TiB: CPU of vzdump and QEMU", result.cpu, "s")
    s.figure("empty.memory", "empty disk of 1 TiB: memory of vzdump", result.memory_mib, "MiB")
