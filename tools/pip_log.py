"""How far pip is, read from the log of `pip install --progress-bar=raw`, which tells its bytes.

Standard library only, in the syntax of Python 3.6, as setup_env.py needs it."""

import re

LINE = re.compile(
    r"Progress (?P<now>\d+) of (?P<size>\d+)"
    r"| *(?P<step>Downloading|Collecting|Processing|Building|Preparing|Installing)\b(?P<what>.*)"
)


def how_far(log, total):
    """What pip does now, in a few words, MB of MB: `log` is the text of its log, `total` about how
    many GB the whole download has, which a second try finds partly in pip's cache."""
    got = now = size = 0
    step, what = "", ""
    for m in filter(None, map(LINE.match, log.splitlines())):
        if m.group("size"):
            now, size = int(m.group("now")), int(m.group("size"))
        else:
            got, now, size = got + now, 0, 0
            step, what = m.group("step"), m.group("what").strip()
    name = re.split(r"-\d|[\s<>=!~;(\[]", what.rsplit("/", 1)[-1])[0]
    if step == "Downloading" and size:
        whole = f"{(got + now) / 1e9:.2f} of about {total:g} GB in all"
        return f"downloading {name}, {now / 1e6:.0f} of {size / 1e6:.0f} MB; {whole}"
    if what.startswith("collected packages:"):
        return f"unpacking {what.count(',') + 1} packages, which says nothing until it is done"
    if step in ("Downloading", "Collecting", "Processing"):
        return "finding out what fits together: " + name
    return f"{step.lower()} {what}" if step else ""
