"""Two PostgreSQL nodes with streaming replication. The drill does what an operator does: it promotes the standby."""

import time

from postgres import DATABASE, Node
from relay import Relay

EVENTS = ("switchover", "crash", "freeze")


class PlainCluster:
    def __init__(self, folder, synchronous):
        self.primary, self.standby = Node(folder, "node-1"), Node(folder, "node-2")
        self.synchronous = synchronous
        self.relay = None

    def start(self):
        self.primary.initialize()
        self.primary.start()
        self.primary.query(f"CREATE DATABASE {DATABASE}")
        self.standby.copy_from(self.primary)
        # After its promotion, the node has no standby for which commits could wait.
        self.standby.start(synchronous_standby_names="")
        if self.synchronous:
            self.primary.query("ALTER SYSTEM SET synchronous_standby_names = '*'")
            self.primary.query("SELECT pg_reload_conf()")
            while self.primary.query("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'") != "1":
                time.sleep(0.05)
        self.relay = Relay(self.primary.port)

    def url(self, by_hosts):
        if not by_hosts:
            return f"postgresql://postgres@127.0.0.1:{self.relay.port}/{DATABASE}"
        hosts = ",".join(f"127.0.0.1:{node.port}" for node in (self.primary, self.standby))
        return f"postgresql://postgres@{hosts}/{DATABASE}?target_session_attrs=read-write"

    def read_url(self):
        return f"postgresql://postgres@127.0.0.1:{self.standby.port}/{DATABASE}"

    def begin(self, event):
        """Takes the primary away and promotes the standby."""
        if not self.synchronous:
            # The standby lags, as over a slow network.
            self.standby.query("ALTER SYSTEM SET primary_conninfo = ''")
            self.standby.query("SELECT pg_reload_conf()")
            time.sleep(0.5)
        {"switchover": self.primary.stop, "crash": self.primary.kill, "freeze": self.primary.freeze}[event]()
        self.standby.query("SELECT pg_promote(wait => true)")
        self.relay.move_to(self.standby.port)

    def recover(self, event):
        """Does nothing: an operator keeps the old primary stopped."""

    def logs(self):
        return [self.standby.log]

    def stop(self):
        for node in (self.standby, self.primary):
            if node.is_running():
                node.kill()
