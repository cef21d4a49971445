"""What the guest and others who talk to its QEMU feel of a backup, however many disks it has.

Rounds of a time without a backup and of a backup follow each other.  The guest is an export beside the devices, so
its writes show what QEMU's main loop and its block layer make it wait; vCPUs that stand still are seen by events.
"""
import os
import statistics
import time

from .. import disks
from ..disks import MIB
from ..guest import Writer, front, percentile, slow_backup, within
from ..host import VMID, host
from ..qmp import Events, Qmp, pauses, traced_commands
from ..runner import move

ABOUT = "QMP answers, stopped vCPUs and the guest's writes, with 1, 8 and 30 disks, on two QEMUs"

RATE = 20_000_000
IDLE_SECONDS = 3
AFTER = 0.2         # seconds in which a wait may still show after a command


def run(ctx, s):
    for tools in ctx.qemus():
        for count in (1, 8) if ctx.quick else (1, 8, 30):
            _disks(ctx, s, tools, count)
    if not ctx.other:
        s.skip("a second QEMU (see --other-qemu)")


def _make_disks(ctx, count):
    """The guest writes to the first one."""
    sizes = [max(ctx.size // 48, 16 * MIB)] + [MIB] * (count - 1)
    return [disks.random_disk(ctx.path(f"disk{i}.raw"), size) for i, size in enumerate(sizes)]


def _disks(ctx, s, tools, count):
    made = _make_disks(ctx, count)
    with host(tools, ctx.base, made, running=True) as h:
        paths, monitor = front(h)
        rounds = [_round(h, paths[0], os.path.getsize(made[0])) for _ in range(ctx.rounds)]
        monitor("block-export-del", id="guest0")
        monitor.close()
    for disk in made:
        os.unlink(disk)
    _figures(s, tools.qemu_version(), count, rounds)


def _round(h, path, size):
    """What was seen in one time without and one with a backup."""
    qmp_idle = _idle_answers(h)
    writer = Writer(path, size)
    time.sleep(IDLE_SECONDS)
    idle = writer.finish()
    events, writer = Events(h.events), Writer(path, size)
    output, _ = slow_backup(h, RATE, "--fleecing", "enabled=1,storage=fast", VZDUMP_TRACE="qmp")
    writes, stops = writer.finish(), pauses(events.finish())
    return {"idle": idle, "writes": writes, "stops": [seconds * 1000 for _, seconds in stops],
            "commands": traced_commands(output, f"{VMID}.qmp"), "qmp idle": qmp_idle}


def _idle_answers(h):
    """Milliseconds that QEMU takes for the least of commands."""
    found, qmp = [], Qmp(h.events)
    for _ in range(200):
        begin = time.monotonic()
        qmp("query-status")
        found.append((time.monotonic() - begin) * 1000)
    qmp.close()
    return found


def _edges(each):
    """The longest write while the backup begins, and while it ends: between them nobody talks to QEMU for long."""
    commands = each["commands"]
    _, split = max((b.sent - a.answered, i) for i, (a, b) in enumerate(zip(commands, commands[1:])))
    return [percentile(within(each["writes"], part[0].sent, part[-1].answered + AFTER), 1)
            for part in (commands[:split + 1], commands[split + 1:])]


def _figures(s, version, count, rounds):
    key, name = f"guest.{version}.{count}", f"QEMU {version}, {count} disk{'s' if count > 1 else ''}"
    longest, command = _longest(rounds)
    idle_most = statistics.median(percentile(each["idle"], 1) for each in rounds)
    idle_p99 = [percentile(each["idle"], 0.99) for each in rounds]
    p99 = statistics.median(percentile(each["writes"], 0.99) / idle for each, idle in zip(rounds, idle_p99))
    begin, end = (statistics.median(values) for values in zip(*(_edges(each) for each in rounds)))
    qmp_idle = statistics.median(max(each["qmp idle"]) for each in rounds)
    s.say(f"{name}, 64 KiB written 200 times a second, target takes 20 MB/s:")
    more = {"brief": count != 8}
    s.figure(f"{key}.qmp", f"{name}: longest QMP answer ({command}; idle {qmp_idle:.1f} ms)", longest, "ms",
             goal=10 if count == 1 else 15, **more)
    s.figure(f"{key}.commands", f"{name}: QMP commands", statistics.median(len(e["commands"]) for e in rounds))
    if count > 1:   # one disk has its instant without a stop
        s.figure(f"{key}.stop", f"{name}: vCPUs stopped",
                 statistics.median(max(each["stops"] or [0]) for each in rounds), "ms", goal=5, **more)
    for what, value in (("begin", begin), ("end", end)):
        s.figure(f"{key}.{what}", f"{name}: longest write at {what} (idle {idle_most:.1f} ms)", value, "ms",
                 goal=idle_most + 10, **more)
    s.figure(f"{key}.p99", f"{name}: p99 of writes, no backup ({statistics.median(idle_p99):.1f} ms) is 1", p99,
             goal=1.3, moved=move(idle_p99), **more)
    s.rounds += [_record(name, each) for each in rounds]


def _longest(rounds):
    """The command that took longest: in the median of the rounds, each of its places in the course of a backup by
    itself, since a busy machine delays now this one and now that.  (milliseconds, name)"""
    found = {}
    for each in rounds:
        count = {}
        for c in each["commands"]:
            count[c.name] = count.get(c.name, 0) + 1
            found.setdefault((c.name, count[c.name]), []).append(c.ms)
    return max((statistics.median(values), name) for (name, _), values in found.items() if len(values) * 2 > len(rounds))


def _record(name, each):
    longest = sorted(each["commands"], key=lambda c: -c.ms)[:8]
    return {"group": "guest", "name": name, "stops_ms": [round(ms, 2) for ms in each["stops"]],
            "commands": len(each["commands"]), "longest": [[c.name, round(c.ms, 2)] for c in longest],
            "qmp_idle_ms": round(max(each["qmp idle"]), 2),
            **{f"{what}_ms": {"median": round(percentile(each[what], 0.5), 3),
                              "p99": round(percentile(each[what], 0.99), 3),
                              "max": round(percentile(each[what], 1), 2), "count": len(each[what])}
               for what in ("idle", "writes")}}
