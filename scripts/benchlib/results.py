"""Figures with their goals: printed as they come, and kept as JSON.

The file has "machine" and "subjects", {name: subject}; a subject has when and with what it was run, what the machine
was busy with meanwhile, "figures", and "rounds" with all that was measured.  A subject that is run again takes the
place of the old one, so that a bench can be run in parts; on another machine the file begins anew.
"""
import json
import os
import resource
import time

from . import machine, runner

FORMAT = 1


def reached(value, goal, at_least):
    return value >= goal if at_least else value <= goal


def shown(row, what="value"):
    """A figure or its goal, with three digits or so."""
    value, unit = row[what], row["unit"]
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else row.get("digits", 2)
    text = f"{value:.{digits}f}"
    return f"{text} {unit}" if unit else text


class Subject:
    """What a subject finds out."""

    def __init__(self, name, versions, options):
        self.name, self.versions, self.options = name, versions, options
        self.figures, self.rounds, self.skipped = [], [], []
        self.begin, self.jiffies, self.own = time.monotonic(), machine.jiffies(), _own_cpu()

    def say(self, text):
        print(text, flush=True)

    def skip(self, text):
        """What cannot be measured here, and why."""
        self.skipped.append(text)
        self.say(f"  left out: {text}")

    def figure(self, key, text, value, unit="", goal=None, at_least=False, moved=None, brief=False, digits=2):
        """One figure; without a goal it is for comparison alone.  moved is by how much what it is a ratio to moved
        between rounds; README has the brief ones; digits are those after the point where the figure is small."""
        row = {"key": key, "text": text, "value": round(value, 4), "unit": unit, "brief": brief}
        if digits != 2:
            row["digits"] = digits
        if goal is not None:
            row.update(goal=round(goal, 4), at_least=at_least)
            row["reached"] = reached(row["value"], row["goal"], at_least)
        if moved is not None:
            row["moved"] = round(moved, 3)
        self.figures.append(row)
        self.say("  " + line_of(row))

    def keep(self, group, comparisons):
        """All rounds, for JSON."""
        for attempt, comparison in enumerate(comparisons):
            for name, runs in comparison.table.items():
                for number, run in enumerate(runs):
                    self.rounds.append({"group": group, "name": name, "round": number, "counts": attempt == 0,
                                        **run.record()})

    def record(self):
        return {"when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                "seconds": round(time.monotonic() - self.begin, 1),
                "load": machine.load_between(self.jiffies, machine.jiffies(), _own_cpu() - self.own),
                "versions": self.versions, "options": self.options, "skipped": self.skipped,
                "figures": self.figures, "rounds": self.rounds}


def _own_cpu():
    """Of this process and of its children that have ended: what is measured is no foreign load."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def line_of(row):
    line = f"{row['text']:66s} {shown(row):>9s}"
    if "goal" in row:
        line += (f"   goal {'>=' if row['at_least'] else '<='} {shown(row, 'goal')}: "
                 f"{'reached' if row['reached'] else 'NOT REACHED'}")
    if row.get("moved", 0) > runner.MOVES:
        line += f"   (its reference moved by {row['moved']:.0%})"
    return line


def load_line(load):
    return (f"  the machine: {load['others']:.0%} busy with other work, {load['steal']:.0%} stolen, "
            f"load average {load['loadavg']}")


def load_file(path):
    try:
        with open(path, encoding="utf-8") as f:
            data = json.load(f)
    except FileNotFoundError:
        return None
    return data if data.get("format") == FORMAT else None


def store(path, subject):
    """Adds a subject to the file."""
    here = machine.description()
    data = load_file(path)
    if not data or data["machine"] != here:
        data = {"format": FORMAT, "machine": here, "subjects": {}}
    data["subjects"][subject.name] = subject.record()
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    with open(path + ".new", "w", encoding="utf-8") as f:
        json.dump(data, f, indent=1)
        f.write("\n")
    os.replace(path + ".new", path)
    return data["subjects"][subject.name]
