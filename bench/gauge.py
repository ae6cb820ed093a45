"""CPU time and memory of processes, from /proc. See docs/benchmarks.md for what they mean."""

import os
import threading
import time

TICK = os.sysconf("SC_CLK_TCK")


def tasks(pid):
    """The CPU time of each task of a process, in seconds."""
    seconds = {}
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/schedstat") as file:
                seconds[task] = int(file.read().split()[0]) / 1e9
    except FileNotFoundError:
        pass  # It has ended just now.
    return seconds


def stat(pid):
    """User and system time of a process, ended threads included, in seconds."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
    except FileNotFoundError:
        return 0.0, 0.0
    return int(fields[11]) / TICK, int(fields[12]) / TICK


def memory(pid):
    """Resident and proportional memory, in MB."""
    found = {}
    with open(f"/proc/{pid}/smaps_rollup") as file:
        for line in file:
            name, _, rest = line.partition(":")
            if name in ("Rss", "Pss"):
                found[name] = int(rest.split()[0]) / 1024
    return found["Rss"], found["Pss"]


def machine():
    """What all processors did so far, in processor-seconds."""
    with open("/proc/stat") as file:
        ticks = [int(field) / TICK for field in file.readline().split()[1:9]]
    user, nice, system, _idle, _iowait, irq, softirq, steal = ticks
    return {"busy": user + nice + system + irq + softirq, "steal": steal}


class Tasks:
    """The CPU time of a process by its tasks: exact to the nanosecond where `stat` has ticks of
    10 ms. Tasks come and go, so it looks once a second and keeps what it saw of each."""

    def __init__(self, pid):
        self.pid = pid
        self.first = tasks(pid)
        self.last = dict(self.first)
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._look, daemon=True)
        self.thread.start()

    def _look(self):
        while not self.over.wait(1):
            self.last.update(tasks(self.pid))

    def end(self):
        self.over.set()
        self.thread.join()
        self.last.update(tasks(self.pid))
        return sum(spent - self.first.get(task, 0.0) for task, spent in self.last.items())


def window(pid, ours, seconds, outputs):
    """Measures one process for so long, while all of `ours` (and this script) run beside it."""
    ours = set(ours) | {pid, os.getpid()}

    def total():
        return sum(sum(stat(one)) for one in ours)

    begun, machine_before, ours_before = time.monotonic(), machine(), total()
    before, counted = stat(pid), Tasks(pid)
    time.sleep(seconds)
    cpu, after = counted.end(), stat(pid)
    took = time.monotonic() - begun
    machine_after, ours_after = machine(), total()
    rss, pss = memory(pid)
    busy = machine_after["busy"] - machine_before["busy"]
    return {
        "seconds": took,
        "cpu": cpu,
        "cpu_per_output_minute": cpu / outputs / (took / 60),
        "user": after[0] - before[0],
        "system": after[1] - before[1],
        "rss_mb": rss,
        "pss_mb": pss,
        "threads": len(tasks(pid)),
        # Processors kept busy by whoever is not part of the benchmark, and taken by the host.
        "others": max(0.0, busy - (ours_after - ours_before)) / took,
        "steal": (machine_after["steal"] - machine_before["steal"]) / took,
    }
