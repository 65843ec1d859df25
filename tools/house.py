"""The house as it stands: rooms, floors and arrows, counted from the imports.

    house.py [FOLDER]     the folder of the package; default unet_explorer

An arrow goes from a module to each module of the package that it imports, also inside a function.
The floor of a module is the longest way down from it."""

import ast
import sys
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def imports(path, package="unet_explorer"):
    "The modules of the package that a file imports."
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if node.level or module.split(".")[0] == package:
                inside = module if node.level else module.partition(".")[2]
                yield from [inside.split(".")[0]] if inside else (a.name for a in node.names)
        elif isinstance(node, ast.Import):
            yield from (
                a.name.split(".")[1] for a in node.names if a.name.startswith(f"{package}.")
            )


def arrows(folder):
    "`{room: rooms it stands on}`."
    rooms = {p.stem: p for p in sorted(Path(folder).glob("*.py")) if not p.stem.startswith("_")}
    return {name: sorted(set(imports(p)) & set(rooms) - {name}) for name, p in rooms.items()}


def floors(house):
    "`{room: floor}`, the ground is 1. Raises ValueError for a circle."
    walking = set()

    @cache
    def floor(room):
        if room in walking:
            raise ValueError(f"a circle of imports goes through {room}")
        walking.add(room)
        height = 1 + max((floor(below) for below in house[room]), default=0)
        walking.remove(room)
        return height

    return {room: floor(room) for room in house}


def main(folder=ROOT / "unet_explorer"):
    house = arrows(folder)
    height = floors(house)
    n = sum(map(len, house.values()))
    print(f"{len(house)} rooms on {max(height.values())} floors, {n} arrows")
    for level in range(max(height.values()), 0, -1):
        for room in sorted(r for r in house if height[r] == level):
            lines = (Path(folder) / f"{room}.py").read_text(encoding="utf-8").count("\n")
            print(f"{level:3}  {room:18}{lines:5}  {', '.join(house[room])}")


if __name__ == "__main__":
    main(*sys.argv[1:])
