"""What the machine is, and how busy it is while something is measured."""
import os
import re

TICKS = os.sysconf("SC_CLK_TCK")


def read(path):
    with open(path, encoding="utf-8", errors="replace") as f:
        return f.read()


def description():
    model = re.search(r"^model name\s*: (.*)$", read("/proc/cpuinfo"), re.M)
    memory = re.search(r"^MemTotal:\s*(\d+)", read("/proc/meminfo"), re.M)
    return {"cores": os.cpu_count(), "cpu": model.group(1) if model else os.uname().machine,
            "memory_mib": int(memory.group(1)) // 1024, "kernel": os.uname().release}


def jiffies():
    """Of all cores together: busy, stolen by the hypervisor, and all, in seconds."""
    values = [int(x) / TICKS for x in read("/proc/stat").splitlines()[0].split()[1:9]]
    idle, steal = values[3] + values[4], values[7]
    return {"busy": sum(values) - idle - steal, "steal": steal, "all": sum(values)}


def load_between(begin, end, own_cpu):
    """Shares of all cores between two calls of jiffies(): busy, busy with others than what used `own_cpu` seconds,
    stolen.  And how many processes wanted to run in the last minute."""
    whole = max(end["all"] - begin["all"], 1 / TICKS)
    busy = end["busy"] - begin["busy"]
    return {"busy": round(busy / whole, 3), "others": round(max(0, busy - own_cpu) / whole, 3),
            "steal": round((end["steal"] - begin["steal"]) / whole, 3), "loadavg": round(os.getloadavg()[0], 2)}
