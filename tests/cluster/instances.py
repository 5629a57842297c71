"""Instances of the server."""

import os
import subprocess
import time

from postgres import free_port

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def binary():
    """Returns the newest build, or the program that the variable STOCKMETER names."""
    builds = [os.path.join(ROOT, "target", profile, "stockmeter") for profile in ("dist", "release", "debug")]
    found = [os.environ["STOCKMETER"]] if "STOCKMETER" in os.environ else list(filter(os.path.exists, builds))
    if not found:
        raise SystemExit("error: no build of the server: run `cargo build`, or set STOCKMETER to a binary")
    return max(found, key=os.path.getmtime)


class Instance:
    def __init__(self, folder, number, database_url, read_url=None):
        self.port = free_port()
        self.log = os.path.join(folder, f"instance-{number}.log")
        environment = {
            "DATABASE_URL": database_url,
            "STOCKMETER_LISTEN": f"127.0.0.1:{self.port}",
            "STOCKMETER_ACCESS_LOG": "false",
            "TOKIO_WORKER_THREADS": "1",
            # Without a proxy, nothing else ends the statements of a frozen primary.
            "STOCKMETER_DATABASE_STATEMENT_TIMEOUT": "3s",
        }
        if read_url:
            environment["DATABASE_READ_URL"] = read_url
        with open(self.log, "w") as log:
            self.process = subprocess.Popen([binary()], env=environment, cwd=folder, stdout=log, stderr=log)

    def wait(self):
        while "listening on" not in open(self.log).read():
            if self.process.poll() is not None:
                raise RuntimeError(f"the server does not start: {open(self.log).read()[-1000:]}")
            time.sleep(0.05)

    def stop(self):
        self.process.kill()
        self.process.wait()
