"""The same folder a thousand times over, without a copy: hard links, or symbolic ones where the
disk allows no others. What comes out is a folder of thousands of pictures for a trial of a cluster:

    python bench/thousandfold.py PICTURES OUT --times 1000
    unet-explorer segment OUT --model MODEL --out RESULT --scheduler local:2"""

import argparse
import os
from pathlib import Path

from unet_explorer.files import SUFFIXES


def thousandfold(source, out, times):
    "`times` folders of links to the pictures in `source`; how many links were made."
    pictures = sorted(p for p in Path(source).rglob("*") if p.suffix.lower() in SUFFIXES)
    for i in range(times):
        for picture in pictures:
            link = Path(out) / f"{i:04d}" / picture.relative_to(source)
            link.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(picture, link)
            except OSError:  # another disk, or one without hard links
                link.symlink_to(picture.resolve())
    return times * len(pictures)


if __name__ == "__main__":
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("source", help="a folder of pictures")
    p.add_argument("out", help="a folder that is not there yet")
    p.add_argument("--times", type=int, default=1000)
    given = p.parse_args()
    print(f"{thousandfold(given.source, given.out, given.times)} links in {given.out}")
