#!/usr/bin/env python3
"""Random calendar events and what calendar_model.py makes of them, the same ones on each run.

Usage: calendar_events.py COUNT    prints lines "zone TAB after TAB expected TAB event"; expected is epoch seconds,
"never" or "refused"; each event comes once for each zone
"""
import os
import random
import sys
import time

import calendar_model as model

ZONES = ["UTC", "Europe/Vienna", "America/New_York", "Australia/Lord_Howe"]
FIRST, LAST = 1704067200, 1861920000  # 2024 to 2028
HOUR = 3600

rnd = random.Random(20261126)


def number(low, high):
    text = str(rnd.randint(low, high))
    return text.zfill(2) if rnd.random() < 0.5 else text


def item(low, high):
    kind = rnd.random()
    if kind < 0.5:
        return number(low, high)
    if kind < 0.65:
        return number(low, high) + "/" + number(0, max(high - low, 1))
    a, b = sorted((rnd.randint(low, high), rnd.randint(low, high)))
    if rnd.random() < 0.03:
        a, b = b, a
    return f"{a}..{b}" + ("/" + number(0, 9) if kind < 0.75 else "")


def field(low, high, star):
    kind = rnd.random()
    if kind < star:
        return "*"
    if kind < star + 0.15:
        return "*/" + number(0, max(2, (high - low) // 2))
    return ",".join(item(low, high) for _ in range(rnd.choice((1, 1, 1, 2, 3))))


def weekdays():
    def day():
        i = rnd.randrange(7)
        name = (model.DAYS if rnd.random() < 0.8 else model.FULL)[i]
        return rnd.choice((name, name.capitalize(), name.upper()))
    return ",".join(day() + (".." + day() if rnd.random() < 0.4 else "") for _ in range(rnd.choice((1, 1, 2, 3))))


def date():
    year = field(2023, 2031, 0.6) + "-" if rnd.random() < 0.6 else ""
    return year + field(1, 12, 0.5) + "-" + field(1, 31, 0.3)


def hours():
    # the hours in which clocks are changed, more often than others
    return field(0, 23, 0.2) if rnd.random() < 0.5 else rnd.choice(("1", "2", "02", "3", "1..3", "0,2", "*/2"))


def clock():
    text = field(0, 59, 0.2)
    if rnd.random() < 0.7:
        text = hours() + ":" + text
    if rnd.random() < 0.25:
        text += ":" + field(0, 59, 0.2)
    return text


def mutate(text):
    for _ in range(rnd.choice((1, 1, 2))):
        i = rnd.randrange(len(text) + 1)
        c = rnd.choice("0123456789*/.,-: \tUTCmontuewdfrisa~+x")
        text = rnd.choice((text[:i] + c + text[i:], text[:i] + c + text[i + 1:], text[:i] + text[i + 1:]))
    return text


def event():
    if rnd.random() < 0.04:
        text = rnd.choice(list(model.KEY))
    else:
        parts = [make() for make, share in ((weekdays, 0.4), (date, 0.4), (clock, 0.8)) if rnd.random() < share]
        text = rnd.choice((" ", " ", " ", "  ", "\t", "")).join(parts)
    if rnd.random() < 0.1:
        text += rnd.choice((" ", "", "  ")) + "UTC"
    if rnd.random() < 0.25:
        text = mutate(text)
    return text


def set_zone(zone):
    os.environ["TZ"] = zone
    time.tzset()


def changes(zone):
    """The hours in which the zone changes its clocks."""
    set_zone(zone)
    at = range(FIRST, LAST, HOUR)
    return [t for t in at if time.localtime(t).tm_gmtoff != time.localtime(t + HOUR).tm_gmtoff] or [FIRST]


def after(zone_changes):
    if rnd.random() < 0.5:
        return rnd.randint(FIRST, LAST)
    near = rnd.choice((HOUR, 3 * HOUR, 30 * HOUR))
    t = rnd.choice(zone_changes) + rnd.randint(-near, near)
    return t - t % rnd.choice((1, 60, 900))


def expected(text, last):
    # mktime() takes a reading that is ambiguous for that of the offset of its last call; let that be the one
    # that holds at `last`, and no other event's
    time.mktime(time.localtime(last + 1))
    try:
        found = model.next_event(text, last)
    except model.Bad:
        return "refused"
    return "never" if found is None else found


def main():
    events = [event()[:128] for _ in range(int(sys.argv[1]))]
    for zone in ZONES:
        zone_changes = changes(zone)
        set_zone(zone)
        for text in events:
            last = after(zone_changes)
            print(zone, last, expected(text, last), text, sep="\t")


main()
