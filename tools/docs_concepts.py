"""Which lesson teaches which concept, and which needs it: concepts.yml, and its drawing."""

import yaml

ROW, LEFT, RIGHT, DOT = 24, 190, 430, 5  # pixels: a row, the arcs, the titles, a lesson's dot
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#a0527c", "#5b5b9f", "#8a6d00", "#3d7a8c", "#6b6b6b")


def arrange(lessons, said, glossary):
    """Sets of each lesson `teaches`, a list of concepts, and `asks`, `{lesson: concepts}`.

    `said` is `{stem: {"teaches": [...], "needs": [...]}}`. Stops with one line where a concept is
    not in the `glossary`, is taught by no lesson or by two, or is needed before it is taught."""
    teacher = {}
    for lesson in lessons:
        lesson.teaches = (said.get(lesson.stem) or {}).get("teaches", [])
        for concept in lesson.teaches:
            if concept in teacher or concept not in glossary:
                wrong = "is taught twice" if concept in teacher else "is not in glossary.qmd"
                raise SystemExit(f"concepts.yml: {lesson.stem} teaches {concept}, which {wrong}")
            teacher[concept] = lesson
    for lesson in lessons:
        lesson.asks = {}
        for concept in (said.get(lesson.stem) or {}).get("needs", []):
            if concept not in teacher or teacher[concept].number >= lesson.number:
                wrong = f"{lesson.stem} needs {concept}, which no lesson before it teaches"
                raise SystemExit(f"concepts.yml: {wrong}")
            lesson.asks.setdefault(teacher[concept], []).append(concept)
        lesson.way = way(lesson)


def way(lesson):
    "All lessons that one has to read before, in the order of the book."
    before = set(lesson.asks).union(*(other.way for other in lesson.asks))
    return sorted(before, key=lambda other: other.number)


def read(nbs):
    path = nbs / "concepts.yml"
    return yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else {}


def direct(lesson):
    "The lessons it asks for, but for those that another of them asks for already."
    return [a for a in lesson.asks if not any(a in b.way for b in lesson.asks)]


def arc(start, end):
    "An SVG path between two rows that bulges to the left, the further the longer it is."
    bulge = min(LEFT - 12, 14 + 5.5 * (end - start))
    top, bottom = (row * ROW + ROW / 2 for row in (start, end))
    x = LEFT - DOT
    return f"M{x} {top} C{x - bulge:.0f} {top} {x - bulge:.0f} {bottom} {x} {bottom}"


def drawing(book, escape):
    """The lessons that build on others, one a row, and an arc from each to what builds on it; under
    the pointer or the keyboard a lesson shows its way. No script."""
    chain = [p for p in book.lessons if p.asks or any(p in q.asks for q in book.lessons)]
    row = {p: i for i, p in enumerate(chain)}
    colour = {s["title"]: c for s, c in zip(book.book, COLOURS * 2)}
    arcs, names, rules = [], [], []
    for p in chain:
        for other in direct(p):
            on_way = " ".join(f"w{row[q]}" for q in chain if p is q or p in q.way)
            arcs.append(f'<path class="{on_way}" d="{arc(row[other], row[p])}"/>')
        y = row[p] * ROW + ROW / 2
        said = f"{p.short}; needs {', '.join(q.short for q in p.asks) or 'no other lesson'}"
        names.append(
            f'<a href="{p.out}" id="at{row[p]}" aria-label="{escape(said)}">'
            f'<circle cx="{LEFT}" cy="{y}" r="{DOT}" fill="{colour[p.section]}"/>'
            f'<text x="{LEFT + 12}" y="{y + 5}">{escape(p.short)}</text></a>'
        )
        rules.append(f".ways:has(#at{row[p]}:is(:hover, :focus)) .w{row[p]}")
    style = ",\n".join(rules) + " { stroke: var(--accent); stroke-width: 2.5; opacity: 1; }"
    size = f'viewBox="0 0 {LEFT + RIGHT} {len(chain) * ROW}"'
    return (
        f"<style>{style}</style>\n"
        f'<svg class="ways" {size} role="group" aria-label="Which lesson builds on which">'
        f"<g>{''.join(arcs)}</g>{''.join(names)}</svg>"
    )
