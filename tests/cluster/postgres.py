"""PostgreSQL nodes on this machine, without a manager of the cluster: the drill itself promotes the standby."""

import glob
import os
import re
import shutil
import signal
import socket
import subprocess
import time

DATABASE = "product_db"
OPTIONS = {
    "log_line_prefix": "%n ",
    "max_connections": "200",
    # A killed process leaves its writes to the kernel, and the machine stays up.
    "fsync": "off",
    "wal_log_hints": "on",
}


def binaries():
    """Returns the folder of the newest version that Debian's packages have installed."""
    found = glob.glob("/usr/lib/postgresql/*/bin")
    version = lambda path: int(path.split("/")[-2])
    return max(found, key=version) if found else os.path.dirname(shutil.which("initdb") or "/usr/bin/")


def as_postgres(*command):
    """Returns a command that runs as the user postgres, because PostgreSQL does not run as root."""
    prefix = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"]
    return (prefix if os.geteuid() == 0 else []) + list(command)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def processes_below(pid):
    """Returns the ids of the process and of all its descendants."""
    children = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True).stdout.split()
    return [pid] + [found for child in children for found in processes_below(int(child))]


def send_all(pids, number):
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass


def promotion_time(log, after):
    """Returns the Unix time at which the node accepted writes after its promotion. None if it was not promoted."""
    found = None
    promoted = False
    with open(log, errors="replace") as lines:
        for line in lines:
            match = re.search(r"(\d{10}\.\d{3}) .*(selected new timeline|ready to accept connections)", line)
            if match and float(match[1]) >= after:
                promoted = promoted or "timeline" in match[2]
                if promoted and "ready" in match[2]:
                    found = float(match[1])
                    promoted = False
    return found


class Node:
    def __init__(self, folder, name):
        self.folder, self.name, self.port = os.path.join(folder, name), name, free_port()
        self.log = os.path.join(folder, f"{name}.log")
        self.process = None

    def initialize(self):
        self._run("initdb", "-D", self.folder, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-N")

    def copy_from(self, primary):
        source = f"host=127.0.0.1 port={primary.port} user=postgres application_name={self.name}"
        self._run("pg_basebackup", "-D", self.folder, "-d", source, "-R", "-c", "fast", "-N")

    def start(self, **options):
        options = OPTIONS | {"port": self.port, "listen_addresses": "127.0.0.1"} | options
        flags = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        command = as_postgres(f"{binaries()}/postgres", "-D", self.folder, "-k", "", *flags)
        with open(self.log, "a") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        while "accept" not in open(self.log).read().split("starting PostgreSQL")[-1]:
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.name} does not start: {open(self.log).read()[-1000:]}")
            time.sleep(0.05)

    def query(self, sql, database="postgres"):
        command = ["psql", "-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres", "-XAtqc", sql, database]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.strip()

    def pids(self):
        with open(os.path.join(self.folder, "postmaster.pid")) as file:
            return processes_below(int(file.readline()))

    def kill(self):
        send_all(self.pids(), signal.SIGKILL)
        self.process.wait()

    def freeze(self):
        # Twice, because a process may have started meanwhile.
        for _ in range(2):
            send_all(self.pids(), signal.SIGSTOP)

    def stop(self):
        command = as_postgres(f"{binaries()}/pg_ctl", "-D", self.folder, "-m", "fast", "-s", "-w", "stop")
        subprocess.run(command, check=True)
        self.process.wait()

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def _run(self, program, *arguments):
        subprocess.run(as_postgres(f"{binaries()}/{program}", *arguments), check=True, capture_output=True)
