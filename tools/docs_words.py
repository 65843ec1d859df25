"""Words become links: a term to the glossary, a name of the library to the reference."""

import re

from docs_api import raw
from docs_md import slug
from docs_references import online

ENTRY = re.compile(r"(?ms)^## ([^\n]+)\n(.*?)(?=^##|\Z)")  # of the glossary: term, text
# What must stay as it is when words become links: code, formulas, links, tags, headings, addresses.
KEEP = r"""(?msx)
    ^(?P<f>`{3,}|~{3,})[^`\n]*\n.*?^(?P=f)[`~]*[ ]*$ | \$\$.+?\$\$ |
    (?<!\$)\$(?!\s)[^$\n]+?(?<!\s)\$ | <!--.*?--> | <[a-zA-Z/][^>]*> | ^[#]{1,6}[ ][^\n]* |
    !?\[(?:[^][`]|`[^`\n]*`|\[[^]]*\])*\](?:\([^)]*\)|\[[^]]*\]) | https?://\S+ |
    (?P<t>`+)(?P<code>[^`\n]+)(?P=t)"""


def definitions(glossary):
    "`{term: (forms, definition as plain text)}` of glossary.qmd."
    terms = {}
    for head, text in ENTRY.findall(glossary):
        note = re.search(r"<!-- (also|only): (.*?) -->", text)  # only: without the word itself
        forms = [head] if not note or note[1] == "also" else []
        forms += [f.strip() for f in note[2].split(",")] if note else []
        plain = re.sub(r"<!--.*?-->|[*`_$]|\[([^]]*)\]\([^)]*\)", r"\1", text)
        terms[head] = (forms, " ".join(plain.split()))
    return terms


def loose(form):
    "A form in any case; capitals inside it (IoU, ICNR) must be there."
    body = re.escape(form).replace(r"\ ", r"\s+")
    return body if re.search(r".[A-Z]|^[A-Z]$", form) else f"(?i:{body})"


class Words:
    "`glossary` is the text of glossary.qmd; `targets` says where a name in code leads."

    def __init__(self, glossary, targets):
        self.glossary, self.targets = definitions(glossary), targets
        self.forms = {f: term for term, (forms, _) in self.glossary.items() for f in forms}
        terms = "|".join(map(loose, sorted(self.forms, key=len, reverse=True)))
        self.forms |= {f.lower(): term for f, term in self.forms.items()}
        self.find = re.compile(rf"{KEEP} | (?<![\w/.-])(?P<term>(?:{terms})s?)(?![\w/]|-\w|\.\w)")

    def linked(self, text, seen, up="", own=""):
        """Markdown with the first use of each term and each name of the library as links. `seen`
        remembers; `up` leads to nbs/, `own` is the page, which does not link to itself."""

        def link(m):
            target, said = self.targets.get(re.sub(r"\(.*\)$", "", (m["code"] or "").strip())), ""
            if m["term"]:
                form = " ".join(m["term"].lower().split())
                term = self.forms.get(form) or self.forms[form.removesuffix("s")]
                target = f"glossary.qmd#{slug(term)}"
                said = self.glossary[term][1].split(". ")[0].rstrip(".").replace('"', "'")
            if not target or target in seen or target.split("#")[0] == own:
                return m[0]
            seen.add(target)
            return f"[{m[0]}]({up}{target}" + (f' "{said}.")' if said else ")")

        text, *cited = re.split(r"(?m)^(?=#+ References\s*$)", text, maxsplit=1)
        return self.find.sub(link, text) + online("".join(cited))  # titles stay as they are

    def back_links(self, text, first_use):
        "The glossary with letters on top, and where a lesson first uses each term."

        def used(m):
            where = first_use.get(f"glossary.qmd#{slug(m[1])}")
            said = f" First used in [{where.short}]({where.src})." if where else ""
            return m[0].rstrip() + said + "\n\n"

        first = {term[0].upper(): term for term in reversed(self.glossary)}
        links = " ".join(f'<a href="#{slug(t)}">{c}</a>' for c, t in sorted(first.items()))
        letters = raw(f'<p class="letters">{links}</p>')
        return ENTRY.sub(used, text).replace("## ", f"{letters}\n## ", 1)
