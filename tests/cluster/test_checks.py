"""Each rule of a drill must be able to break: python3 -m unittest discover tests/cluster"""

import unittest
from types import SimpleNamespace

from checks import Outcome, report
from workload import Change, Record


def outcome():
    """Returns the outcome of a short drill that breaks no rule."""
    record = Record(own_product=2, own_amount=1, hot_acknowledged=1, hot_unknown=1, created={2: "own", 3: "x"})
    record.changes = [Change(2, "b", 12, 12.1), Change(1, "c", 13, 13.1), Change(3, "a", 14, 14.1)]
    record.reads = [12.5]
    stored = {1: {"amount": 2}, 2: {"name": "own", "amount": 1}, 3: {"name": "x", "amount": 1}}
    subscriber = SimpleNamespace(resyncs=[10, 13.5], seen={(3, "a")})
    return Outcome([record], [subscriber], stored, promoted_at=12.6, started=10, ended=15)


class Rules(unittest.TestCase):
    def broken(self, change):
        result = outcome()
        change(result, result.records[0])
        return report(result)[1]

    def assert_breaks(self, text, change):
        broken = self.broken(change)
        self.assertEqual(len(broken), 1, broken)
        self.assertIn(text, broken[0])

    def test_a_good_drill_breaks_no_rule(self):
        self.assertEqual(self.broken(lambda outcome, record: None), [])
        figures = report(outcome())[0]
        self.assertEqual(figures["promotion to first change, s"], 0.5)
        self.assertEqual(figures["longest gap of changes, s"], 2.1)
        self.assertEqual(figures["resyncs"], 1)

    def test_losses(self):
        self.assert_breaks("lost changes: 1", lambda outcome, record: outcome.stored.pop(3))
        self.assert_breaks("lost changes: 1", lambda outcome, record: outcome.stored[3].update(name="y"))
        self.assert_breaks("lost changes: 1", lambda outcome, record: outcome.stored[2].update(amount=0))
        self.assert_breaks("lost changes: 1", lambda outcome, record: outcome.stored[1].update(amount=0))

    def test_doubled_changes(self):
        self.assert_breaks("doubled changes: 1", lambda outcome, record: outcome.stored[2].update(amount=2))
        self.assert_breaks("doubled changes: 1", lambda outcome, record: outcome.stored[1].update(amount=3))
        self.assert_breaks("doubled changes: 1", lambda outcome, record: setattr(record, "wrong_amounts", 1))

    def test_repeated_ids(self):
        other = Record(own_product=2, own_amount=1, created={3: "x"})
        self.assert_breaks("repeated ids: 1", lambda outcome, record: outcome.records.append(other))
        self.assert_breaks("repeated ids: 1", lambda outcome, record: setattr(record, "repeated_ids", 1))

    def test_stale_reads(self):
        self.assert_breaks("stale reads: 1", lambda outcome, record: setattr(record, "stale_reads", 1))

    def test_missed_events(self):
        self.assert_breaks("missed events: 1", lambda outcome, record: outcome.subscribers[0].seen.clear())
        self.assert_breaks("missed events: 2", lambda outcome, record: outcome.subscribers[0].resyncs.pop())
        self.assert_breaks("never got", lambda outcome, record: outcome.subscribers.append(
            SimpleNamespace(resyncs=[], seen={(2, "b"), (1, "c"), (3, "a")})))

    def test_promotion(self):
        self.assert_breaks("no standby", lambda outcome, record: setattr(outcome, "promoted_at", None))
        self.assert_breaks("no standby", lambda outcome, record: setattr(outcome, "promoted_at", 20))
        self.assert_breaks("must be at most", lambda outcome, record: setattr(outcome, "promoted_at", 6))

    def test_unexpected_responses(self):
        self.assert_breaks("unexpected", lambda outcome, record: record.unexpected.append("status 500"))
        self.assert_breaks("no client", lambda outcome, record: record.reads.clear())
