"""The reference: what each module of the package exports, read from its source and not by importing it.

Docments are the comments beside (or above) the arguments: `n:int, # classes, including background`."""

import ast
import html
import io
import re
import textwrap
import tokenize
from dataclasses import dataclass, field

from docs_md import pre

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


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
        return (
            re.split(r"(?<! al)\.(?: |$)", " ".join(self.doc.split("\n\n")[0].split()))[0]
            if self.doc
            else ""
        )


def comments(source):
    "`{line: (text, does it stand alone?)}` of Python source."
    found = {}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            found[token.start[0]] = (
                token.string.lstrip("# ").strip(),
                not token.line[: token.start[1]].strip(),
            )
    return found


def docment(line, said):
    "The comment at the end of `line`, else those that stand alone right above it."
    if line in said and not said[line][1]:
        return said[line][0]
    above = []
    while (line := line - 1) in said and said[line][1]:
        above.insert(0, said[line][0])
    return " ".join(above)


def arguments(node):
    "`(shown name, ast.arg, default or None)` of a function."
    a = node.args
    plain = a.posonlyargs + a.args
    rows = [
        (p.arg, p, d) for p, d in zip(plain, [None] * (len(plain) - len(a.defaults)) + a.defaults)
    ]
    if a.vararg:
        rows.append(("*" + a.vararg.arg, a.vararg, None))
    elif a.kwonlyargs:
        rows.append(("*", None, None))
    rows += [(p.arg, p, d) for p, d in zip(a.kwonlyargs, a.kw_defaults)]
    return rows + ([("**" + a.kwarg.arg, a.kwarg, None)] if a.kwarg else [])


def unparse(node):
    return ast.unparse(node) if node is not None else ""


def wrapped(head, parts, tail):
    "A signature on one line, or an argument a line where that would be long."
    one = head + "(" + ", ".join(parts) + ")" + tail
    return (
        one if len(one) < 84 else head + "(\n" + "".join(f"    {p},\n" for p in parts) + ")" + tail
    )


def function(node, said, name=None, bound=False):
    "The Symbol of a function; `bound`: without its first argument."
    symbol = Symbol(name or node.name, "function", node.lineno, doc=ast.get_docstring(node) or "")
    args, parts = arguments(node)[int(bound) :], []
    for shown, arg, default in args:
        parts.append(
            shown
            + (f": {unparse(arg.annotation)}" if arg is not None and arg.annotation else "")
            + (f"={unparse(default)}" if default is not None else "")
        )
        if arg is not None:
            # several on a line: its comment is about the last one, and the result comes after all arguments
            line = (default or arg).end_lineno
            last = (
                max(a.col_offset for _, a, _ in args if a is not None and a.lineno == arg.lineno)
                == arg.col_offset
            )
            last = last and (node.returns is None or node.returns.end_lineno != line)
            symbol.rows.append(
                (
                    shown,
                    unparse(arg.annotation),
                    unparse(default),
                    docment(line, said) if last else "",
                )
            )
    if node.returns is not None:
        symbol.returns = (unparse(node.returns), docment(node.returns.end_lineno, said))
    tail = f" -> {unparse(node.returns)}" if node.returns is not None else ""
    symbol.signature = wrapped(symbol.name, parts, tail)
    return symbol


def klass(node, said):
    "The Symbol of a class: what makes one, then its public methods and properties."
    symbol = Symbol(node.name, "class", node.lineno, doc=ast.get_docstring(node) or "")
    symbol.signature = f"{node.name}({', '.join(map(unparse, node.bases))})".replace("()", "")
    fields = [
        n for n in node.body if isinstance(n, ast.AnnAssign) and isinstance(n.target, ast.Name)
    ]
    decorated = " ".join(map(unparse, node.decorator_list)) + " ".join(map(unparse, node.bases))
    if fields and ("dataclass" in decorated or "NamedTuple" in decorated):
        symbol.rows = [
            (f.target.id, unparse(f.annotation), unparse(f.value), docment(f.end_lineno, said))
            for f in fields
        ]
        symbol.signature = wrapped(
            node.name, [f"{n}: {t}" + (f"={d}" if d else "") for n, t, d, _ in symbol.rows], ""
        )
    for n in node.body:
        if not isinstance(n, FUNCTIONS):
            continue
        marks = [unparse(d) for d in n.decorator_list]
        if n.name == "__init__":
            made = function(n, said, node.name, bound=True)
            symbol.signature, symbol.rows, symbol.doc = (
                made.signature,
                made.rows,
                symbol.doc or made.doc,
            )
        elif not n.name.startswith("_") and ast.get_docstring(n):
            member = function(n, said, f"{node.name}.{n.name}", bound="staticmethod" not in marks)
            member.kind = (
                "property"
                if {"property", "cached_property"} & {m.split(".")[-1] for m in marks}
                else "method"
            )
            if member.kind == "property":
                member.signature = f"{member.name}" + (
                    f" -> {unparse(n.returns)}" if n.returns is not None else ""
                )
            symbol.members.append(member)
    return symbol


def value(node, name, source, said):
    "The Symbol of a constant: what it is set to, if that is short."
    lines = ast.get_source_segment(source, node).splitlines()
    shown = "\n".join(lines[:6]) + ("\n    ..." if len(lines) > 6 else "")
    return Symbol(
        name,
        "value",
        node.lineno,
        signature=shown,
        doc=docment(node.end_lineno, said) or docment(node.lineno, said),
    )


def exported(source):
    "The Symbols in a module's `__all__`, in the order of its source."
    tree, said, found, names = ast.parse(source), comments(source), {}, []
    for node in tree.body:
        if isinstance(node, FUNCTIONS):
            found.setdefault(node.name, []).append(function(node, said))
        elif isinstance(node, ast.ClassDef):
            found.setdefault(node.name, []).append(klass(node, said))
        elif isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None:
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                for t in target.elts if isinstance(target, ast.Tuple) else [target]:
                    if getattr(t, "id", "") == "__all__":
                        names = ast.literal_eval(node.value)
                    elif isinstance(t, ast.Name):
                        found.setdefault(t.id, []).append(value(node, t.id, source, said))
    # the last definition counts, as when Python runs it
    return sorted((found[n][-1] for n in names if n in found), key=lambda s: s.line)


def imported(source, package):
    "`{name: module}` of the names in `__all__` that come from another module of the package."
    tree, found, names = ast.parse(source), {}, []
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and (
            node.level or (node.module or "").startswith(package + ".")
        ):
            found.update(
                {a.asname or a.name: (node.module or a.name).split(".")[-1] for a in node.names}
            )
        elif isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
            names = ast.literal_eval(node.value)
    return {n: found[n] for n in names if n in found}


def tidy_doc(doc):
    "A docstring as markdown in which `<title>` is a word and no tag."
    parts = re.split(r"(`+[^`]*`+)", textwrap.dedent(doc).strip())
    return "".join(p if i % 2 else p.replace("<", "&lt;") for i, p in enumerate(parts))


def table(symbol):
    "Arguments and result as an HTML table; nothing where nothing is known about them."
    if not any(t or d or n for _, t, d, n in symbol.rows) and not any(symbol.returns):
        return ""
    show = [("defaults", any(d for _, _, d, _ in symbol.rows))]
    head = (
        "<tr><th scope=col>Argument</th><th scope=col>Type</th>"
        + ("<th scope=col>Default</th>" if show[0][1] else "")
        + "<th scope=col>Details</th></tr>"
    )
    rows = list(symbol.rows) + (
        [("returns", symbol.returns[0], "", symbol.returns[1])] if any(symbol.returns) else []
    )
    body = []
    for name, kind, default, note in rows:
        first = (
            "<th scope=row><strong>returns</strong></th>"
            if name == "returns"
            else f"<th scope=row><code>{html.escape(name)}</code></th>"
        )
        cells = (
            [f"<code>{html.escape(kind)}</code>" if kind else ""]
            + ([f"<code>{html.escape(default)}</code>" if default else ""] if show[0][1] else [])
            + [inline(note)]
        )
        body.append("<tr>" + first + "".join(f"<td>{c}</td>" for c in cells) + "</tr>")
    return f'<div class="wide"><table class="docments"><thead>{head}</thead><tbody>{"".join(body)}</tbody></table></div>'


def inline(note):
    "A comment as HTML: `code` is all the markup it may have."
    parts = html.escape(note, quote=False).split("`")
    return "".join(
        f"<code>{p}</code>" if i % 2 and i < len(parts) - 1 else ("`" if i % 2 else "") + p
        for i, p in enumerate(parts)
    )


def raw(markup):
    "HTML in markdown, for Quarto and for us."
    return f"```{{=html}}\n{markup}\n```\n"


def entry(symbol, level, source_url):
    "One symbol as markdown."
    out = [
        f"{'#' * level} `{symbol.name}` {{#{symbol.name}}}\n",
        raw(
            f'<p class="kind">{symbol.kind} · <a href="{source_url}#L{symbol.line}">source</a></p>'
            + pre(symbol.signature)
        ),
    ]
    if symbol.doc:
        out.append(tidy_doc(symbol.doc) + "\n")
    rows = table(symbol)
    if rows:
        out.append(raw(rows))
    return "\n".join(out + [entry(m, level + 1, source_url) for m in symbol.members])
