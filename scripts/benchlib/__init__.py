"""What scripts/bench is made of.

    machine     what the machine is, and how busy it is with other work
    cpu         the CPU time of processes and threads
    runner      measured runs, in interleaved rounds, and their ratios
    results     figures with their goals, printed and kept as JSON
    picture     the picture of `latency`
    qmp         a client of a monitor, and what vzdump's trace tells about its commands
    nbd         a client that reads a block at a time
    disks       the disks that are saved
    host        a folder for VZDUMP_ROOT, and a QEMU that has disks
    guest       the guest's writes, the target of the archive, what the images take
    context     what all subjects get: programs, sizes, a folder
    proxmox     Proxmox VE's own programs, where they are installed
    subjects/   one file each for what is measured
    readme      README's table and picture, made of the JSON

A module uses only those above it in this list.  Nothing but Python's own library is needed.
"""


class Failed(Exception):
    """What was to be measured did not work; the subject ends, others go on."""
