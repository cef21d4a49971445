"""A guest's writes while its disk is saved in several ways to a slow target, and the picture of them."""
import json
import os
import subprocess
import time

from .. import Failed, disks, picture
from ..context import size_text
from ..guest import Sampler, Target, Writer, front, per_second, percentile, slow_backup
from ..host import host
from ..runner import ended_with_us, move

ABOUT = "a guest's writes beside vzdump, QEMU's backup job and libvirt's pull mode, with a picture"

RATE = 20_000_000
IDLE = "no backup"


def run(ctx, s):
    disk = disks.random_disk(ctx.path("random.raw"), ctx.size // 8)
    seconds = 3 if ctx.quick else 10
    with host(ctx.tools, ctx.base, [disk]) as h:
        paths, monitor = front(h)
        runs = [_watched(h, paths[0], name, work) for name, work in (
            (IDLE, lambda: time.sleep(seconds)),
            ("vzdump with fleecing", lambda: slow_backup(h, RATE, "--fleecing", "enabled=1,storage=fast")),
            ("vzdump without fleecing", lambda: slow_backup(h, RATE)),
            ("QEMU's backup job, push mode", lambda: _push(h, monitor)),
            ("libvirt's way, pull mode", lambda: _pull(h, monitor)),
            (IDLE, lambda: time.sleep(seconds)))]
        monitor("block-export-del", id="guest0")
        monitor.close()
    size = os.path.getsize(disk)
    os.unlink(disk)
    _figures(s, size, runs)
    _picture(ctx, s, size, runs[:-1])


def _watched(h, path, name, work):
    """The guest writes while work() runs.  Times count from the begin."""
    writer, sampler, begin = Writer(path, os.path.getsize(h.disks[0])), Sampler(h.fast), time.time()
    work()
    return {"name": name, "space": [(at - begin, mib) for at, mib in sampler.finish()],
            "writes": [(at - begin, ms) for at, ms in writer.finish()]}


def _push(h, monitor):
    """QEMU's backup job straight to such a target: libvirt's push mode, and Proxmox VE without fleecing."""
    target = os.path.join(h.base, "target.raw")
    disks.empty_disk(target, os.path.getsize(h.disks[0]))
    monitor("object-add", qom_type="throttle-group", id="slow", limits={"bps-write": RATE})
    monitor("blockdev-add", driver="throttle", node_name="target", throttle_group="slow",
            file={"driver": "file", "filename": target})
    monitor("blockdev-backup", job_id="job", device="top0", target="target", sync="full", auto_dismiss=False)
    while (job := monitor("query-jobs")[0])["status"] != "concluded":
        time.sleep(0.2)
    if "error" in job:
        raise Failed(f"QEMU's backup job failed: {job['error']}")
    monitor("job-dismiss", id="job")
    monitor("blockdev-del", node_name="target")
    monitor("object-del", id="slow")
    os.unlink(target)


def _pull(h, monitor):
    """libvirt's pull mode: old data goes to a scratch image, and a slow reader reads all by NBD."""
    scratch, sock = os.path.join(h.fast, "scratch.qcow2"), os.path.join(h.base, "pull.sock")
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-u", "-b", h.disks[0], scratch,
                    str(os.path.getsize(h.disks[0]))], check=True)
    monitor("blockdev-add", driver="qcow2", node_name="scratch", backing="top0",
            file={"driver": "file", "filename": scratch})
    monitor("blockdev-backup", job_id="pull", device="top0", target="scratch", sync="none")
    monitor("nbd-server-start", addr={"type": "unix", "data": {"path": sock}})
    monitor("block-export-add", type="nbd", id="pull", node_name="scratch", name="disk")
    reader = subprocess.Popen(["nbdcopy", f"nbd+unix:///disk?socket={sock}", "-"], stdout=subprocess.PIPE)
    with ended_with_us(reader):
        target = Target(reader.stdout.fileno(), RATE)
        reader.stdout.close()
        if reader.wait():
            raise Failed("nbdcopy failed")
        target.finish()
    monitor("nbd-server-stop")
    monitor("block-job-cancel", device="pull")
    while monitor("query-jobs"):
        time.sleep(0.1)
    monitor("blockdev-del", node_name="scratch")
    os.unlink(scratch)


def _figures(s, size, runs):
    idle = runs[0]["writes"] + runs[-1]["writes"]
    reference = percentile(idle, 0.99)
    moved = move([percentile(runs[i]["writes"], 0.99) for i in (0, -1)])
    s.say(f"guest writes, 64 KiB random at 200/s, {size_text(size)} of random data, target takes 20 MB/s; without a "
          f"backup: p99 {reference:.1f} ms, longest {percentile(idle, 1):.1f} ms")
    for run, key in zip(runs[1:-1], ("fleecing", "direct", "push", "pull")):
        writes, ours = run["writes"], key in ("fleecing", "direct")
        s.figure(f"latency.{key}.p99", f"{run['name']}: p99 of writes, where no backup is 1",
                 percentile(writes, 0.99) / reference, goal=1.3 if key == "fleecing" else None, moved=moved,
                 brief=True)
        s.figure(f"latency.{key}.max", f"{run['name']}: longest write", percentile(writes, 1), "ms",
                 goal=percentile(idle, 1) + 10 if key == "fleecing" else None, brief=ours)
        s.figure(f"latency.{key}.rate", f"{run['name']}: writes a second", per_second(writes))
        if run["space"]:
            s.figure(f"latency.{key}.image", f"{run['name']}: largest image", max(mib for _, mib in run["space"]),
                     "MiB", brief=True)
    s.rounds += [{"group": "latency", "name": run["name"], "writes": len(run["writes"]),
                  "median_ms": round(percentile(run["writes"], 0.5), 3),
                  "p99_ms": round(percentile(run["writes"], 0.99), 3),
                  "max_ms": round(percentile(run["writes"], 1), 2)} for run in runs]


def _picture(ctx, s, size, runs):
    about = ("A guest writes 64 KiB at random, 200 times a second, while its disk of "
             f"{size_text(size)} is saved to a target that takes 20 MB/s.")
    os.makedirs(ctx.results, exist_ok=True)
    with open(os.path.join(ctx.results, "guest.json"), "w", encoding="utf-8") as f:
        json.dump({"about": about, "runs": runs}, f)
    with open(os.path.join(ctx.results, "guest.svg"), "w", encoding="utf-8") as f:
        f.write(picture.picture(runs, about))
    s.say(f"  picture: {ctx.results}/guest.svg (scripts/bench --readme draws doc/guest.svg so)")
