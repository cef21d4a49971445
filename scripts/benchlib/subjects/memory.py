"""What vzdump needs when nothing compresses and all buffers are full."""
import os

from .. import disks
from ..context import size_text
from ..host import host
from .speed import FLEECING, ZSTD, backup

ABOUT = "memory of vzdump with random data"


def run(ctx, s):
    size = ctx.size // 3
    disk = disks.random_disk(ctx.path("random.raw"), size)
    with host(ctx.tools, ctx.base, [disk]) as h:
        result = backup(h, *ZSTD, *FLEECING)
    os.unlink(disk)
    s.figure("memory.random", f"{size_text(size)} of random data: memory of vzdump", result.memory_mib, "MiB",
             brief=True)
