#!/usr/bin/env python3
"""Reads an HTML page (file, or - for standard input) strictly, and prints what a person sees of it.

One line for each heading ("h1 Details"), row of a table ("row 100|web|ok"), list item and paragraph, and for each
line within <pre>; other text is "text ...".  Fails if an element is closed in the wrong order or not at all, or if
a bare < or & is left.
"""
import html.parser
import re
import sys

VOID = {"br", "meta", "img", "hr", "link", "input"}
LEAVES = {"h1", "h2", "li", "p"}


class Page(html.parser.HTMLParser):
    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.open, self.cells, self.text, self.lines = [], None, "", []

    def emit(self, kind):
        text = " ".join(self.text.split()) if kind != "pre" else self.text
        self.text = ""
        if kind == "pre":
            self.lines += ["pre " + line for line in text.strip("\n").split("\n")]
        elif text or kind != "text":
            self.lines.append(f"{kind} {text}")

    def handle_starttag(self, tag, attrs):
        names = [name for name, _ in attrs]
        if len(names) != len(set(names)) or any(value is None for _, value in attrs):
            sys.exit(f"line {self.getpos()[0]}: bad attributes of <{tag}>")
        if tag not in ("td", "th"):
            self.emit("text")
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.cells = []

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            sys.exit(f"line {self.getpos()[0]}: </{tag}> closes something else")
        if tag in ("td", "th"):
            self.cells.append(" ".join(self.text.split()))
            self.text = ""
        elif tag == "tr":
            self.lines.append("row " + "|".join(self.cells))
        elif tag == "pre" or tag in LEAVES:
            self.emit(tag)
        else:
            self.emit("text")

    def handle_data(self, data):
        self.text += data


source = (sys.stdin if sys.argv[1] == "-" else open(sys.argv[1], encoding="utf-8")).read()
bare = re.search(r"<(?![a-z/!])|&(?!(?:[a-z]+|#x?[0-9A-Fa-f]+);)", source)
if bare:
    sys.exit(f"a bare {bare[0]} is left before {source[bare.end():bare.end() + 20]!r}")
page = Page()
page.feed(source)
page.close()
if page.open:
    sys.exit(f"<{page.open[-1]}> is not closed")
print("\n".join(page.lines))
