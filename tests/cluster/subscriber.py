"""A subscriber of `GET /products/changes` of one instance, which reconnects at its last cursor."""

import http.client
import json
import threading
import time

# Instances send a comment more often than this, so that a silent connection is a lost one.
TIMEOUT = 40
PAUSE = 0.1


class Subscriber(threading.Thread):
    def __init__(self, port):
        super().__init__(daemon=True)
        self.port = port
        self.stopped = False
        # An invalid cursor starts with a resync, which gives the subscriber its first cursor.
        self.cursor = "none"
        self.seen = set()
        self.resyncs = []
        self.connections = 0

    def run(self):
        while not self.stopped:
            try:
                self._follow()
            except (OSError, http.client.HTTPException):
                pass
            time.sleep(PAUSE)

    def stop(self):
        self.stopped = True

    def _follow(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT)
        connection.request("GET", "/products/changes", headers={"Last-Event-ID": self.cursor})
        response = connection.getresponse()
        if response.status != 200:
            return
        self.connections += 1
        kind = data = ""
        for line in response:
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if name == "event":
                kind = value
            elif name == "data":
                data = value
            elif name == "id":
                self.cursor = value
            elif not name and kind:
                self._receive(kind, data)
                kind = data = ""
            if self.stopped:
                break
        connection.close()

    def _receive(self, kind, data):
        if kind == "resync":
            self.resyncs.append(time.time())
            return
        change = json.loads(data)
        self.seen.add((change["id"], change["version"]))
