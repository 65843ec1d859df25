@told("width was typed first; height comes first in Python")
def size_in_width_first(text):
    "In the order in which it was typed."
    return size_in_solution(text)[::-1]


@told("It stopped with ValueError")
def size_in_no_error(text):
    "What can't be read goes on as Python's error."
    w, h = map(int, text.split("x"))
    return h, w


@told("was accepted; sides are whole numbers from 1 up")
def size_in_any_number(text):
    "0 and -3 are taken for sides."
    try:
        w, h = map(int, text.split("x"))
    except ValueError:
        raise InputError(f"size={text}; it must be width x height, such as 1920x1080") from None
    return h, w


@told("was accepted; sides are whole numbers from 1 up")
def size_in_width_checked_only(text):
    "The height may be 0."
    try:
        w, h = map(int, text.split("x"))
        if w > 0:
            return h, w
    except ValueError:
        pass
    raise InputError(f"size={text}; it must be width x height, such as 1920x1080")


@told("was accepted; sides are whole numbers from 1 up")
def size_in_first_two(text):
    "What stands behind the second number is ignored."
    try:
        w, h = map(int, text.split("x")[:2])
        if min(w, h) > 0:
            return h, w
    except ValueError:
        pass
    raise InputError(f"size={text}; it must be width x height, such as 1920x1080")


@told("the text as typed, and an example")
def size_in_no_example(text):
    "Refused, without a word on what would be right."
    try:
        return size_in_solution(text)
    except InputError:
        raise InputError(f"size={text} is wrong") from None


@told("two whole numbers, height first")
def size_in_as_text(text):
    "Two texts."
    w, h = text.split("x")
    return h, w


@told("a default fills in what nobody said")
def with_a_default_of_ten_looks_around():
    "As if a default knew of the steps."
    return dict(steps=300, minutes=None)


@told("both: and a training takes only one of them")
def with_a_default_of_ten_steps_lost():
    "As if the minutes had been said instead."
    return dict(steps=None, minutes=10)


@told("both: and a training takes only one of them")
def with_a_default_of_ten_nothing():
    "Only what was typed."
    return dict(steps=300)


@told("is a plain value: both read it alike")
def dangerous_number():
    "A plain value."
    return "[1, 2, 3]"


@told("is a plain value: both read it alike")
def dangerous_text():
    "A text inside of a text is a plain value, too."
    return "'os.remove()'"


@told("is no expression: eval refuses it, too")
def dangerous_statement():
    "eval does not run statements."
    return "import os"


@told("does not run")
def dangerous_unknown_name():
    "A name that nobody knows: eval fails, too."
    return "remove_everything()"


@told("a text, not")
def dangerous_function():
    "A function, not a text."
    return len


@told("who has typed twenty pairs must know which it is")
def pair_in_no_value(text):
    "The rule and an example, but not what was typed."
    try:
        value, number = text.split("=")
        return int(value), int(number)
    except ValueError:
        raise InputError("a pair must be two whole numbers, such as 7=3") from None


@told("show an example of a pair")
def pair_in_no_example(text):
    "What was typed, and that it is wrong."
    try:
        value, number = text.split("=")
        return int(value), int(number)
    except ValueError:
        raise InputError(f"{text}: this is no pair") from None


@told("that is Python's message")
def pair_in_python(text):
    "What Python said is handed on."
    try:
        value, number = text.split("=")
        return int(value), int(number)
    except ValueError as e:
        raise InputError(f"{text}: {e}; a pair is 128=1") from None
