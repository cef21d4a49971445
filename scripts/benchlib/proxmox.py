"""Proxmox VE's own programs, where they are installed: `vma` reads and writes no compressed archives, `vzdump` saves
guests of the host it runs on and no others."""
import os
import shutil
import subprocess


def _others(name, ours):
    """A program of that name that is not this project's."""
    for folder in ("/usr/bin", "/usr/sbin"):
        path = os.path.join(folder, name)
        if os.access(path, os.X_OK) and not (os.path.exists(ours) and os.path.samefile(path, ours)) \
                and not _is_ours(path):
            return path
    return None


def _is_ours(path):
    said = subprocess.run([path, "--version"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    return said.returncode == 0 and said.stdout.startswith(os.path.basename(path) + " ")


def vma(tools):
    return _others("vma", tools.vma)


def vzdump(tools):
    return _others("vzdump", tools.vzdump) if shutil.which("pvesh") else None
