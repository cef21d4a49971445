"""README's table, made of the results alone: the same results make the same text."""
import json
import os

from . import Failed, picture, results, runner
from .subjects import ALL

BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"

# Measured once with version 10.0.2 of Proxmox VE's QEMU, its own backup job and `zstd -dc | vma`, on two cores.
PROXMOX = {
    "speed.files.wall": "1.75 to 1.88",
    "empty.time": "2.8 s per GiB",
    "latency.fleecing.p99": "5",
    "latency.direct.p99": "660",
    "latency.fleecing.image": "154 MiB of 1 GiB",
    "restore.wall": "2.2",
    "restore.frame.wall": "2.2",
    "verify.wall": "1.1",
}


def _goal(row):
    if "goal" not in row:
        return ""
    goal = f"{'at least' if row['at_least'] else 'at most'} {results.shown(row, 'goal')}"
    return goal if row["reached"] else f"{goal}: **not reached**"


def _row(row):
    value = results.shown(row)
    if row.get("moved", 0) > runner.MOVES:
        value += " \\*"
    return f"| {row['text']} | {value} | {_goal(row)} | {PROXMOX.get(row['key'], '')} |"


def _machine(data):
    """What was measured with, and how busy the machine was."""
    here = data["machine"]
    versions = [subject["versions"] for subject in data["subjects"].values()]
    qemus = sorted({v[which] for v in versions for which in ("qemu", "other qemu") if v.get(which)})
    others = [subject["load"]["others"] for subject in data["subjects"].values()]
    return (f"{here['cores']} cores ({here['cpu']}), guests without KVM, QEMU {' and '.join(qemus)}; "
            f"{min(others):.0%} to {max(others):.0%} of the machine were busy with other work.")


def table(data):
    rows = [row for name in ALL for row in data["subjects"].get(name, {}).get("figures", []) if row["brief"]]
    lines = [_machine(data), "", "| | this | goal | Proxmox VE |", "|---|---|---|---|", *map(_row, rows)]
    if any(row.get("moved", 0) > runner.MOVES for row in rows):
        lines += ["", "\\* what it is compared with moved by more than 15 % between the rounds"]
    return "\n".join(lines)


def rewrite(path, results_path):
    """Puts the table between the marks of a file and changes nothing else in it; draws the picture beside it anew."""
    data = results.load_file(results_path)
    if not data:
        raise Failed(f"{results_path} has no results: run the bench first")
    with open(path, encoding="utf-8") as f:
        text = f.read()
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise Failed(f"{path} has no lines '{BEGIN}' and '{END}'")
    with open(path, "w", encoding="utf-8") as f:
        f.write(f"{before}{begin}\n\n{table(data)}\n\n{end}{after}")
    _redraw(os.path.join(os.path.dirname(results_path), "guest.json"),
            os.path.join(os.path.dirname(path), "doc/guest.svg"))


def _redraw(runs_path, picture_path):
    """The picture beside README, if `latency` has been measured."""
    if os.path.exists(runs_path) and os.path.exists(picture_path):
        with open(runs_path, encoding="utf-8") as f:
            runs = json.load(f)
        with open(picture_path, "w", encoding="utf-8") as f:
            f.write(picture.picture(runs["runs"], runs["about"]))
