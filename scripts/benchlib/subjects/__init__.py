"""What is measured.  Each module has ABOUT, a line for --help, and run(ctx, subject)."""
from . import empty, feel, incremental, incremental_large, latency, limit, memory, reads, restore, speed

# under the names of the command line, in the order in which they run
ALL = {
    "speed": speed,
    "empty": empty,
    "memory": memory,
    "restore": restore,
    "random": reads,
    "guest": feel,
    "limit": limit,
    "latency": latency,
    "incremental": incremental,
    "incremental-large": incremental_large,
}
