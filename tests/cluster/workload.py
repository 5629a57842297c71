"""Clients that write and read, and a record of every result."""

import http.client
import json
import threading
import time
import uuid
from dataclasses import dataclass, field

# A request takes longer only if the instance is lost.
TIMEOUT = 30
# A client gives up if a request that it repeats has not succeeded in this time.
PATIENCE = 90
# Pause after a failed request, so that clients do not spend the time of the machine.
PAUSE = 0.05
# The product that all clients sell. Each client also has a product of its own.
HOT_PRODUCT = 1


@dataclass(frozen=True)
class Change:
    """An acknowledged change. Times are Unix times in seconds."""

    product: int
    version: str
    started: float
    acknowledged: float


@dataclass
class Record:
    """What a client has sent and received."""

    changes: list = field(default_factory=list)
    reads: list = field(default_factory=list)
    created: dict = field(default_factory=dict)
    repeated_ids: int = 0
    unknown_outcomes: int = 0
    hot_acknowledged: int = 0
    hot_unknown: int = 0
    own_product: int = 0
    own_amount: int = 0
    stale_reads: int = 0
    wrong_amounts: int = 0
    unexpected: list = field(default_factory=list)


class Client(threading.Thread):
    """A client of one instance. It stops after `stop` is set and its last request has succeeded."""

    def __init__(self, number, port, stop):
        super().__init__(name=f"client {number}", daemon=True)
        self.number, self.port, self.stop_event = number, port, stop
        self.record = Record()
        self.connection = None
        # Position that reads from a standby must have reached, if instances report one.
        self.read_after = None

    def run(self):
        try:
            self.record.own_product = self._until_success(self._create_own)
            while not self.stop_event.is_set():
                self.create()
                self._sell_hot_product()
                self._count_once()
                self._read_own()
        except Exception as error:  # A defect of the drill must not look like a success.
            self.record.unexpected.append(f"{type(error).__name__}: {error}")

    def _create_own(self):
        return self.create(amount=0)

    def create(self, amount=1):
        """Creates a product without an idempotency key. Returns its id, or None if the outcome is unknown."""
        name = f"{self.number} {len(self.record.created)}"
        response = self._write("POST", "/products", {"name": name, "price": 1.5, "amount": amount})
        if response is None:
            self.record.unknown_outcomes += 1
            return None
        self.record.repeated_ids += response["id"] in self.record.created
        self.record.created[response["id"]] = name
        return response["id"]

    def _sell_hot_product(self):
        """Adjusts the product of all clients without an idempotency key."""
        if self._write("POST", f"/products/{HOT_PRODUCT}/stock", {"delta": 1}) is None:
            self.record.hot_unknown += 1
        else:
            self.record.hot_acknowledged += 1

    def _count_once(self):
        """Adjusts the client's own product, and repeats the request with its key until it succeeds."""
        key = str(uuid.uuid4())
        path = f"/products/{self.record.own_product}/stock"
        response = self._until_success(lambda: self._write("POST", path, {"delta": 1}, key))
        self.record.own_amount += 1
        self.record.wrong_amounts += response["amount"] != self.record.own_amount

    def _read_own(self):
        """Reads the client's own product, which no other client changes."""
        status, _, product = self._request("GET", f"/products/{self.record.own_product}")
        if status != 200:
            self._failed(status, product)
            return
        self.record.reads.append(time.time())
        self.record.stale_reads += product["amount"] < self.record.own_amount
        self.record.wrong_amounts += product["amount"] > self.record.own_amount

    def _until_success(self, attempt):
        end = time.monotonic() + PATIENCE
        while (result := attempt()) is None:
            if time.monotonic() > end:
                raise TimeoutError(f"no request succeeded within {PATIENCE} s")
        return result

    def _write(self, method, path, body, key=None):
        """Returns the product, or None if the outcome is unknown."""
        started = time.time()
        status, version, product = self._request(method, path, body, key)
        if status not in (200, 201):
            self._failed(status, product)
            return None
        self.record.changes.append(Change(product["id"], version, started, time.time()))
        return product

    def _failed(self, status, body):
        # While a request with the same key is running, the server rejects its repetition.
        if status not in (0, 503) and (status, body.get("code")) != (409, "IDEMPOTENCY_KEY_IN_USE"):
            raise RuntimeError(f"status {status}: {body}")
        time.sleep(PAUSE)

    def _request(self, method, path, body=None, key=None):
        """Returns status, version and body. The status is 0 if the connection was lost."""
        headers = {"Content-Type": "application/json"} | ({"Idempotency-Key": key} if key else {})
        if method == "GET" and self.read_after:
            headers["X-Read-After"] = self.read_after
        try:
            if self.connection is None:
                self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT)
            self.connection.request(method, path, json.dumps(body) if body else None, headers)
            response = self.connection.getresponse()
            text = response.read()
            self.read_after = response.getheader("X-Read-After", self.read_after)
            return response.status, (response.getheader("ETag") or "").strip('"'), json.loads(text)
        except (OSError, http.client.HTTPException):
            self.connection.close()
            self.connection = None
            return 0, "", {}


def get(port, path):
    """Returns the JSON body of a successful response."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)
    connection.request("GET", path)
    response = connection.getresponse()
    if response.status != 200:
        raise RuntimeError(f"GET {path}: status {response.status}: {response.read()[:200]}")
    return json.loads(response.read())
