"""How fast a backup is, and what it costs in CPU time, beside the plain tools that do a part of it."""
import contextlib
import os
import statistics

from .. import disks, proxmox
from ..context import gib, size_text
from ..host import host
from ..qmp import Qmp
from ..runner import measure

ABOUT = "backups beside zstd, nbdcopy and qemu-img convert: CPU, time and size, for files, zeroes and random data"

ZSTD = ("--compress", "zstd", "--zstd", "2")
FLEECING = ("--fleecing", "enabled=1,storage=fast")


def run(ctx, s):
    files = ctx.files_disk()
    disks.warm(files)
    with host(ctx.tools, ctx.base, [files]) as h:
        _files(ctx, s, h, files)
        _plain(ctx, s, h, files)
    if proxmox.vzdump(ctx.tools):
        s.skip("Proxmox VE's vzdump saves guests of its host only: compare by hand, on one of them")
    else:
        s.skip("Proxmox VE's vzdump, which is not installed")
    for name, make, reference in (("zeroes that were written", disks.zero_disk, "zeroes"),
                                  ("random data", disks.random_disk, "random")):
        disk = make(ctx.path("other.raw"), max(ctx.size // 3, 16 << 20))
        disks.warm(disk)
        with host(ctx.tools, ctx.base, [disk]) as h:
            _other(ctx, s, h, disk, name, reference)
        os.unlink(disk)


def zstd(ctx, disk, level="-3"):
    """The plain tool, on the same number of threads."""
    out = ctx.path("plain.zst")
    result = measure(["zstd", "-q", level, "-T2"], stdin=disk, stdout=out, name="zstd")
    result.size = os.path.getsize(out)
    os.unlink(out)
    return result


def backup(h, *args):
    result = h.vzdump("--storage", "backup", *args)
    result.size = sum(os.path.getsize(path) for path in h.archives())
    h.drop_archives()
    return result


@contextlib.contextmanager
def exported(h):
    """QEMU's own export of the first disk, read-only, as nbdcopy and others find it."""
    sock, monitor = os.path.join(h.base, "export.sock"), Qmp(h.monitor)
    monitor("nbd-server-start", addr={"type": "unix", "data": {"path": sock}})
    monitor("block-export-add", type="nbd", id="bench", node_name="disk0", name="disk")
    try:
        yield f"nbd+unix:///disk?socket={sock}"
    finally:
        monitor("nbd-server-stop")
        monitor.close()


def copied(h, *command):
    """A tool that copies QEMU's export to a file."""
    out = os.path.join(h.base, "copy.raw")
    with exported(h) as uri:
        result = measure([*command, uri, out], env=h.environment(), beside={"QEMU": h.qemu.pid}, name=command[0])
    os.unlink(out)
    return result


def _files(ctx, s, h, disk):
    s.say(f"{size_text(ctx.size)} of files, zstd level 3, two threads, with fleecing; zstd -3 -T2 < disk takes 1:")
    c = ctx.compare(s, "files", {
        "zstd": lambda: zstd(ctx, disk),
        "vzdump": lambda: backup(h, *ZSTD, *FLEECING),
        "vzdump, no fleecing": lambda: backup(h, *ZSTD),
    }, "zstd")
    cpu, wall = c.moved("cpu"), c.moved("wall")
    s.figure("speed.files.cpu", "files: CPU of vzdump and QEMU", c.ratio("vzdump", "cpu"), goal=0.80, moved=cpu,
             brief=True)
    s.figure("speed.files.own", "files: CPU of vzdump alone", c.ratio("vzdump", "own_cpu", of="cpu"), moved=cpu)
    s.figure("speed.files.wall", "files: time", c.ratio("vzdump", "wall"), moved=wall, brief=True)
    s.figure("speed.files.size", "files: size of the archive", c.ratio("vzdump", "size"), goal=1.01, brief=True,
             digits=3)
    s.figure("speed.direct.cpu", "files, no fleecing: CPU of vzdump and QEMU",
             c.ratio("vzdump, no fleecing", "cpu"), moved=cpu)
    s.figure("speed.direct.wall", "files, no fleecing: time", c.ratio("vzdump, no fleecing"), moved=wall, brief=True)
    s.figure("speed.memory", "files: memory of vzdump", c.most("vzdump", "memory_mib"), "MiB", brief=True)
    _threads(s, c, disk)


def _threads(s, c, disk):
    per_gib = _per_gib(c.table["vzdump"], disk)
    s.say("  CPU-seconds per GiB of data: " + _thread_text(per_gib))
    s.figure("speed.thread.qemu", "CPU of QEMU's main thread, per GiB", per_gib["QEMU", "main"], "s", goal=0.45,
             brief=True)
    readers = [seconds for (process, name), seconds in per_gib.items() if process == "vzdump" and "read" in name]
    # without a thread of its own the main one reads
    s.figure("speed.thread.reader", "CPU of vzdump's reader, per GiB", sum(readers) or per_gib["vzdump", "main"], "s",
             goal=0.40, brief=True)


def _plain(ctx, s, h, disk):
    s.say(f"{size_text(ctx.size)} of files to a file, nothing compressed; nbdcopy with four connections takes 1:")
    c = ctx.compare(s, "plain", {
        "nbdcopy": lambda: copied(h, "nbdcopy", "--connections=4"),
        "vzdump": lambda: backup(h, "--compress", "0", *FLEECING),
        "qemu-img convert": lambda: copied(h, "qemu-img", "convert", "-f", "raw", "-O", "raw"),
    }, "nbdcopy")
    for name in ("vzdump", "qemu-img convert"):
        goal, key = (1.05, "vzdump") if name == "vzdump" else (None, "convert")
        for what, text in (("cpu", "CPU with QEMU's"), ("wall", "time")):
            s.figure(f"speed.plain.{key}.{what}", f"not compressed, nbdcopy takes 1: {text} of {name}",
                     c.ratio(name, what), goal=goal, moved=c.moved(what), brief=goal is not None)
    for name in c.table:
        s.say(f"  CPU-seconds per GiB of data, {name}: " + _thread_text(_per_gib(c.table[name], disk)))


def _per_gib(runs, disk):
    """{(process, thread): CPU-seconds per GiB of data}, the median of the runs."""
    found = {}
    for process in runs[0].threads:
        for name in sorted({name for run in runs for name in run.threads[process]}):
            values = [run.threads[process].get(name, 0) for run in runs]
            found[process, name] = statistics.median(values) / gib(disks.data_of(disk))
    return found


def _thread_text(per_gib):
    return ", ".join(f"{process}'s {name} {seconds:.2f}" for (process, name), seconds in per_gib.items()
                     if seconds >= 0.005)


def _other(ctx, s, h, disk, name, key):
    s.say(f"{size_text(os.path.getsize(disk))} of {name}; zstd -3 -T2 < disk takes 1:")
    c = ctx.compare(s, key, {
        "zstd": lambda: zstd(ctx, disk),
        "vzdump": lambda: backup(h, *ZSTD, *FLEECING),
        "nbdcopy": lambda: copied(h, "nbdcopy", "--connections=4"),
    }, "zstd")
    zeroes = key == "zeroes"    # QEMU alone takes more to read them than zstd takes in all
    s.figure(f"speed.{key}.cpu", f"{name}: CPU of vzdump and QEMU", c.ratio("vzdump", "cpu"),
             goal=None if zeroes else 1.0, moved=c.moved("cpu"), brief=True)
    s.figure(f"speed.{key}.own", f"{name}: CPU of vzdump alone", c.ratio("vzdump", "own_cpu", of="cpu"),
             moved=c.moved("cpu"))
    s.figure(f"speed.{key}.wall", f"{name}: time", c.ratio("vzdump"), moved=c.moved(),
             goal=1.0 if zeroes else None, brief=True)
    s.figure(f"speed.{key}.nbdcopy", f"{name}: time, where nbdcopy takes 1", c.ratio("vzdump", reference="nbdcopy"),
             moved=c.moved(reference="nbdcopy"))
