"""Three nodes under Patroni, each with a member of etcd in its own network namespace, and HAProxy before them.

The settings of Patroni and HAProxy are those of deploy/cluster, so that a drill tries what is deployed.
"""

import json
import os
import shutil
import signal
import subprocess
import time
import urllib.request

from postgres import DATABASE, as_postgres, binaries, free_port, send_all

NETWORK = "10.213.7"
PREFIX = "smdrill"
NODES = (1, 2, 3)
# Maximum time until the cluster is complete, in seconds.
PATIENCE = 120

PATRONI = {
    "scope": "drill",
    "etcd": {"hosts": [f"{NETWORK}.{node}:2379" for node in NODES]},
    "bootstrap": {
        "dcs": {
            "ttl": 20,
            "loop_wait": 2,
            "retry_timeout": 5,
            "synchronous_mode": True,
            "postgresql": {"use_pg_rewind": True, "parameters": {"max_connections": 200}},
        },
        "initdb": [{"encoding": "UTF8"}, {"locale": "C.UTF-8"}],
    },
    "postgresql": {
        "authentication": {"superuser": {"username": "postgres"}, "replication": {"username": "replicator"}},
        "pg_hba": ["local all all trust", f"host all all {NETWORK}.0/24 trust", f"host replication all {NETWORK}.0/24 trust"],
        "parameters": {"log_line_prefix": "%n ", "fsync": "off"},
    },
}

HAPROXY = """
defaults
    mode tcp
    timeout connect 2s
    timeout client 1h
    timeout server 1h
    timeout check 1s
    option httpchk
    default-server inter 1s fall 2 rise 1 on-marked-down shutdown-sessions
listen write
    bind 127.0.0.1:{write}
    http-check send meth OPTIONS uri /primary
{servers}
listen read
    bind 127.0.0.1:{read}
    http-check send meth OPTIONS uri /replica
{servers}
"""


def check_requirements():
    missing = [name for name in ("patroni", "etcd", "haproxy", "ip") if not shutil.which(name)]
    if missing or os.geteuid() != 0:
        found = f"missing are {', '.join(missing)}" if missing else "it does not run as root"
        raise SystemExit(f"error: {found}: run as root: apt-get install patroni etcd-server haproxy iproute2")


def run(*command):
    subprocess.run(command, check=True, capture_output=True)


class PatroniCluster:
    def __init__(self, folder, synchronous):
        self.folder, self.synchronous = folder, synchronous
        self.write_port, self.read_port = free_port(), free_port()
        self.processes = []
        self.old_primary = None

    def start(self):
        run("ip", "link", "add", PREFIX, "type", "bridge")
        run("ip", "address", "add", f"{NETWORK}.254/24", "dev", PREFIX)
        run("ip", "link", "set", PREFIX, "up")
        for node in NODES:
            self._create_namespace(node)
            self._start_etcd(node)
        for node in NODES:
            self._start_patroni(node)
        self._start_haproxy()
        self._wait_until_complete()
        run("psql", "-h", f"{NETWORK}.{self.primary()}", "-U", "postgres", "-qc", f"CREATE DATABASE {DATABASE}")

    def url(self, by_hosts):
        if not by_hosts:
            return f"postgresql://postgres@127.0.0.1:{self.write_port}/{DATABASE}"
        hosts = ",".join(f"{NETWORK}.{node}:5432" for node in NODES)
        return f"postgresql://postgres@{hosts}/{DATABASE}?target_session_attrs=read-write"

    def read_url(self):
        return f"postgresql://postgres@127.0.0.1:{self.read_port}/{DATABASE}"

    def logs(self):
        return [self._path(f"node-{node}.log") for node in NODES]

    def begin(self, event):
        """Takes the primary away, or asks Patroni to."""
        self.old_primary = node = self.primary()
        if event == "switchover":
            body = json.dumps({"leader": f"node-{node}"}).encode()
            urllib.request.urlopen(f"http://{NETWORK}.{node}:8008/switchover", body, timeout=60).read()
        elif event == "crash":
            send_all(self._pids(node), signal.SIGKILL)
        elif event == "cut":
            self._lead_etcd(node)
            run("ip", "link", "set", f"{PREFIX}-{node}", "down")
        elif event == "freeze":
            # Twice, because a process may have started meanwhile.
            for _ in range(2):
                send_all(self._pids(node), signal.SIGSTOP)

    def recover(self, event):
        """Brings the old primary back and waits until it follows the new one, while the clients go on."""
        node = self.old_primary
        if event == "crash":
            self._start_etcd(node, "existing")
            self._start_patroni(node)
        elif event == "cut":
            run("ip", "link", "set", f"{PREFIX}-{node}", "up")
        elif event == "freeze":
            send_all(self._pids(node), signal.SIGCONT)
            # The old primary may still believe to be one. Clients must not notice.
            time.sleep(5)
        self._wait_until_complete()

    def primary(self):
        """Returns the number of the primary, or None."""
        leaders = [member["name"] for member in self._members() if member["role"] == "leader"]
        return int(leaders[0].split("-")[1]) if leaders else None

    def stop(self):
        for node in NODES:
            send_all(self._pids(node), signal.SIGKILL)
        for process in self.processes:
            process.kill()
            process.wait()
        for node in NODES:
            subprocess.run(["ip", "netns", "delete", f"{PREFIX}-{node}"], capture_output=True)
        subprocess.run(["ip", "link", "delete", PREFIX], capture_output=True)

    def _create_namespace(self, node):
        name = f"{PREFIX}-{node}"
        inside = ("ip", "-n", name)
        run("ip", "netns", "add", name)
        run("ip", "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", name)
        run("ip", "link", "set", name, "master", PREFIX, "up")
        run(*inside, "address", "add", f"{NETWORK}.{node}/24", "dev", "eth0")
        run(*inside, "link", "set", "eth0", "up")
        run(*inside, "link", "set", "lo", "up")

    def _start_etcd(self, node, state="new"):
        url = lambda number, port: f"http://{NETWORK}.{number}:{port}"
        members = ",".join(f"node-{number}={url(number, 2380)}" for number in NODES)
        self._start_inside(node, f"etcd-{node}.log", "etcd", "--name", f"node-{node}",
            "--data-dir", self._path(f"etcd-{node}"), "--initial-cluster", members, "--initial-cluster-state", state,
            "--listen-peer-urls", url(node, 2380), "--initial-advertise-peer-urls", url(node, 2380),
            "--listen-client-urls", url(node, 2379), "--advertise-client-urls", url(node, 2379), "--enable-v2=true")

    def _lead_etcd(self, node):
        """Makes the node's member lead etcd, so that a cut also takes the leader from etcd."""
        call = lambda number, name, body: json.load(urllib.request.urlopen(
            f"http://{NETWORK}.{number}:2379/v3/maintenance/{name}", json.dumps(body).encode(), timeout=5))
        status = {number: call(number, "status", {}) for number in NODES}
        target = status[node]["header"]["member_id"]
        leader = next(number for number in NODES if status[number]["header"]["member_id"] == status[number]["leader"])
        if leader != node:
            call(leader, "transfer-leadership", {"targetID": target})

    def _start_patroni(self, node):
        config = json.loads(json.dumps(PATRONI)) | {"name": f"node-{node}"}
        address = f"{NETWORK}.{node}"
        config["restapi"] = {"listen": f"{address}:8008", "connect_address": f"{address}:8008"}
        config["bootstrap"]["dcs"]["synchronous_mode"] = self.synchronous
        config["postgresql"] |= {
            "listen": f"{address}:5432",
            "connect_address": f"{address}:5432",
            "data_dir": self._path(f"node-{node}"),
            "bin_dir": binaries(),
            "pgpass": self._path(f"pgpass-{node}"),
        }
        config["postgresql"]["parameters"]["unix_socket_directories"] = ""
        # JSON is YAML, too.
        file = self._path(f"patroni-{node}.yml")
        with open(file, "w") as text:
            json.dump(config, text)
        self._start_inside(node, f"node-{node}.log", "patroni", file)

    def _start_haproxy(self):
        servers = "\n".join(f"    server node-{node} {NETWORK}.{node}:5432 check port 8008" for node in NODES)
        file = self._path("haproxy.cfg")
        with open(file, "w") as text:
            text.write(HAPROXY.format(write=self.write_port, read=self.read_port, servers=servers))
        self._start("haproxy.log", "haproxy", "-db", "-f", file)

    def _start_inside(self, node, log, *command):
        self._start(log, "ip", "netns", "exec", f"{PREFIX}-{node}", *as_postgres(*command))

    def _start(self, log, *command):
        with open(self._path(log), "a") as file:
            self.processes.append(subprocess.Popen(command, stdout=file, stderr=file, cwd="/"))

    def _wait_until_complete(self):
        """Waits until one node is the primary, all others follow it, and one of these is a synchronous standby."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            members = self._members()
            roles = [member["role"] for member in members if member["state"] in ("running", "streaming")]
            timelines = {member.get("timeline") for member in members}
            is_protected = "sync_standby" in roles or not self.synchronous
            if len(roles) == len(NODES) and "leader" in roles and len(timelines) == 1 and is_protected:
                return
            time.sleep(0.2)
        raise TimeoutError(f"the cluster is not complete: {self._members()}")

    def _members(self):
        for node in NODES:
            try:
                with urllib.request.urlopen(f"http://{NETWORK}.{node}:8008/cluster", timeout=1) as response:
                    return json.load(response)["members"]
            except (OSError, ValueError, KeyError):
                continue
        return []

    def _pids(self, node):
        found = subprocess.run(["ip", "netns", "pids", f"{PREFIX}-{node}"], capture_output=True, text=True)
        return [int(pid) for pid in found.stdout.split()]

    def _path(self, name):
        return os.path.join(self.folder, name)
