"""The rules of a drill, applied to what clients and subscribers have recorded."""

from dataclasses import dataclass, field

from workload import HOT_PRODUCT

# Maximum time from the promotion of a standby to the first write that succeeds, in seconds.
PROMOTION_LIMIT = 5.0


@dataclass
class Outcome:
    """Everything that a drill knows at its end. `stored` has the products by id, read after the drill."""

    records: list
    subscribers: list
    stored: dict
    promoted_at: float | None
    # The moments between which gaps are measured.
    started: float
    ended: float
    unexpected: list = field(default_factory=list)


def longest_gap(times, started, ended):
    """Returns the longest time without a success."""
    moments = [started, *sorted(moment for moment in times if started <= moment <= ended), ended]
    return max(later - earlier for earlier, later in zip(moments, moments[1:]))


def lost_changes(outcome):
    """Returns the number of acknowledged changes that are not stored."""
    lost = 0
    for record in outcome.records:
        for product, name in record.created.items():
            lost += outcome.stored.get(product, {}).get("name") != name
        own = outcome.stored.get(record.own_product, {}).get("amount", 0)
        lost += max(record.own_amount - own, 0)
    acknowledged = sum(record.hot_acknowledged for record in outcome.records)
    return lost + max(acknowledged - outcome.stored.get(HOT_PRODUCT, {}).get("amount", 0), 0)


def doubled_changes(outcome):
    """Returns the number of changes that are stored, but that no client has sent."""
    doubled = sum(
        max(outcome.stored.get(record.own_product, {}).get("amount", 0) - record.own_amount, 0)
        for record in outcome.records
    )
    sent = sum(record.hot_acknowledged + record.hot_unknown for record in outcome.records)
    return doubled + max(outcome.stored.get(HOT_PRODUCT, {}).get("amount", 0) - sent, 0)


def repeated_ids(outcome):
    """Returns the number of ids that two creates got."""
    ids = [product for record in outcome.records for product in record.created]
    return len(ids) - len(set(ids)) + sum(record.repeated_ids for record in outcome.records)


def missed_events(outcome):
    """Returns the number of changes that a subscriber neither saw nor was asked to read again by a later resync."""
    changes = [change for record in outcome.records for change in record.changes]
    return sum(
        change.started > max(subscriber.resyncs, default=0) and (change.product, change.version) not in subscriber.seen
        for subscriber in outcome.subscribers
        for change in changes
    )


def first_write_after_promotion(outcome):
    """Returns the seconds from the promotion to the first acknowledged change, or None."""
    if outcome.promoted_at is None:
        return None
    times = [change.acknowledged for record in outcome.records for change in record.changes]
    after = [moment - outcome.promoted_at for moment in times if moment >= outcome.promoted_at]
    return min(after, default=None)


def report(outcome):
    """Returns the figures of the drill, and the rules that are broken."""
    total = lambda name: sum(getattr(record, name) for record in outcome.records)
    changes = [change.acknowledged for record in outcome.records for change in record.changes]
    reads = [moment for record in outcome.records for moment in record.reads]
    unexpected = outcome.unexpected + [text for record in outcome.records for text in record.unexpected]
    first_write = first_write_after_promotion(outcome)
    figures = {
        "operations": len(changes) + len(reads) + total("unknown_outcomes") + total("hot_unknown"),
        "acknowledged changes": len(changes),
        "unknown outcomes": total("unknown_outcomes") + total("hot_unknown"),
        "lost changes": lost_changes(outcome),
        "doubled changes": doubled_changes(outcome) + total("wrong_amounts"),
        "repeated ids": repeated_ids(outcome),
        "stale reads": total("stale_reads"),
        "missed events": missed_events(outcome),
        "resyncs": sum(len(subscriber.resyncs) - 1 for subscriber in outcome.subscribers),
        "unexpected responses": len(unexpected),
        "longest gap of reads, s": round(longest_gap(reads, outcome.started, outcome.ended), 2),
        "longest gap of changes, s": round(longest_gap(changes, outcome.started, outcome.ended), 2),
        "promotion to first change, s": None if first_write is None else round(first_write, 2),
    }
    zero = ["lost changes", "doubled changes", "repeated ids", "stale reads", "missed events", "unexpected responses"]
    broken = [f"{name}: {figures[name]}, must be 0" for name in zero if figures[name]]
    if not changes or not reads:
        broken.append("no client succeeded")
    if first_write is None:
        broken.append("no standby was promoted, or no change succeeded afterwards")
    elif first_write > PROMOTION_LIMIT:
        broken.append(f"promotion to first change: {first_write:.2f} s, must be at most {PROMOTION_LIMIT:.0f} s")
    if any(len(subscriber.resyncs) == 0 for subscriber in outcome.subscribers):
        broken.append("a subscriber never got a cursor")
    return figures, broken, unexpected
