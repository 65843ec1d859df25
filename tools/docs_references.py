"""The list of references: what the lessons cite, each once, by its first author."""

import re
import unicodedata

from docs_md import slug

TITLE = re.compile(r"\*([^*]+)\*")
INITIALS = r"(?:[A-ZÀ-Ý]\S*\.[ -]?)+"
# One line may name several works: behind a semicolon, or behind a full stop that ends no initial.
NEXT = re.compile(rf";\s+(?={INITIALS}|[^*;]*\*)|(?<=[^A-ZÀ-Ý]\.)\s+(?={INITIALS}[^*;]*\*)")


def online(said):
    "Papers by their numbers, as links."
    arxiv, doi = r"(?<![\[/])arXiv[: ](\d{4}\.\d{4,5})", r"(?<![\[/])doi[: ](10\.[^\s)]+[^\s).,:;])"
    said = re.sub(arxiv, r"[arXiv \1](https://arxiv.org/abs/\1)", said)
    return re.sub(doi, r"[doi \1](https://doi.org/\1)", said)


def author(said):
    "Sorts a reference: the first author's last name, else who published it, else its title."
    head = re.split(r"[]*[]", said.lstrip("[*"))[0]
    first = re.split(r",| et al\.|(?<=\w\w)\.", head)[0].strip()
    name = first.split()[-1] if re.match(INITIALS, first) else re.sub(r"^[Tt]he ", "", first)
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return plain.lower(), said


def bare(said):
    "Without our remark, which stands behind the first colon after a title, outside brackets."
    for colon in re.finditer(r":\s", said):
        head = said[: colon.start()]
        closed = head.count("(") == head.count(")") and head.count("*") % 2 == 0
        if TITLE.search(head) and closed:
            return head
    return said


def cited(text):
    "The works in a lesson's list of references."
    part = re.search(r"(?ms)^#+ References\s*$(.*?)(?=^#|\Z)", text)
    for item in re.findall(r"(?ms)^[-*] (.*?)(?=^[-*] |\Z)", part[1] if part else ""):
        for said in NEXT.split(" ".join(item.split())):
            dated = re.search(r"(19|20)\d\d|\]\(", said) and "see `" not in said
            said = bare(said)
            if TITLE.search(said) or dated:  # else thanks, not a reference
                yield said.rstrip(".;")


def references(lessons):
    "Markdown: each work once, by first author, and which lessons cite it."
    found = {}
    texts = [(p, c.source) for p in lessons for c in p.cells("markdown")]
    for page, said in [(p, s) for p, text in texts for s in cited(text)]:
        title = TITLE.search(said)
        old = found.setdefault(slug(title[1] if title else said), ["", {}])
        old[0] = max(old[0], said, key=len)
        old[1][page.src] = f"[{page.short}]({page.src})"
    rows = sorted(found.values(), key=lambda row: author(row[0]))
    return "\n".join(f"- {online(said)}. In {', '.join(at.values())}." for said, at in rows)
