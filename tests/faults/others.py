#!/usr/bin/env python3
"""What others do to the disks of a guest while a backup of it runs.

    others.py MONITOR FOLDER KEY=STYLE...

Tries each operation below on each disk: by the device's name if it has one, by the node that query-block shows, by
the backup's filter and by the disk's own node.  After each one QEMU must live, the graph must be what it was, and
the guest must write and read through its device.  FOLDER/KEY.expected is a copy of the disk, and gets what the guest
writes.  Prints what was not right, and how many operations there were; exit status 1 if anything was not right.
"""
import json
import os
import re
import subprocess
import sys
import time

from monitor import Monitor

REFUSED, HARMLESS = "refused", "harmless"


def human(monitor, line):
    """(whether it was done, what QEMU says)"""
    text = monitor.execute("human-monitor-command", command_line=line)
    return not re.search("rror|busy|in use|not found|not support|cannot", text), text.strip()


class Disk:
    def __init__(self, monitor, folder, key, style):
        self.m, self.key, self.style = monitor, key, style
        self.file = f"{folder}/{key}.expected"
        base = f"/machine/peripheral/{key}"
        want = (key, base, base + "/virtio-backend") if style != "pflash" else ("/machine/system.flash1",)
        self.qdev = [d["qdev"] for d in self.m.execute("query-block") if d.get("qdev") in want][0]
        self.device = f"drive-{key}" if style.startswith("drive-") or style == "pflash" else None
        self.filter = f"vzdump-{key}-cbw"
        self.top = self.root()
        self.own = self.below(self.filter)
        self.writes = 0

    def root(self):
        return [d["inserted"]["node-name"] for d in self.m.execute("query-block") if d.get("qdev") == self.qdev][0]

    def below(self, node):
        graph = self.m.execute("x-debug-query-block-graph")
        names = {n["id"]: n["name"] for n in graph["nodes"]}
        return [names[e["child"]] for e in graph["edges"]
                if names[e["parent"]] == node and e["name"] == "file"][0]

    def io(self, command):
        path = self.qdev if self.qdev.startswith("/") else f"/machine/peripheral/{self.qdev}"
        text = self.m.execute("human-monitor-command", command_line=f'qemu-io -d {path} "{command}"')
        return text if re.search("rror|failed", text) else ""

    def guest_writes(self):
        """4 KiB somewhere in the last quarter, another byte each time; None or what went wrong."""
        size = os.path.getsize(self.file)
        byte = 1 + self.writes % 250
        at = size * 3 // 4 // 4096 * 4096 + self.writes % (size // 4 // 4096) * 4096
        self.writes += 1
        bad = self.io(f"write -P {byte} {at} 4k") or self.io(f"read -P {byte} {at} 4k")
        with open(self.file, "r+b") as f:
            f.seek(at)
            f.write(bytes([byte]) * 4096)
        return bad


def operations(disk, folder):
    """(name, function that does it, what must come of it) for each way to name the disk"""
    m, scratch = disk.m, f"{folder}/scratch-{disk.key}"
    names = [n for n in (disk.device, disk.top) if n]
    nodes = [disk.top, disk.filter]
    job = f"job-{disk.key}"
    # below a throttle filter there is no job of the guard, so that another backup may read along
    backup = HARMLESS if disk.style.startswith("throttle") else REFUSED

    def qmp(command, expect=REFUSED, **arguments):
        shown = " ".join(f"{k}={v}" for k, v in arguments.items() if isinstance(v, str))
        return f"{command} {shown}", lambda: m.ask(command, **arguments), expect

    def hmp(line, expect=REFUSED):
        return f"hmp {line}", lambda: human(m, line), expect

    for name in names:
        yield qmp("block-stream", device=name, job_id=job)
        yield qmp("block-commit", device=name, job_id=job)
        yield qmp("drive-mirror", device=name, job_id=job, target=scratch, format="raw", sync="full")
        yield qmp("blockdev-mirror", device=name, job_id=job, target=f"null-{disk.key}", sync="full")
        yield qmp("drive-backup", backup, device=name, job_id=job, target=scratch, format="raw", sync="full")
        yield qmp("blockdev-backup", backup, device=name, job_id=job, target=f"null-{disk.key}", sync="full")
        yield qmp("change-backing-file", device=name, image_node_name=disk.own, backing_file="/nowhere")
        yield qmp("blockdev-snapshot-internal-sync", device=name, name="s")
    for node in nodes:
        yield qmp("block_resize", node_name=node, size=1 << 30)
        yield qmp("blockdev-snapshot-sync", node_name=node, snapshot_file=scratch, snapshot_node_name="over")
        yield qmp("blockdev-snapshot", node=node, overlay=f"overlay-{disk.key}")
        yield qmp("blockdev-del", node_name=node)
    yield qmp("block_resize", node_name=disk.own, size=1 << 30)
    if disk.device:
        yield qmp("block_resize", device=disk.device, size=1 << 30)
        yield qmp("blockdev-snapshot-sync", device=disk.device, snapshot_file=scratch)
        yield qmp("eject", device=disk.device, force=True)
        yield hmp(f"block_resize {disk.device} 1G")
        yield hmp(f"snapshot_blkdev {disk.device} {scratch} qcow2")
        yield hmp(f"block_stream {disk.device}")
        yield hmp(f"commit {disk.device}")
        yield hmp(f"drive_mirror -f {disk.device} {scratch} raw")
        yield hmp(f"drive_backup -f {disk.device} {scratch} raw")
        yield hmp(f"drive_del {disk.device}")
    else:
        child = disk.below(disk.own)
        if not child.startswith("#"):
            options = [{"driver": "raw", "node-name": disk.own, "file": child, "discard": "unmap"}]
            yield qmp("blockdev-reopen", HARMLESS, options=options)
    yield hmp("savevm s")
    yield qmp("nbd-server-start", addr={"type": "unix", "data": {"path": scratch}})


def graph(m):
    nodes = sorted((n["node-name"], n["drv"], n["image"]["virtual-size"])
                   for n in m.execute("query-named-block-nodes", flat=True))
    roots = sorted((d.get("qdev", ""), d.get("inserted", {}).get("node-name", "")) for d in m.execute("query-block"))
    jobs = sorted(j["id"] for j in m.execute("query-jobs"))
    return nodes, roots, jobs


def settled(m, before):
    """The graph must be what it was, as soon as a job that was let in has ended."""
    for _ in range(400):
        now = graph(m)
        if now == before:
            return None
        time.sleep(0.05)
    return f"the graph became {[set(a) ^ set(b) for a, b in zip(now, before)]}"


def prepare(disk, folder):
    """Nodes that operations need: a target of nothing and an overlay that is not in use."""
    size = os.path.getsize(disk.file)
    overlay = f"{folder}/overlay-{disk.key}"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", overlay, str(size)], check=True)
    disk.m.execute("blockdev-add", driver="null-co", node_name=f"null-{disk.key}", size=size)
    disk.m.execute("blockdev-add", driver="qcow2", node_name=f"overlay-{disk.key}", backing=None,
               file={"driver": "file", "filename": overlay})


def try_all(disk, folder):
    bad, n = [], 0
    before = graph(disk.m)
    for name, do, expect in operations(disk, folder):
        good, words = do()
        n += 1
        if good and expect == REFUSED:
            bad.append(f"{disk.style}: {name} was not refused")
        wrong = settled(disk.m, before) or disk.guest_writes()
        if wrong:
            bad.append(f"{disk.style}: after {name} ({words}): {wrong}")
            break
    return bad, n


def main():
    monitor, folder, *disks = sys.argv[1:]
    m = Monitor(monitor)
    bad, n = [], 0
    for text in disks:
        disk = Disk(m, folder, *text.split("="))
        prepare(disk, folder)
        wrong, tried = try_all(disk, folder)
        bad += wrong
        n += tried
        m.execute("blockdev-del", node_name=f"null-{disk.key}")
        m.execute("blockdev-del", node_name=f"overlay-{disk.key}")
    print("\n".join(bad + [f"{n} operations"]))
    sys.exit(bool(bad))


main()
