#!/usr/bin/env python3
"""What tests/faults/incremental-month.bats knows of disks and archives.

    month.py digests FILE...          keeps the digest of each cluster in FILE.digests
    month.py events LOG FOLDER NIGHT  a line for each archive in FOLDER that the run of that log made:
                                      vmid, name, night, name of the base or "-"
    month.py space EVENTS NIGHTS NAME...
                                      bytes that the archives of these names need together, by what has changed
                                      in the disks, of which NIGHTS/<night>/<vmid>-<key>.digests are kept
"""
import glob
import hashlib
import os
import re
import sys

CLUSTER = 65536
DIGEST = 16
ZERO = bytes(DIGEST)
NEW, RECUT = 59, 8  # clusters of a frame
ALIGN = 4096


def digests(path):
    result = []
    with open(path, "rb") as f:
        while data := f.read(CLUSTER):
            result.append(hashlib.blake2b(data, digest_size=DIGEST).digest() if any(data) else ZERO)
    with open(path + ".digests", "wb") as f:
        f.write(b"".join(result))


def events(log, folder, night):
    made = []
    with open(log, encoding="utf-8") as f:
        for line in f:
            if m := re.match(r"INFO: Starting Backup of VM (\d+)", line):
                made.append([m[1], "", night, "?"])
            elif m := re.search(r"creating vzdump archive '.*/(.*)'", line):
                made[-1][1] = m[1]
            elif re.match(r"INFO: full backup, a new chain begins: ", line):
                made[-1][3] = "-"
            elif m := re.match(r"INFO: (?:incremental to|full backup: .*, comparing with) ([^ :\n]+)", line):
                made[-1][3] = m[1]
    for row in made:
        if os.path.isfile(os.path.join(folder, row[1])):
            print(*row)


def cut(clusters, most):
    """Frames of clusters (disk, number), in address order, none with two disks."""
    frames, now = [], []
    for c in sorted(clusters):
        if now and (len(now) == most or now[-1][0] != c[0]):
            frames.append(tuple(now))
            now = []
        now.append(c)
    return frames + ([tuple(now)] if now else [])


def content(nights, vmid, night):
    """Digest by cluster of all disks, without those that are zero."""
    result = {}
    for path in glob.glob(f"{nights}/{night}/{vmid}-*.digests"):
        key = os.path.basename(path).split("-")[1].split(".")[0]
        data = open(path, "rb").read()
        for n in range(len(data) // DIGEST):
            if (d := data[n * DIGEST:][:DIGEST]) != ZERO:
                result[key, n] = d
    return result


class Archive:
    def __init__(self, now, base):
        self.now = now
        before = base.now if base else {}
        stays = {c for c in now if now[c] == before.get(c)}
        kept = [f for f in base.frames if stays.issuperset(f.clusters)] if base else []
        rest = set(now) - {c for f in kept for c in f.clusters}
        again = {c for c in rest if c in before}
        self.frames = kept + [Frame(c) for c in cut(again, RECUT)] + [Frame(c) for c in cut(rest - again, NEW)]


class Frame:
    """Two archives share it if it is the same object."""

    def __init__(self, clusters):
        self.clusters = clusters

    def size(self):
        return -(-len(self.clusters) * (CLUSTER + 32) // ALIGN + 1) * ALIGN


def space(path, nights, names):
    archives = {}
    for line in open(path, encoding="utf-8"):
        vmid, name, night, base = line.split()
        archives[name] = Archive(content(nights, vmid, night), archives[base] if base != "-" else None)
    frames = {f for name in names for f in archives[name].frames}
    print(sum(f.size() for f in frames), sum(f.size() for n in names for f in archives[n].frames))


if __name__ == "__main__":
    what, arguments = sys.argv[1], sys.argv[2:]
    if what == "digests":
        for file in arguments:
            digests(file)
    elif what == "events":
        events(*arguments)
    else:
        space(arguments[0], arguments[1], arguments[2:])
