#!/usr/bin/env python3
"""A second, plain reading of PVE's calendar events, to check the first one against, event by event.

Usage: calendar_model.py EVENT LAST [TZ]    prints the next event after LAST (epoch seconds), None if there is none;
exit 1: EVENT is refused
"""
import os, re, sys, time
DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
FULL = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
KEY = {"minutely": "*-*-* *:*:00", "hourly": "*-*-* *:00:00", "daily": "*-*-* 00:00:00", "weekly": "mon *-*-* 00:00:00", "monthly": "*-*-01 00:00:00",
       "yearly": "*-01-01 00:00:00", "annually": "*-01-01 00:00:00", "quarterly": "*-01,04,07,10-01 00:00:00", "semiannually": "*-01,07-01 00:00:00", "semi-annually": "*-01,07-01 00:00:00"}
class Bad(Exception): pass
def num(s, lim):
    m = re.match(r"\d+", s)
    if not m or int(m[0]) >= lim: raise Bad(f"value at '{s}'")
    return int(m[0]), s[m.end():]
def comp(s, lim):
    a, s = num(s, lim)
    end = rep = None
    if s.startswith(".."):
        end, s = num(s[2:], lim)
        if a > end: raise Bad("range")
    if s.startswith("/"): rep, s = num(s[1:], lim)
    return (a, end, rep), s
def lst(s, start, lim):
    if s.startswith("*"):
        if s.startswith("*/"):
            r, rest = num(s[2:], lim)
            if r > 0: return [(start, None, r)], rest
        return [], s[1:]
    out = []
    while True:
        c, s = comp(s, lim); out.append(c)
        if not s.startswith(","): return out, s
        try: comp(s[1:], lim)
        except Bad: return out, s
        s = s[1:]
def wday(s):
    m = re.match(r"[A-Za-z]+", s)
    w = m[0].lower() if m else ""
    for i in range(7):
        if w in (DAYS[i], FULL[i]): return i, s[m.end():]
    raise Bad("weekday " + s)
def parse(ev):
    ev = ev.strip()
    if not ev: raise Bad("empty")
    utc = ev.endswith("UTC")
    s = ev[:-3].rstrip(" ") if utc else ev
    s = KEY.get(s, s)
    days = set(); Y = M = D = (); seen = False
    if s[:1].isalpha():
        while True:
            a, s = wday(s); b = a
            if s.startswith(".."): b, s = wday(s[2:])
            days |= {(a + i) % 7 for i in range((b - a) % 7 + 1)}
            if not s.startswith(","): break
            s = s[1:]
        seen = True; s = s.lstrip(" \t")
    def date(s, with_year):
        y = []
        if with_year:
            y, s = lst(s, 0, 2200)
            if not s.startswith("-"): raise Bad("-")
            s = s[1:]
        m, s = lst(s, 1, 13)
        if not s.startswith("-"): raise Bad("-")
        d, s = lst(s[1:], 1, 32)
        return y, m, d, s
    for wy in (True, False):
        try:
            Y, M, D, s = date(s, wy); s = s.lstrip(" \t"); seen = True; break
        except Bad: pass
    h = mi = se = [(0, None, None)]
    try:
        t = s; h2 = []
        try:
            h2, u = lst(t, 0, 24)
            if not u.startswith(":"): raise Bad(":")
            t = u[1:]
        except Bad: h2 = []; t = s
        m2, t = lst(t, 0, 60); s2 = [(0, None, None)]
        if t.startswith(":"):
            try: s2, t = lst(t[1:], 0, 60)
            except Bad: pass
        h, mi, se, s, seen = h2, m2, s2, t, True
    except Bad: pass
    if not seen: raise Bad("nothing")
    if s: raise Bad(f"rest '{s}'")
    return utc, days, list(Y), list(M), list(D), h, mi, se
def has(l, v): return any(v >= a and (v == a if e is None and r is None else (e is None or v <= e) and (r is None or ((v - a) % r == 0 if r else v == a))) for a, e, r in l)
def nxt(l, v):
    c = []
    for a, e, r in l:
        if v < a: c.append(a)
        elif r is not None:
            if r > 0:
                n = a + ((v - a + r) // r) * r
                if e is None or n <= e: c.append(n)
        elif e is not None and v + 1 <= e: c.append(v + 1)
    return min(c) if c else None
import calendar
def next_event(ev, last):
    utc, days, Y, M, D, h, mi, se = parse(ev)
    brk = time.gmtime if utc else time.localtime
    def norm(y, mo, d, hh, mm, ss):   # what mktime()/timegm() with tm_isdst = -1 make of it
        y += (mo - 1) // 12; mo = (mo - 1) % 12 + 1
        if utc: return list(time.gmtime(calendar.timegm((y, mo, 1, 0, 0, 0)) + (d - 1) * 86400 + hh * 3600 + mm * 60 + ss))
        return list(time.localtime(time.mktime((y, mo, d, hh, mm, ss, 0, 0, -1))))
    t = list(brk(last + 1))
    for _ in range(1001):
        y, mo, d, hh, mm, ss, wd = t[:7]
        if Y and not has(Y, y):
            n = nxt(Y, y)
            if n is None: return None
            t = norm(n, 1, 1, 0, 0, 0); continue
        if M and not has(M, mo):
            n = nxt(M, mo); t = norm(y, n, 1, 0, 0, 0) if n is not None else norm(y + 1, 1, 1, 0, 0, 0); continue
        if D and not has(D, d):
            n = nxt(D, d); t = norm(y, mo, n, 0, 0, 0) if n is not None else norm(y, mo + 1, 1, 0, 0, 0); continue
        if days and len(days) < 7 and wd not in days:
            n = next((k for k in range(wd + 1, 7) if k in days), 7); t = norm(y, mo, d + n - wd, 0, 0, 0); continue
        if h and not has(h, hh):
            n = nxt(h, hh); t = norm(y, mo, d, n, 0, 0) if n is not None else norm(y, mo, d + 1, 0, 0, 0); continue
        if mi and not has(mi, mm):
            n = nxt(mi, mm); t = norm(y, mo, d, hh, n, 0) if n is not None else norm(y, mo, d, hh + 1, 0, 0); continue
        if se and not has(se, ss):
            n = nxt(se, ss); t = norm(y, mo, d, hh, mm, n) if n is not None else norm(y, mo, d, hh, mm + 1, 0); continue
        return calendar.timegm(t[:6]) if utc else int(time.mktime(tuple(t[:8]) + (-1,)))
    return None
if __name__ == "__main__":
    os.environ["TZ"] = sys.argv[3] if len(sys.argv) > 3 else "UTC"; time.tzset()
    try: print(next_event(sys.argv[1], int(sys.argv[2])))
    except Bad as e: print(e, file=sys.stderr); sys.exit(1)
