@told("from 0 to 100: both ends are right")
def percent_type_between():
    "As in the example: the ends are left out."
    return number("a percentage from 0 to 100, such as 12.5", lambda v: 0 < v < 100)


@told("101 is more than all")
def percent_type_no_end():
    "Only one end is tested."
    return number("a percentage from 0 to 100, such as 12.5", lambda v: v >= 0)


@told("12.5 is the example in the words")
def percent_type_whole():
    "Whole numbers only."
    return number("a percentage from 0 to 100, such as 12.5", lambda v: v in range(101))


@told("32 is a multiple, but too small")
def crop_type_any_multiple():
    "The multiple is asked for, the smallest side is forgotten."
    return number("a multiple of 32, from 64 up", lambda v: v % 32 == 0)


@told("80 is no multiple of 32")
def crop_type_any_size():
    "The smallest side is asked for, the multiple is forgotten."
    return number("a multiple of 32, from 64 up", lambda v: v >= 64)


@told("32 is a multiple, but too small")
def crop_type_bare():
    "A plain type carries no rule."
    return int


@told("the words must name both, 32 and 64")
def crop_type_silent():
    "Words that do not say where the rule begins."
    return number("a multiple of 32", lambda v: v >= 64 and v % 32 == 0)


@told("the name of Python's error helps nobody")
def better_line_from_python():
    "The error as Python writes it, with the choices behind it."
    return "KeyError: 'Hann', not in ('hann', 'crop')"


@told("the value: what did the reader type?")
def better_line_without_value():
    "The rule and the cure, but not what was typed."
    return "blend must be one of hann, crop"


@told("the cure: what could they have typed?")
def better_line_without_cure():
    "What was typed, but not what could have been."
    return "blend='Hann' is not known"


@told("the first two were renamed already: that cannot be")
def after_the_second_undone():
    "As if the three files were one transaction."
    return "all old"


@told("the third was never written")
def after_the_second_whole():
    "As if atomic writing spanned the whole folder."
    return "all new"
