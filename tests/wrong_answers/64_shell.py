@told("dashes, as in every option; then the value")
def typed_underscores(name, value):
    "The name as in Python."
    if isinstance(value, bool):
        return f"--{name}" if value else f"--no-{name}"
    return f"--{name} {shlex.quote(str(value))}"


@told("a flag takes no value: '--quick True' is refused")
def typed_flag_with_value(name, value):
    "A flag is given a value."
    return f"--{name.replace('_', '-')} {shlex.quote(str(value))}"


@told("without quotes the shell sees two words")
def typed_no_quotes(name, value):
    "Blanks are left bare."
    words = name.replace("_", "-")
    if isinstance(value, bool):
        return f"--{words}" if value else f"--no-{words}"
    return f"--{words} {value}"


@told("as in git log --no-color, pip --no-input")
def typed_nothing_for_false(name, value):
    "What is off is not typed: but then it is on."
    words = name.replace("_", "-")
    if isinstance(value, bool):
        return f"--{words}" if value else ""
    return f"--{words} {shlex.quote(str(value))}"


@told("0 is a number here, no flag that is off")
def typed_zero_is_off(name, value):
    "0 is taken for False."
    words = name.replace("_", "-")
    if value == True or value == False:  # noqa: E712 -- this is the mistake
        return f"--{words}" if value else f"--no-{words}"
    return f"--{words} {shlex.quote(str(value))}"


@told("the name looks like an option, and a text has no types")
def translated_untouched():
    "As if it knew that this is the name of a file."
    return "size=3.png: cannot be read"


@told("follow the two substitutions")
def translated_equals_kept():
    "The dashes come, and the sign stays."
    return "--size=3.png: cannot be read"


@told("follow the two substitutions")
def translated_swallowed():
    "As if the line were lost."
    return ""


@told("joined by blanks, they must become three")
def torn_apart_no_blank():
    "Two words without a blank stay two."
    return ["segment", "images"]


@told("joined by blanks, they must become three")
def torn_apart_two_blanks():
    "Four words."
    return ["segment", "my own images"]


@told("two words")
def torn_apart_three():
    "A list of three."
    return ["segment", "my", "images"]


@told("joined by blanks, they must become three")
def torn_apart_quoted():
    "With quotes inside nothing is torn apart."
    return ["segment", "'my images'"]


@told("`model` has a default, so it may be left out")
def typed_names_default(function):
    "What has a default, wherever it stands."
    names = []
    for p in inspect.signature(function).parameters.values():
        dashed = "--" + p.name.replace("_", "-")
        names.append(dashed if p.default is not p.empty else p.name)
    return names


@told("what stands before the star has a place")
def typed_names_all(function):
    "Dashes for all."
    return ["--" + n.replace("_", "-") for n in inspect.signature(function).parameters]


@told("`out` has no default, so it must be said")
def typed_names_both(function):
    "Behind the star, and with a default."
    names = []
    for p in inspect.signature(function).parameters.values():
        dashed = "--" + p.name.replace("_", "-")
        option = p.kind is p.KEYWORD_ONLY and p.default is not p.empty
        names.append(dashed if option else p.name)
    return names
