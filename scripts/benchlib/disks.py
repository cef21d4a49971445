"""The disks that are saved."""
import os
import random
import shutil
import subprocess

from . import Failed

MIB = 1 << 20
SOURCES = ("/usr/bin", "/usr/share", "/usr/lib/x86_64-linux-gnu", "/usr/lib")


def warm(path):
    """Into the page cache."""
    with open(path, "rb") as f:
        while f.read(8 * MIB):
            pass


def _some_files(tree, size):
    """Programs, libraries and text, until they are `size` bytes."""
    left = size
    for source in SOURCES:
        for folder, folders, names in os.walk(source):
            folders.sort()
            for name in sorted(names):
                path = os.path.join(folder, name)
                if os.path.islink(path) or not os.path.isfile(path):
                    continue
                target = tree + path
                os.makedirs(os.path.dirname(target), exist_ok=True)
                shutil.copyfile(path, target)
                left -= max(os.path.getsize(path), 1024)
                if left <= 0:
                    return


def files_disk(path, size):
    """What a system's disk holds, in ext4."""
    if os.path.exists(path):
        return path
    tree = path + ".tree"
    os.makedirs(tree)
    _some_files(tree, int(size * 0.93))
    with open(path, "wb") as f:
        f.truncate(size)
    made = subprocess.run(["mke2fs", "-q", "-t", "ext4", "-m", "0", "-d", tree, path],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    shutil.rmtree(tree)
    # it may have become full, and is good enough then
    if made.returncode and "allocat" not in made.stderr and "space" not in made.stderr:
        raise Failed(f"mke2fs failed: {made.stderr}")
    return path


def random_disk(path, size):
    with open(path, "wb") as f:
        for _ in range(size // MIB):
            f.write(random.randbytes(MIB))
    return path


def zero_disk(path, size):
    """Zeroes that were written, and are no holes."""
    with open(path, "wb") as f:
        for _ in range(size // MIB):
            f.write(bytes(MIB))
    return path


def empty_disk(path, size):
    with open(path, "wb") as f:
        f.truncate(size)
    return path


def data_of(path):
    """Bytes that are no hole."""
    return os.stat(path).st_blocks * 512
