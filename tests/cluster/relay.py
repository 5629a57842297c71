"""The address of the primary: forwards TCP connections to one node, as a virtual IP address does."""

import socket
import threading


class Relay:
    def __init__(self, target):
        self.target = target
        self.open = set()
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def move_to(self, target):
        """Closes all connections and forwards new ones to another port."""
        with self.lock:
            self.target = target
            for connection in self.open:
                connection.shutdown(socket.SHUT_RDWR)

    def _accept(self):
        while True:
            client, _ = self.listener.accept()
            with self.lock:
                try:
                    server = socket.create_connection(("127.0.0.1", self.target), timeout=2)
                except OSError:
                    client.close()
                    continue
                server.settimeout(None)
                self.open |= {client, server}
            for pair in ((client, server), (server, client)):
                threading.Thread(target=self._forward, args=pair, daemon=True).start()

    def _forward(self, source, target):
        try:
            while data := source.recv(1 << 16):
                target.sendall(data)
        except OSError:
            pass
        with self.lock:
            for connection in {source, target} & self.open:
                self.open.discard(connection)
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
                connection.close()
