"""What all subjects get: programs, sizes, a folder."""
import os
import re
import shutil
import subprocess
from dataclasses import dataclass

from . import Failed, disks, runner
from .disks import MIB


@dataclass
class Tools:
    """The programs that are measured; path is what vzdump finds its own tools by."""
    build: str
    qemu: str
    path: str

    @property
    def vzdump(self):
        return os.path.join(self.build, "bin/vzdump")

    @property
    def vma(self):
        return os.path.join(self.build, "bin/vma")

    def qemu_version(self):
        version = re.search(r"version (\d+(?:\.\d+)*)", first_line([self.qemu, "--version"]))
        if not version:
            raise Failed(f"{self.qemu} is no QEMU that runs here")
        return version[1]


def first_line(command):
    try:
        said = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    except OSError as e:
        raise Failed(f"{command[0]} does not run: {e.strerror}") from e
    return next(iter(said.stdout.splitlines()), "")


def tools_from(build, qemu_dir=None, qemu_bin=None):
    """As tests/lib/qemu.bash finds them: QEMU_DIR has a QEMU with its tools, QEMU_BIN is another QEMU alone."""
    path = os.environ["PATH"]
    if qemu_dir:
        path = os.path.join(qemu_dir, "bin") + os.pathsep + path
    qemu = qemu_bin or shutil.which("qemu-system-x86_64", path=path) or "qemu-system-x86_64"
    return Tools(build, qemu, path)


@dataclass
class Context:
    tools: Tools
    other: Tools | None     # a second QEMU, for what depends on QEMU
    base: str               # a folder for disks and archives
    results: str            # one for what stays
    top: str
    size: int               # of the disk of files, in bytes; others are a part of it
    rounds: int
    repeats: int
    quick: bool

    def versions(self):
        """Of what takes part."""
        tools = self.tools
        return {"vzdump": first_line([tools.vzdump, "--version"]), "commit": self._commit(),
                "qemu": tools.qemu_version(), "other qemu": self.other.qemu_version() if self.other else None,
                "zstd": first_line(["zstd", "--version"]).strip("* "),
                "nbdcopy": first_line(["nbdcopy", "--version"]),
                "qemu-img": first_line(["qemu-img", "--version"])}

    def _commit(self):
        return first_line(["git", "-C", self.top, "describe", "--always", "--dirty"])

    def options(self):
        return {"size_mib": self.size // MIB, "rounds": self.rounds, "repeats": self.repeats, "quick": self.quick}

    def qemus(self):
        return [self.tools] + ([self.other] if self.other else [])

    def path(self, name):
        return os.path.join(self.base, name)

    def files_disk(self):
        """Of files, made once."""
        return disks.files_disk(self.path("files.raw"), self.size)

    def compare(self, subject, group, runs, reference):
        """Interleaved rounds; keeps all of them, returns those that count."""
        made = runner.compare(runs, reference, self.rounds, self.repeats, subject.say)
        subject.keep(group, made)
        return made[0]


def gib(size):
    return size / (1 << 30)


def size_text(size):
    return f"{size / (1 << 30):g} GiB" if size >= 1 << 30 else f"{size // MIB} MiB"
