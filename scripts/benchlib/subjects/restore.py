"""Taking disks out of an archive and verifying one, on an idle machine and beside a process that needs a core."""
import contextlib
import os
import shutil
import subprocess
import sys

from .. import proxmox
from ..context import size_text
from ..runner import measure

ABOUT = "vma extract and vma verify beside zstd -dc, also while another process is busy"


def make_archive(ctx):
    """Of the disk of files, as vma makes it; made once."""
    path = ctx.path("ours.vma.zst")
    if not os.path.exists(path):
        subprocess.run([ctx.tools.vma, "create", path, "-d", f"drive-scsi0={ctx.files_disk()}"], check=True)
    return path


def _one_frame(ctx):
    """As Proxmox VE packs: nothing in it can be found without reading all that is before it."""
    plain, single = ctx.path("plain.vma"), ctx.path("single.vma.zst")
    subprocess.run([ctx.tools.vma, "create", plain, "-d", f"drive-scsi0={ctx.files_disk()}"], check=True)
    with open(plain, "rb") as source, open(single, "wb") as sink:
        subprocess.run(["zstd", "-q", "-3", "-T2"], stdin=source, stdout=sink, check=True)
    os.unlink(plain)
    return single


@contextlib.contextmanager
def busy_process():
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as p:
        try:
            yield
        finally:
            p.kill()


def run(ctx, s):
    ours, single = make_archive(ctx), _one_frame(ctx)
    its_vma = proxmox.vma(ctx.tools)
    if not its_vma:
        s.skip("Proxmox VE's vma, which is not installed")
    s.say(f"an archive of {size_text(ctx.size)} of files; zstd -dc ARCHIVE > file takes 1:")
    _extract(ctx, s, ours, single, its_vma)
    with busy_process():
        _beside(ctx, s, ours)
    _verify(ctx, s, ours, its_vma)
    os.unlink(single)


def _unpack(ctx, archive):
    out = ctx.path("out")
    result = measure(["zstd", "-q", "-dc", archive], stdout=out, name="zstd")
    os.unlink(out)
    return result


def _vma(ctx, archive):
    out = ctx.path("out")
    result = measure([ctx.tools.vma, "extract", archive, out], name="vma")
    shutil.rmtree(out)
    return result


def _its_vma(ctx, program, archive, *command):
    """Proxmox VE's, which reads what zstd unpacks; QEMU's own code is in it."""
    out = ctx.path("out")
    words = " ".join(command).replace("OUT", out)
    result = measure(["sh", "-c", f"zstd -q -dc {archive} | {program} {words}"], name="proxmox")
    shutil.rmtree(out, ignore_errors=True)
    return result


def _extract(ctx, s, ours, single, its_vma):
    runs = {"zstd": lambda: _unpack(ctx, ours), "vma": lambda: _vma(ctx, ours),
            "vma, one frame": lambda: _vma(ctx, single)}
    if its_vma:
        runs["Proxmox VE"] = lambda: _its_vma(ctx, its_vma, ours, "extract", "-", "OUT")
    c = ctx.compare(s, "extract", runs, "zstd")
    cpu, wall = c.moved("cpu"), c.moved("wall")
    s.figure("restore.cpu", "restore: CPU", c.ratio("vma", "cpu"), moved=cpu, brief=True)
    s.figure("restore.wall", "restore, idle machine: time", c.ratio("vma"), goal=0.55, moved=wall, brief=True)
    s.figure("restore.frame.wall", "restore from one frame, as Proxmox VE packs: time", c.ratio("vma, one frame"),
             moved=wall, brief=True)
    s.figure("restore.memory", "restore: memory", c.most("vma", "memory_mib"), "MiB", brief=True)
    if its_vma:
        s.figure("restore.proxmox.cpu", "restore by Proxmox VE's vma: CPU", c.ratio("Proxmox VE", "cpu"), moved=cpu)
        s.figure("restore.proxmox.wall", "restore by Proxmox VE's vma: time", c.ratio("Proxmox VE"), moved=wall)


def _beside(ctx, s, ours):
    c = ctx.compare(s, "extract, busy", {"zstd": lambda: _unpack(ctx, ours), "vma": lambda: _vma(ctx, ours)}, "zstd")
    s.figure("restore.busy.cpu", "restore beside one busy process: CPU", c.ratio("vma", "cpu"), moved=c.moved("cpu"))
    s.figure("restore.busy.wall", "restore beside one busy process: time", c.ratio("vma"), goal=0.70,
             moved=c.moved(), brief=True)


def _verify(ctx, s, ours, its_vma):
    runs = {"zstd": lambda: measure(["zstd", "-q", "-dc", ours], stdout="/dev/null", name="zstd"),
            "vma": lambda: measure([ctx.tools.vma, "verify", ours], name="vma")}
    if its_vma:
        runs["Proxmox VE"] = lambda: _its_vma(ctx, its_vma, ours, "verify", "-")
    c = ctx.compare(s, "verify", runs, "zstd")
    s.figure("verify.cpu", "verify, where zstd -dc ARCHIVE > /dev/null takes 1: CPU", c.ratio("vma", "cpu"),
             moved=c.moved("cpu"))
    s.figure("verify.wall", "verify, where zstd -dc ARCHIVE > /dev/null takes 1: time", c.ratio("vma"),
             moved=c.moved(), brief=True)
    if its_vma:
        s.figure("verify.proxmox.wall", "verify by Proxmox VE's vma: time", c.ratio("Proxmox VE"), moved=c.moved())
