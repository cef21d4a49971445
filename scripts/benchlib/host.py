"""A folder for VZDUMP_ROOT with storages, a guest's configuration and its QEMU."""
import contextlib
import os
import shutil
import subprocess
import time

from . import Failed, cpu, runner
from .qmp import Qmp

VMID = "123"


class Host:
    """Guest 123, whose disks are scsi0, scsi1, ..."""

    def __init__(self, tools, base, disks, fast=None):
        self.tools, self.base, self.disks = tools, base, disks
        self.root = os.path.join(base, "root")
        self.fast = fast or os.path.join(base, "fast")
        self.qemu = None
        self._storages()
        self._guest()

    def _storages(self):
        for name in ("etc/pve/qemu-server", "run/qemu-server"):
            os.makedirs(os.path.join(self.root, name), exist_ok=True)
        with open(os.path.join(self.root, "etc/pve/storage.cfg"), "w") as f:
            for name, content, path in (("fast", "images", self.fast),
                                        ("backup", "backup", os.path.join(self.base, "backup")),
                                        ("images", "images", os.path.join(self.base, "images"))):
                os.makedirs(path, exist_ok=True)
                f.write(f"dir: {name}\n\tpath {path}\n\tcontent {content}\n\n")

    def _guest(self):
        images = os.path.join(self.base, "images/images", VMID)
        shutil.rmtree(images, ignore_errors=True)
        os.makedirs(images)
        with open(os.path.join(self.root, f"etc/pve/qemu-server/{VMID}.conf"), "w") as f:
            f.write("name: bench\n")
            for i, disk in enumerate(self.disks):
                name = f"vm-{VMID}-disk-{i}.raw"
                os.symlink(disk, os.path.join(images, name))
                f.write(f"scsi{i}: images:{VMID}/{name}\n")

    def start(self, running=False):
        """running: vCPUs run, as far as a guest without a system does."""
        run = os.path.join(self.root, "run/qemu-server")
        self.monitor, self.events = os.path.join(run, "bench.qmp"), os.path.join(run, "events.qmp")
        for path in (self.monitor, self.events, f"{run}/{VMID}.qmp"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
        command = [self.tools.qemu, "-name", "bench,debug-threads=on", "-M", "pc", "-accel", "tcg,thread=multi",
                   "-m", "64", "-nodefaults", "-display", "none", "-device", "virtio-scsi-pci,id=scsihw0"]
        for path in (f"{run}/{VMID}.qmp", self.monitor, self.events):
            command += ["-qmp", f"unix:{path},server=on,wait=off"]
        for i, disk in enumerate(self.disks):
            command += ["-blockdev", f"driver=raw,node-name=disk{i},discard=unmap,file.driver=file,"
                                     f"file.filename={disk},file.discard=unmap",
                        "-device", f"scsi-hd,bus=scsihw0.0,lun={i},drive=disk{i},id=scsi{i},share-rw=on"]
        self.log = os.path.join(self.base, "qemu.log")
        with open(self.log, "w") as log:
            self.qemu = subprocess.Popen(command + ([] if running else ["-S"]), stdout=log, stderr=log)
        self._wait()
        if running:
            self._settle()

    def _wait(self):
        for _ in range(600):
            with contextlib.suppress(OSError, ValueError):
                Qmp(self.events).close()
                return
            if self.qemu.poll() is not None:
                break
            time.sleep(0.05)
        with open(self.log, errors="replace") as log:
            raise Failed(f"{self.tools.qemu} does not start:\n{log.read()}")

    def _settle(self):
        """Until the firmware has found nothing to start, and rests."""
        for _ in range(60):
            before = cpu.of_process(self.qemu.pid)
            time.sleep(0.5)
            if cpu.of_process(self.qemu.pid) - before < 0.05:
                return

    def stop(self):
        if self.qemu:
            self.qemu.terminate()
            self.qemu.wait()
            self.qemu = None

    def environment(self, **more):
        return dict(os.environ, VZDUMP_ROOT=self.root, PATH=self.tools.path, **more)

    def command(self, *args):
        return [self.tools.vzdump, VMID, *args]

    def vzdump(self, *args, stdout=None):
        """Saves the guest; returns the Run, with QEMU's part."""
        return runner.measure(self.command(*args), stdout=stdout, env=self.environment(),
                              beside={"QEMU": self.qemu.pid}, name="vzdump")

    def archives(self):
        folder = os.path.join(self.base, "backup/dump")
        names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
        return [os.path.join(folder, name) for name in names if ".vma" in name and not name.endswith(".notes")]

    def drop_archives(self):
        shutil.rmtree(os.path.join(self.base, "backup"), ignore_errors=True)


@contextlib.contextmanager
def host(tools, base, disks, running=False, fast=None, keep=False):
    """A host whose QEMU runs; the archives go in the end unless they lie on a file system of their own (keep)."""
    h = Host(tools, base, disks, fast)
    try:
        h.start(running)
        yield h
    finally:
        h.stop()
        if not keep:
            h.drop_archives()
        shutil.rmtree(h.fast, ignore_errors=True)
