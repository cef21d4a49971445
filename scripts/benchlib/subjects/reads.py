"""Reads at random from an archive, one at a time, over NBD."""
import contextlib
import os
import random
import statistics
import subprocess
import time

from ..nbd import Nbd
from ..runner import move
from .restore import make_archive

ABOUT = "random reads of 4 and 64 KiB from an archive over NBD (vma serve)"


def run(ctx, s):
    if subprocess.run(["nbdkit", "--version"], capture_output=True, check=False).returncode:
        s.skip("nbdkit, by which vma serve works, is not installed")
        return
    archive, rng = make_archive(ctx), random.Random(15)
    with _served(ctx, archive) as sock:
        for size in (4096, 65536):
            rounds = [_latencies(ctx, sock, size, rng) for _ in range(ctx.rounds)]
            kib = f"{size // 1024} KiB"
            for name, p, goal in (("median", 0.5, 2.0), ("p99", 0.99, 10.0)):
                values = [sorted(each)[int(len(each) * p)] for each in rounds]
                s.figure(f"random.{size // 1024}.{name}", f"random reads of {kib}: {name}",
                         statistics.median(values), "ms", goal=goal, moved=move(values), brief=True)
            s.rounds.append({"group": "random", "name": kib, "ms": [[round(ms, 3) for ms in each] for each in rounds]})


@contextlib.contextmanager
def _served(ctx, archive):
    sock = ctx.path("serve.sock")
    with subprocess.Popen([ctx.tools.vma, "serve", archive, "--socket", sock], stdout=subprocess.DEVNULL) as p:
        try:
            while not os.path.exists(sock) and p.poll() is None:
                time.sleep(0.02)
            yield sock
        finally:
            p.terminate()


def _latencies(ctx, sock, size, rng):
    """Milliseconds of each read, where the disk has data."""
    found, client = [], Nbd(sock, "drive-scsi0")
    fd = os.open(ctx.files_disk(), os.O_RDONLY)
    while len(found) < (200 if ctx.quick else 1000):
        at = rng.randrange(client.size // size) * size
        try:
            if os.lseek(fd, at, os.SEEK_DATA) >= at + size:
                continue
        except OSError:     # no data from there on
            continue
        begin = time.monotonic()
        client.read(at, size)
        found.append((time.monotonic() - begin) * 1000)
    os.close(fd)
    client.close()
    return found
