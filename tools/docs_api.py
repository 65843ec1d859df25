"""The reference: what each module of the package exports, from its source and without importing it.

griffe reads the source; Docments adds the comments beside (or above) the arguments, which are our
documentation of them: `n: int, # classes, including background`."""

import ast
import html
import io
import re
import tokenize
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import griffe
from docs_md import pre

STARS = {griffe.ParameterKind.var_positional: "*", griffe.ParameterKind.var_keyword: "**"}


@dataclass
class Symbol:
    name: str
    kind: str  # function, class, method, property, value
    line: int
    signature: str = ""
    doc: str = ""
    rows: list = field(default_factory=list)  # (argument, type, default, docment)
    returns: tuple = ("", "")  # type, docment
    members: list = field(default_factory=list)

    @property
    def first_line(self):
        "The docstring's first sentence."
        first = " ".join(self.doc.split("\n\n")[0].split())
        return re.split(r"(?<! al)\.(?: |$)", first)[0]


class Docments(griffe.Extension):
    """Gives what griffe finds `extra["docments"]`: the comment of each parameter by its name, of a
    result as `return`; of a value its comment as `value` and its text as `source`."""

    def on_instance(self, *, node, obj, agent, **_):
        if isinstance(node, ast.Module):
            tokens = tokenize.generate_tokens(io.StringIO(agent.code).readline)
            said = [t for t in tokens if t.type == tokenize.COMMENT and t.string[:4] != "# %%"]
            self.comments = {t.start[0]: t for t in said}
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            notes = {name: self.at(line) for line, name in last_of_line(node).items()}
            obj.extra["docments"] = notes
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            said = self.at(node.end_lineno) or self.at(node.lineno)
            text = ast.get_source_segment(agent.code, node)
            obj.extra["docments"] = {"value": said, "source": text}

    def on_attribute_node(self, *, node, agent, **_):
        "griffe leaves out the names of `A, B = 1, 2`."
        for target in getattr(node, "targets", ()):
            for name in getattr(target, "elts", ()) if agent.current.is_module else ():
                value = griffe.Attribute(name.id, lineno=node.lineno, endlineno=node.end_lineno)
                agent.current.set_member(name.id, value)
                self.on_instance(node=node, obj=value, agent=agent)

    def at(self, line):
        "The comment at the end of `line`, else those that stand alone right above it."
        if line in self.comments and not self.alone(line):
            return self.words(line)
        above = []
        while self.alone(line := line - 1):
            above.insert(0, self.words(line))
        return " ".join(above)

    def alone(self, line):
        return line in self.comments and self.comments[line].line.lstrip().startswith("#")

    def words(self, line):
        return self.comments[line].string.lstrip("# ").strip()


def last_of_line(node):
    "`{line: name}`: of several parameters on a line, the comment is about the last, or the result."
    a = node.args
    plain = a.posonlyargs + a.args
    defaults = [None] * (len(plain) - len(a.defaults)) + a.defaults
    found = [*zip(plain, defaults), (a.vararg, None), *zip(a.kwonlyargs, a.kw_defaults)]
    ends = {(d or p).end_lineno: p.arg for p, d in [*found, (a.kwarg, None)] if p}
    return {**ends, node.returns.end_lineno: "return"} if node.returns else ends


@lru_cache
def read(source, package):
    "The module as griffe sees it, with docments."
    extensions = griffe.load_extensions(Docments)
    return griffe.visit(package, Path(f"{package}.py"), source, extensions=extensions)


def text(expression):
    return "" if expression is None else str(expression)


def wrapped(head, parts, tail=""):
    "A signature on one line, or an argument a line where that would be long."
    one = f"{head}({', '.join(parts)}){tail}"
    rows = "".join(f"    {part},\n" for part in parts)
    return one if len(one) < 84 else f"{head}(\n{rows}){tail}"


def shown(name, kind, default, _):
    return name + (f": {kind}" if kind else "") + (f"={default}" if default else "")


def function(obj, name, kind="function", bound=False):
    "The Symbol of a function; `bound`: without its first argument."
    notes, rows, parts = obj.extra["docments"], [], []
    for p in list(obj.parameters)[int(bound) :]:
        stars = STARS.get(p.kind, "")
        default = "" if stars else text(p.default)
        if p.kind is griffe.ParameterKind.keyword_only and not any(x[0] == "*" for x in parts):
            parts.append("*")
        rows.append((stars + p.name, text(p.annotation), default, notes.get(p.name, "")))
        parts.append(shown(*rows[-1]))
    tail = f" -> {obj.returns}" if obj.returns is not None else ""
    returns = (text(obj.returns), notes.get("return", ""))
    return Symbol(name, kind, obj.lineno, wrapped(name, parts, tail), doc_of(obj), rows, returns)


def doc_of(obj):
    return obj.docstring.value if obj.docstring else ""


def klass(obj):
    "The Symbol of a class: what makes one, then its public methods and properties."
    bases = ", ".join(map(str, obj.bases))
    signature = f"{obj.name}({bases})" if bases else obj.name
    symbol = Symbol(obj.name, "class", obj.lineno, signature, doc_of(obj))
    if "dataclass" in obj.labels or "NamedTuple" in bases:
        symbol.rows = [
            (f.name, text(f.annotation), text(f.value), f.extra["docments"]["value"])
            for f in obj.attributes.values()
            if f.annotation is not None and "property" not in f.labels
        ]
        symbol.signature = wrapped(obj.name, [shown(*row) for row in symbol.rows])
    if "__init__" in obj.members:
        made = function(obj.members["__init__"], obj.name, bound=True)
        symbol.signature, symbol.rows = made.signature, made.rows
        symbol.doc = symbol.doc or made.doc
    for member in obj.members.values():
        if member.is_public and member.docstring:
            name = f"{obj.name}.{member.name}"
            if member.is_function:
                bound = "staticmethod" not in member.labels
                symbol.members.append(function(member, name, "method", bound))
            elif "property" in member.labels:
                kind, note = text(member.annotation), member.extra["docments"].get("return", "")
                made = name + (f" -> {kind}" if kind else "")
                row = (name, "property", member.lineno, made, doc_of(member), [], (kind, note))
                symbol.members.append(Symbol(*row))
    return symbol


def value(obj):
    "The Symbol of a constant: what it is set to, if that is short."
    notes = obj.extra["docments"]
    lines = notes["source"].splitlines()
    signature = "\n".join(lines[:6]) + ("\n    ..." if len(lines) > 6 else "")
    return Symbol(obj.name, "value", obj.lineno, signature, notes["value"])


def exported(source, package="unet_explorer"):
    "The Symbols in a module's `__all__`, in the order of its source."
    module, found = read(source, package), []
    for obj in map(module.members.get, module.exports or ()):
        if obj is not None and not obj.is_alias:
            make = {"function": function, "class": klass}.get(obj.kind.value, value)
            found.append(function(obj, obj.name) if make is function else make(obj))
    return sorted(found, key=lambda s: s.line)


def imported(source, package):
    "`{name: module}` of the names in `__all__`, in a stub of all, that other modules define."
    module = read(source, package)
    names = module.imports if module.exports is None else module.exports
    found = {n: module.imports[n].split(".") for n in names if n in module.imports}
    return {n: path[-2] for n, path in found.items() if path[0] == package and len(path) > 2}


def tidy_doc(doc):
    "A docstring as markdown in which `<title>` is a word and no tag, and a backslash is one."
    parts = re.split(r"(`+[^`]*`+)", doc.strip())
    return "".join(
        p if i % 2 else p.replace("\\", "\\\\").replace("<", "&lt;") for i, p in enumerate(parts)
    )


def code(words):
    return f"<code>{html.escape(words)}</code>" if words else ""


def table(symbol):
    "Arguments and result as an HTML table; nothing where nothing is known about them."
    rows = [(code(n), code(t), code(d), inline(note)) for n, t, d, note in symbol.rows]
    if any(symbol.returns):
        kind, note = symbol.returns
        rows.append(("<strong>returns</strong>", code(kind), "", inline(note)))
    if not any(any(row[1:]) for row in rows):
        return ""
    heads = ["Argument", "Type", "Default", "Details"]
    keep = [i for i in range(4) if i != 2 or any(row[2] for row in rows)]
    head = "".join(f"<th scope=col>{heads[i]}</th>" for i in keep)
    body = "".join(
        f"<tr><th scope=row>{row[0]}</th>{''.join(f'<td>{row[i]}</td>' for i in keep[1:])}</tr>"
        for row in rows
    )
    return wide(f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody>")


def wide(rows):
    "A table that scrolls by itself where the page is too narrow."
    return f'<div class="wide"><table class="docments">{rows}</table></div>'


def inline(note):
    "A comment as HTML: `code` is all the markup it may have."
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", html.escape(note, quote=False))


def raw(markup):
    "HTML in markdown, for Quarto and for us."
    return f"```{{=html}}\n{markup}\n```\n"


def entry(symbol, level, source_url):
    "One symbol as markdown."
    link = f'<a href="{source_url}#L{symbol.line}">source</a>'
    kind = f'<p class="kind">{symbol.kind} · {link}</p>'
    out = [
        f"{'#' * level} `{symbol.name}` {{#{symbol.name}}}\n",
        raw(kind + pre(symbol.signature)),
    ]
    if symbol.doc:
        out.append(tidy_doc(symbol.doc) + "\n")
    if rows := table(symbol):
        out.append(raw(rows))
    return "\n".join(out + [entry(m, level + 1, source_url) for m in symbol.members])
