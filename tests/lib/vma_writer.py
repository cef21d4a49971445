#!/usr/bin/env python3
"""Writes archives that no program would: names and configs are taken as they are.

	vma_writer.py ARCHIVE [NAME=CONFIG-FILE | DEVICE:BYTES]...

Disks are all zeroes.  Independent of the library, written from the format's description.
"""

import hashlib
import os
import struct
import sys

UUID = bytes(range(16))


def with_md5(data, at):
    """data with its checksum in the 16 bytes at `at`, which are zero."""
    return data[:at] + hashlib.md5(data).digest() + data[at + 16:]


def header(configs, devices):
    fixed, blobs = bytearray(12288), bytearray(1)

    def blob(data):
        at = len(blobs)
        blobs.extend(struct.pack("<H", len(data)) + data)
        return at

    fixed[0:8] = b"VMA\0" + struct.pack(">I", 1)
    fixed[8:24] = UUID
    struct.pack_into(">q", fixed, 24, 1700000000)
    for i, (name, data) in enumerate(configs):
        struct.pack_into(">I", fixed, 2044 + 4 * i, blob(name + b"\0"))
        struct.pack_into(">I", fixed, 3068 + 4 * i, blob(data))
    for i, (name, size) in enumerate(devices, 1):
        struct.pack_into(">IIQ", fixed, 4096 + 32 * i, blob(name + b"\0"), 0, size)
    blobs.extend(bytes(-len(blobs) % 512))
    struct.pack_into(">III", fixed, 48, 12288, len(blobs), 12288 + len(blobs))
    return with_md5(bytes(fixed + blobs), 32)


def extent(device, clusters):
    head = bytearray(512)
    head[0:4] = b"VMAE"
    head[8:24] = UUID
    for i, cluster in enumerate(clusters):
        struct.pack_into(">HBBI", head, 40 + 8 * i, 0, 0, device, cluster)
    return with_md5(bytes(head), 24)


def main():
    configs, devices = [], []
    for arg in map(os.fsencode, sys.argv[2:]):
        if b"=" in arg:
            name, path = arg.rsplit(b"=", 1)
            with open(path, "rb") as f:
                configs.append((name, f.read()))
        else:
            name, size = arg.rsplit(b":", 1)
            devices.append((name, int(size)))
    with open(sys.argv[1], "wb") as out:
        out.write(header(configs, devices))
        for i, (_, size) in enumerate(devices, 1):
            clusters = list(range((size + 65535) // 65536))
            for at in range(0, len(clusters), 59):
                out.write(extent(i, clusters[at:at + 59]))


if __name__ == "__main__":
    main()
