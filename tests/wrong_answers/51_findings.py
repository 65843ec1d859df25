@told("not option, value")
def typed_bare(name, value):
    "Without quotes."
    if isinstance(value, (list, tuple)):
        value = ",".join(map(str, value))
    return f"--{name.replace('_', '-')} {value}"


@told("needs no quotes")
def typed_always_quoted(name, value):
    "Two quotes around whatever it is."
    if isinstance(value, (list, tuple)):
        value = ",".join(map(str, value))
    return f"--{name.replace('_', '-')} '{value}'"


@told("is read as")
def typed_quoted_at_blanks(name, value):
    "Two quotes if there is a blank; a quote inside ends the word."
    if isinstance(value, (list, tuple)):
        value = ",".join(map(str, value))
    value = f"'{value}'" if " " in value else value
    return f"--{name.replace('_', '-')} {value}"


@told("options have a minus")
def typed_as_in_python(name, value):
    "The name as Python has it."
    if isinstance(value, (list, tuple)):
        value = ",".join(map(str, value))
    return f"--{name} {shlex.quote(str(value))}"


@told("some are not shown")
def not_shown_from_above(kinds, most):
    "Counted before the last one came."
    return {kind: n - most for kind, n in Counter(kinds).items() if n > most + 3}


@told("5 of bits, and all are printed")
def not_shown_with_zeros(kinds, most):
    "Kinds of which all are shown are listed with 0."
    return {kind: max(n - most, 0) for kind, n in Counter(kinds).items()}


@told("5 are printed: 3 are not")
def not_shown_all(kinds, most):
    "All of a kind, not those beyond."
    return {kind: n for kind, n in Counter(kinds).items() if n > most}


@told("three of five names")
def some_names_all(names, n=3):
    "Every name."
    return ", ".join(names)


@told("nothing is left out")
def some_names_and_none(names, n=3):
    "Says `and 0 more`, too."
    return f"{', '.join(names[:n])} and {len(names) - n} more"


@told("with n=1")
def some_names_of_three(names, n=3):
    "Always three."
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
