#!/usr/bin/env python3
"""A second, plain reader of VMA archives, to check the first one against.

    vma_reader.py list FILE             configs and devices, as `vma list` prints them
    vma_reader.py verify FILE           check everything; "ok" and some numbers, or an error
    vma_reader.py extract FILE DIR      disks and configs into a new DIR, after the same checks
    vma_reader.py order FILE            device id, cluster and mask (0: zeroes) of all clusters, in the archive's order
    vma_reader.py chain FILE            what the archive says of its chain, as name=value lines

FILE may be packed by zstd, gzip or lzop.  If it ends with a seek table in zstd's seekable format,
table and VMA index are checked too: the frames are walked by their own headers, and what each holds
is compared with what the index says.  If it belongs to a chain, boundaries, trailers (without their
hashes) and pads are checked.  Nothing here shares code with the project.
"""
import hashlib
import os
import struct
import subprocess
import sys
import time

CLUSTER = 65536
BLOCK = 4096
SLOTS = 59
EXTENT_HEADER = 512
SEEKABLE_MAGIC = 0x8F92EAB1
SEEK_TABLE = 0x184D2A5E
VMA_INDEX = 0x184D2A5A
VMA_CHAIN = 0x184D2A5B
VMA_PAD = 0x184D2A5C
PACKERS = [(b"\x28\xb5\x2f\xfd", "zstd"), (b"\x1f\x8b", "gzip"), (b"\x89LZO", "lzop")]


class Bad(Exception):
    """The archive is not what it must be."""


def need(condition, text):
    if not condition:
        raise Bad(text)


# --- the stream -----------------------------------------------------------------------------------


class Stream:
    """Unpacked bytes of a file, front to back."""

    def __init__(self, path):
        with open(path, "rb") as f:
            magic = f.read(4)
        self.packer = next((p for m, p in PACKERS if magic.startswith(m)), None)
        self.process = None
        if self.packer:
            self.process = subprocess.Popen([self.packer, "-dc", path], stdout=subprocess.PIPE)
            self.file = self.process.stdout
        else:
            self.file = open(path, "rb")
        self.position = 0

    def read(self, size, what):
        data = self.file.read(size)
        need(len(data) == size, f"{what} at {self.position}: {len(data)} bytes instead of {size}")
        self.position += size
        return data

    def at_end(self):
        """True at the end; what there is else goes unread."""
        return not self.file.peek(1)

    def close(self):
        self.file.close()
        if self.process:
            need(self.process.wait() == 0, f"{self.packer} -dc failed")


# --- header ---------------------------------------------------------------------------------------


class Header:
    def __init__(self, stream):
        fixed = stream.read(12288, "header")
        need(fixed[:4] == b"VMA\0", "no VMA magic")
        version, = struct.unpack_from(">I", fixed, 4)
        need(version == 1, f"version {version}")
        self.uuid = fixed[8:24]
        self.ctime, = struct.unpack_from(">q", fixed, 24)
        self.md5 = fixed[32:48]
        offset, size, total = struct.unpack_from(">III", fixed, 48)
        need(offset == 12288, f"blobs at {offset}")
        need(total % 512 == 0, f"header size {total} is no multiple of 512")
        need(12288 + size <= total < 12288 + size + 512 + 65536, f"header size {total}")
        self.raw = fixed + stream.read(total - 12288, "blobs")
        self.blobs = self.raw[12288:12288 + size]
        clear = self.raw[:32] + bytes(16) + self.raw[48:]
        need(hashlib.md5(clear).digest() == self.md5, "header checksum is wrong")
        self.configs = self.read_configs(fixed)
        self.devices = self.read_devices(fixed)

    def blob(self, offset):
        need(0 < offset <= len(self.blobs) - 2, f"blob at {offset}")
        length, = struct.unpack_from("<H", self.blobs, offset)
        data = self.blobs[offset + 2:offset + 2 + length]
        need(len(data) == length, f"blob at {offset} is cut off")
        return data

    def name(self, offset):
        data = self.blob(offset)
        need(data.endswith(b"\0") and data.count(b"\0") == 1, f"name {data!r}")
        return data[:-1].decode()

    def read_configs(self, fixed):
        names = struct.unpack_from(">256I", fixed, 2044)
        datas = struct.unpack_from(">256I", fixed, 3068)
        configs = {}
        for name, data in zip(names, datas):
            need(bool(name) == bool(data), "config with only a name or only data")
            if name:
                need(self.name(name) not in configs, "config twice")
                configs[self.name(name)] = self.blob(data)
        return configs

    def read_devices(self, fixed):
        need(fixed[4096:4128] == bytes(32), "device 0 is used")
        devices = {}
        for i in range(1, 256):
            name, zero, size = struct.unpack_from(">IIQ", fixed, 4096 + 32 * i)
            need(zero == 0 and fixed[4096 + 32 * i + 16:4096 + 32 * i + 32] == bytes(16),
                 f"device {i}: reserved bytes")
            if name:
                devices[i] = (self.name(name), size)
        return devices


# --- extents --------------------------------------------------------------------------------------


class Extents:
    """Walks the extents of a stream and checks that each cluster comes exactly once."""

    def __init__(self, stream, header):
        self.stream = stream
        self.header = header
        self.seen = {i: bytearray((size + CLUSTER - 1) // CLUSTER)
                     for i, (_, size) in header.devices.items()}
        self.next_state = 0
        self.count = 0
        self.data_bytes = {i: 0 for i in header.devices}

    def infos(self, raw):
        need(raw[:4] == b"VMAE", f"extent {self.count}: no magic")
        zero, blocks = struct.unpack_from(">HH", raw, 4)
        need(zero == 0, f"extent {self.count}: reserved bytes")
        need(raw[8:24] == self.header.uuid, f"extent {self.count}: uuid of another archive")
        clear = raw[:24] + bytes(16) + raw[40:]
        need(hashlib.md5(clear).digest() == raw[24:40], f"extent {self.count}: checksum is wrong")
        found = []
        total = 0
        for slot in range(SLOTS):
            mask, zero, dev, cluster = struct.unpack_from(">HBBI", raw, 40 + 8 * slot)
            need(zero == 0, f"extent {self.count}: reserved byte")
            if dev == 0:
                need(mask == 0 and cluster == 0, f"extent {self.count}: unused slot with content")
                continue
            total += bin(mask).count("1")
            found.append((dev, cluster, mask))
        need(total == blocks, f"extent {self.count}: {blocks} blocks, but its masks say {total}")
        return found

    def claim(self, dev, cluster):
        need(dev in self.seen, f"extent {self.count}: device {dev} is not in the header")
        need(cluster < len(self.seen[dev]), f"device {dev}: cluster {cluster} is behind its end")
        need(not self.seen[dev][cluster], f"device {dev}: cluster {cluster} comes twice")
        self.seen[dev][cluster] = 1
        if self.header.devices[dev][0] == "vmstate":
            need(cluster == self.next_state,
                 f"vmstate: cluster {cluster} comes where {self.next_state} must")
            self.next_state += 1

    def blocks(self, dev, cluster, mask):
        """(offset, data) of each stored block, clipped to the device."""
        size = self.header.devices[dev][1]
        for bit in range(16):
            if not mask >> bit & 1:
                continue
            offset = cluster * CLUSTER + bit * BLOCK
            need(offset < size, f"device {dev}: a block at {offset} is behind its end")
            data = self.stream.read(BLOCK, "block")
            keep = min(BLOCK, size - offset)
            need(not any(data[keep:]), f"device {dev}: padding at {offset + keep} is not zero")
            self.data_bytes[dev] += keep
            yield offset, data[:keep]

    def walk(self, on_block, on_cluster):
        while not self.stream.at_end():
            start = self.stream.position
            for dev, cluster, mask in self.infos(self.stream.read(EXTENT_HEADER, "extent")):
                self.claim(dev, cluster)
                on_cluster(start, dev, cluster, mask)
                for offset, data in self.blocks(dev, cluster, mask):
                    on_block(dev, offset, data)
            self.count += 1
        for dev, seen in self.seen.items():
            missing = seen.find(0)
            need(missing < 0, f"device {dev}: cluster {missing} is missing")


# --- zstd frames, seek table, index ---------------------------------------------------------------


def frame_size(data, at):
    """(packed size, unpacked size, has checksum) of the zstd frame at `at`, from its headers."""
    start = at
    descriptor = data[at + 4]
    at += 5
    single = descriptor >> 5 & 1
    size_bytes = (1 if single else 0, 2, 4, 8)[descriptor >> 6]
    at += (0 if single else 1) + (0, 1, 2, 4)[descriptor & 3]
    need(size_bytes, f"frame at {start} does not hold its content size")
    content = int.from_bytes(data[at:at + size_bytes], "little")
    content += 256 if size_bytes == 2 else 0
    at += size_bytes
    while True:
        block = int.from_bytes(data[at:at + 3], "little")
        kind, length = block >> 1 & 3, block >> 3
        need(kind != 3, f"frame at {start}: reserved block type")
        at += 3 + (1 if kind == 1 else length)
        if block & 1:
            break
    checksum = descriptor >> 2 & 1
    at += 4 * checksum
    need(at <= len(data), f"frame at {start} is cut off")
    return at - start, content, bool(checksum)


def walk_frames(data):
    """(offset, packed size, unpacked size, skippable magic or None) of each frame."""
    at = 0
    while at < len(data):
        magic, = struct.unpack_from("<I", data, at)
        if magic & 0xFFFFFFF0 == 0x184D2A50:
            length, = struct.unpack_from("<I", data, at + 4)
            need(at + 8 + length <= len(data), f"skippable frame at {at} is cut off")
            yield at, 8 + length, 0, magic
            at += 8 + length
            continue
        need(magic == 0xFD2FB528, f"no frame at {at}")
        packed, unpacked, checksum = frame_size(data, at)
        need(checksum, f"frame at {at} has no checksum")
        yield at, packed, unpacked, None
        at += packed


def check_seek_table(data, frames):
    offset, size, _, magic = frames[-1]
    need(magic == SEEK_TABLE, "the last frame is no seek table")
    table = data[offset + 8:offset + size]
    number, descriptor, magic = struct.unpack("<IBI", table[-9:])
    need(magic == SEEKABLE_MAGIC, "no seekable magic at the end")
    need(descriptor == 0, f"seek table descriptor {descriptor}")
    need(number == len(frames) - 1, f"seek table of {number} frames; there are {len(frames) - 1}")
    need(len(table) == 8 * number + 9, "length of the seek table")
    for i, (_, packed, unpacked, _) in enumerate(frames[:-1]):
        need(struct.unpack_from("<II", table, 8 * i) == (packed, unpacked),
             f"seek table, frame {i}")


class Varints:
    def __init__(self, data):
        self.data = data
        self.at = 0

    def byte(self):
        need(self.at < len(self.data), "index is cut off")
        self.at += 1
        return self.data[self.at - 1]

    def next(self):
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                return value

    def signed(self):
        value = self.next()
        return value >> 1 if not value & 1 else -(value + 1 >> 1)

    def bytes(self, size):
        data = self.data[self.at:self.at + size]
        need(len(data) == size, "index is cut off")
        self.at += size
        return data

    def more(self):
        return self.at < len(self.data)


def index_payload(content, header):
    need(content[:8] == b"VMAINDEX", "no index magic")
    version, kind, zero = struct.unpack_from("<HHI", content, 8)
    need(version == 1 and zero == 0, f"index version {version}")
    need(content[16:32] == header.uuid, "index of another archive")
    packed, _, checksum = frame_size(content, 32)
    need(checksum and 32 + packed == len(content), "frame in the index")
    payload = subprocess.run(["zstd", "-dc"], input=content[32:], stdout=subprocess.PIPE,
                             check=True).stdout
    return kind, Varints(payload)


def read_part(varints, where):
    """Adds (dev, cluster) -> frame; returns the number of clusters."""
    frame = dev = total = 0
    expected = {}
    while varints.more():
        frame += varints.next()
        for _ in range(varints.next()):
            tag = varints.next()
            number = (tag >> 1) + 1
            if tag & 1:
                dev = varints.byte()
            first = expected.get(dev, 0) + varints.signed()
            for cluster in range(first, first + number):
                need((dev, cluster) not in where, f"index: cluster {cluster} of {dev} twice")
                where[dev, cluster] = frame
            expected[dev] = first + number
            total += number
    return total


def check_root(varints, header, counts, extents, vma_size):
    need(varints.bytes(varints.next()) == header.raw, "index: another header")
    need(varints.next() == vma_size, "index: size of the archive")
    devices = {}
    for _ in range(varints.next()):
        dev = varints.byte()
        devices[dev] = (varints.next(), varints.next())
    need(devices == {i: (extents.data_bytes[i], size - extents.data_bytes[i])
                     for i, (_, size) in header.devices.items()}, f"index: totals {devices}")
    frame = 0
    parts = {}
    for _ in range(varints.next()):
        frame += varints.next()
        parts[frame] = varints.next()
    need(parts == counts, f"index: parts {parts}, there are {counts}")
    need(not varints.more(), "index: root is too long")


def check_frames(path, header, extents, clusters, vma_size):
    """`clusters`: (position of its extent, dev, cluster, mask).  Returns what to say about it."""
    with open(path, "rb") as f:
        data = f.read()
    frames = list(walk_frames(data))
    if frames[-1][3] != SEEK_TABLE:
        return f"{len(frames)} frames, no seek table"
    check_seek_table(data, frames)
    where, counts = {}, {}
    root = None
    for i, (offset, size, _, magic) in enumerate(frames):
        if magic != VMA_INDEX:
            continue
        kind, varints = index_payload(data[offset + 8:offset + size], header)
        if kind == 0:
            counts[i] = read_part(varints, where)
        else:
            need(root is None and i == len(frames) - 2, "root of the index is not where it must be")
            root = varints
    need(root is not None, "no root of the index")
    check_root(root, header, counts, extents, vma_size)
    need(frames[0][2] == len(header.raw), "the header is no frame of its own")
    need(sum(f[2] for f in frames) == vma_size, "sizes of the frames")
    check_where(frames, {(dev, c): position for position, dev, c, mask in clusters if mask}, where)
    text = f"{len(frames)} frames, {len(where)} clusters indexed in {len(counts)} parts"
    chain = find_chain(data, frames, header)
    return text + (f", {check_chain(data, frames, chain, clusters)}" if chain else "")


def check_where(frames, stored, where):
    ends, total = [], 0
    for frame in frames:
        total += frame[2]
        ends.append(total)
    need(stored.keys() == where.keys(), "index: other clusters than the archive stores")
    for key, position in stored.items():
        i = where[key]
        need(ends[i] - frames[i][2] <= position < ends[i], f"index: {key} is not in frame {i}")


# --- chains ---------------------------------------------------------------------------------------


def find_chain(data, frames, header):
    """What the chain frame says, if the archive has one; it stands before the root and the seek table."""
    offset, size, _, magic = frames[-3] if len(frames) > 3 else (0, 0, 0, None)
    content = data[offset + 8:offset + size]
    if magic != VMA_CHAIN or content[:8] != b"VMACHAIN":
        need(not any(f[3] in (VMA_CHAIN, VMA_PAD) for f in frames), "trailers or pads, but no chain")
        return None
    need(struct.unpack_from("<HHI", content, 8) == (1, 0, 0), "chain: version or reserved bytes")
    need(content[16:32] == header.uuid, "chain: uuid of another archive")
    packed, _, checksum = frame_size(content, 32)
    need(checksum and 32 + packed == len(content), "chain: its frame")
    body = subprocess.run(["zstd", "-dc"], input=content[32:], stdout=subprocess.PIPE, check=True).stdout
    chain = {"gen": body[:16], "base_gen": body[16:32]}
    fields = ("generation", "align", "started", "new_bytes", "kept_frames", "kept_clusters")
    chain.update(zip(fields, struct.unpack_from("<IIqQII", body, 32)))
    length, = struct.unpack_from("<H", body, 256)
    need(len(body) == 258 + length, "chain: its length")
    chain["base_name"] = body[258:].decode()
    return chain


def check_chain(data, frames, chain, clusters):
    align = chain["align"]
    need(align in (4096, 8192, 16384, 32768, 65536, 131072), f"chain: align {align}")
    need(any(chain["gen"]) and chain["gen"] != chain["base_gen"], "chain: gen")
    first = chain["generation"] == 0
    need(first == (not any(chain["base_gen"])) and (not first or chain["base_name"] == ""), "chain: base")
    held = clusters_by_frame(frames, clusters)
    last = max((i for i, f in enumerate(frames) if f[3] is None), default=0)
    kinds = {None: 0, VMA_CHAIN: 0, VMA_PAD: 0, VMA_INDEX: 0}
    at = 0
    # parts of the index that were written to make room may be the last before those at the end
    while at <= last or frames[at + 1][3] == VMA_PAD:
        kinds[frames[at][3]] += 1
        check_unit(data, frames, at, align, held.get(at, []))
        at += 2
    rest = [f[3] for f in frames[at:-3]]
    need(all(magic == VMA_INDEX for magic in rest), f"chain: {rest} behind the last data frame")
    check_kept(frames, chain, held)
    return f"generation {chain['generation']}, {chain['kept_frames']} frames kept"


def clusters_by_frame(frames, clusters):
    ends, total = [], 0
    for frame in frames:
        total += frame[2]
        ends.append(total)
    held, i = {}, 0
    for position, dev, cluster, mask in clusters:
        while position >= ends[i]:
            i += 1
        held.setdefault(i, []).append((position, dev, cluster, mask))
    return held


def check_unit(data, frames, i, align, clusters):
    """A frame, or a part of the index, with what follows it up to the boundary."""
    offset, size, _, magic = frames[i]
    follows, length, _, kind = frames[i + 1]
    content = data[follows + 8:follows + length]
    need(offset % align == 0 and (follows + length) % align == 0, f"frame {i} is not between boundaries")
    need(magic in (None, VMA_INDEX), f"frame {i} is of kind {magic:x}" if magic else "")
    stored = [c for c in clusters if c[3]]
    if not stored:
        need(kind == VMA_PAD and not any(content), f"frame {i} is not followed by a pad")
        need(length - 8 < align, f"the pad behind frame {i} is too long")
        return
    need(len(stored) == len(clusters), f"frame {i} has both data and zero clusters")
    need(len({c[:2] for c in clusters}) == 1, f"frame {i} has more than one extent or disk")
    need(kind == VMA_CHAIN and content[:8] == b"VMATRAIL", f"frame {i} is not followed by a trailer")
    need(struct.unpack_from("<HHI", content, 8) == (1, len(stored), 0), f"head of the trailer of frame {i}")
    end = 16 + 23 * len(stored)
    entries = [struct.unpack_from("<BHI", content, at) for at in range(16, end, 23)]
    need(entries == [(dev, mask, cluster) for _, dev, cluster, mask in sorted(stored)],
         f"the trailer of frame {i} names other clusters than its extent")
    need(not any(content[end:]) and length - 8 - end < align, f"the trailer of frame {i} is too long")


def check_kept(frames, chain, held):
    data_frames = [len(h) for h in held.values() if any(c[3] for c in h)]
    need(chain["kept_frames"] <= len(data_frames), "chain: kept_frames")
    need(chain["kept_frames"] <= chain["kept_clusters"] <= sum(data_frames), "chain: kept_clusters")
    need(0 < chain["new_bytes"] <= frames[-3][0], "chain: new_bytes")
    need((chain["new_bytes"] == frames[-3][0]) == (chain["kept_frames"] == 0), "chain: new_bytes")


# --- commands -------------------------------------------------------------------------------------


def list_archive(header):
    for name, data in header.configs.items():
        print(f"CFG: size: {len(data)} name: {name}")
    for dev, (name, size) in header.devices.items():
        if name == "vmstate":
            print(f"VMSTATE: dev_id={dev} memory: {size}")
        else:
            print(f"DEV: dev_id={dev} size: {size} devname: {name}")
    print("CTIME:", time.ctime(header.ctime))


def file_name(device):
    need("/" not in device, f"device name {device!r}")
    return "vmstate.bin" if device == "vmstate" else f"disk-{device}.raw"


def print_order(path):
    stream = Stream(path)
    header = Header(stream)
    Extents(stream, header).walk(lambda *_: None, lambda _, dev, cluster, mask: print(dev, cluster, mask))


def print_chain(path):
    with open(path, "rb") as f:
        data = f.read()
    chain = find_chain(data, list(walk_frames(data)), Header(Stream(path)))
    need(chain, "the archive belongs to no chain")
    for name, value in chain.items():
        print(f"{name}={value.hex() if isinstance(value, bytes) else value}")


def check_archive(path, directory):
    stream = Stream(path)
    header = Header(stream)
    extents = Extents(stream, header)
    files, clusters = {}, []
    for dev, (name, size) in header.devices.items():
        files[dev] = open(os.path.join(directory, file_name(name)), "wb") if directory else None
        if directory:
            files[dev].truncate(size)

    def on_block(dev, offset, data):
        if files[dev]:
            files[dev].seek(offset)
            files[dev].write(data)

    def on_cluster(*cluster):
        clusters.append(cluster)

    extents.walk(on_block, on_cluster)
    for f in files.values():
        if f:
            f.close()
    size = stream.position
    stream.close()
    more = ""
    if stream.packer == "zstd":
        more = "; " + check_frames(path, header, extents, clusters, size)
    return header, f"ok: {len(header.devices)} devices, {extents.count} extents, " \
                   f"{sum(extents.data_bytes.values())} data bytes{more}"


def main(arguments):
    if len(arguments) == 2 and arguments[0] == "list":
        list_archive(Header(Stream(arguments[1])))
    elif len(arguments) == 2 and arguments[0] == "verify":
        print(check_archive(arguments[1], None)[1])
    elif len(arguments) == 2 and arguments[0] == "order":
        print_order(arguments[1])
    elif len(arguments) == 2 and arguments[0] == "chain":
        print_chain(arguments[1])
    elif len(arguments) == 3 and arguments[0] == "extract":
        os.mkdir(arguments[2])
        header, text = check_archive(arguments[1], arguments[2])
        for name, data in header.configs.items():
            need("/" not in name, f"config name {name!r}")
            with open(os.path.join(arguments[2], name), "wb") as f:
                f.write(data)
        print(text)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except Bad as e:
        sys.exit(f"vma_reader: {e}")
