#!/usr/bin/env python3
"""What a guest and its QEMU look like, for a comparison before and after a fault.

    state.py MONITOR save FILE
    state.py MONITOR write KEY OFFSET LEN  a guest write; prints how many milliseconds it took
    state.py MONITOR hold SECONDS          sits on the monitor, so that nobody else gets in
    state.py MONITOR undone TMP VMID [stranger]

What incremental backups leave in QEMU, their base bitmaps, is left out.
`undone` fails when anything shows that there was a backup: in QEMU, compared with TMP/VMID.state-before
if there is one; in the configuration, compared with TMP/VMID.conf-before; and on the storages below TMP.
It writes 64 KiB through each disk, as the guest would, and stops an NBD server if it finds one (which is
a failure, unless it is the stranger's).
"""
import glob
import json
import os
import sys
import time

from monitor import Monitor


class Guest(Monitor):
    def device(self, key):
        base = f"/machine/peripheral/{key}"
        for d in self.execute("query-block"):
            if d.get("qdev") in (key, base, base + "/virtio-backend"):
                return d["qdev"]
        raise RuntimeError(f"no device {key}")

    def write(self, qdev, offset, length):
        path = qdev if qdev.startswith("/") else f"/machine/peripheral/{qdev}"
        line = f'qemu-io -d {path} "write -P 0x77 {offset} {length}"'
        text = self.execute("human-monitor-command", command_line=line)
        if "rror" in text or "failed" in text:
            raise RuntimeError(f"guest write to {qdev}: {text}")


def snapshot(m):
    nodes = {}
    for n in m.execute("query-named-block-nodes", flat=True):
        nodes[n["node-name"]] = [n["drv"], n.get("file"), n["ro"], n["detect_zeroes"], n["cache"],
                                 [b.get("name") for b in n.get("dirty-bitmaps", [])
                                  if not b.get("name", "").startswith("vzbase-")]]
    devices = {d.get("qdev", d["device"]): d.get("inserted", {}).get("node-name")
               for d in m.execute("query-block")}
    return {"nodes": nodes, "devices": devices,
            "exports": sorted(e["id"] for e in m.execute("query-block-exports")),
            "objects": sorted(o["name"] for o in m.execute("qom-list", path="/objects")),
            "jobs": sorted(j["device"] for j in m.execute("query-block-jobs")),
            "status": m.execute("query-status")["status"]}


def check(m, before, stranger):
    bad = []
    now = json.loads(json.dumps(snapshot(m)))
    for what, value in before.items():
        if now[what] != value:
            bad.append(f"{what}: {value} became {now[what]}")
    names = list(now["nodes"]) + now["exports"] + now["objects"]
    names += [b for n in now["nodes"].values() for b in n[-1]]
    ours = [name for name in names if name and name.startswith("vzdump-")]
    if ours:
        bad.append(f"left over: {ours}")
    for qdev in now["devices"]:
        try:
            m.write(qdev, 0, 65536)
        except RuntimeError as e:
            bad.append(str(e))
    if not stranger:
        try:
            m.execute("nbd-server-stop")
            bad.append("the NBD server was still running")
        except RuntimeError as e:
            if "not running" not in str(e):
                bad.append(str(e))
    return bad


def contents(path):
    with open(path, "rb") as f:
        return f.read(), os.stat(path).st_mode


def leftovers(tmp, vmid):
    bad = []
    root = os.path.join(tmp, "root")
    for directory, _, files in os.walk(tmp):
        bad += [os.path.join(directory, name) for name in files
                if "fleece" in name or name.endswith((".dat", ".journal")) or ".tmp" in name]
    # sockets are in /tmp when the root's name is long
    bad += glob.glob(f"{root}/run/vzdump-*") + glob.glob(f"{root}/run/vzdump.pid")
    bad += glob.glob(f"/tmp/vzdump-{vmid}-*")
    bad = [f"left over: {path}" for path in bad]
    conf = contents(f"{root}/etc/pve/qemu-server/{vmid}.conf")
    if conf != contents(f"{tmp}/{vmid}.conf-before"):
        bad.append(f"the configuration became {conf}")
    agent = f"{tmp}/agent-state"
    if os.path.exists(agent) and contents(agent)[0] != b"thawed":
        bad.append("the guest is still frozen")
    return bad


def undone(path, tmp, vmid, stranger):
    bad = leftovers(tmp, vmid)
    before = f"{tmp}/{vmid}.state-before"
    if os.path.exists(before):
        with open(before) as f:
            bad += check(Guest(path), json.load(f), stranger)
    return bad


def main():
    path, what, *rest = sys.argv[1:]
    if what == "undone":
        bad = undone(path, rest[0], rest[1], "stranger" in rest)
        print("\n".join(bad), end="\n" if bad else "")
        sys.exit(bool(bad))
    m = Guest(path)
    if what == "save":
        with open(rest[0], "w") as f:
            json.dump(snapshot(m), f)
    elif what == "write":
        begin = time.monotonic()
        m.write(m.device(rest[0]), *rest[1:])
        print(int((time.monotonic() - begin) * 1000))
    elif what == "hold":
        print("held", flush=True)
        time.sleep(float(rest[0]))
    else:
        sys.exit(__doc__)


main()
