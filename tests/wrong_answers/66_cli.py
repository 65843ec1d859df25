# a folder that is there, for files to be written
room = TemporaryDirectory()
folder = Path(room.name)


@told("137 means killed, perhaps for want of memory: that is")
def nightly_unknown_is_ok(code):
    "A code that is not in the table is taken for success."
    return {1: "look at the log", 2: "stop", 130: "stop"}.get(code, "ok")


@told("137 means killed, perhaps for want of memory: that is")
def nightly_unknown_is_a_warning(code):
    "A program that was killed is taken for one that skipped files."
    return {0: "ok", 2: "stop", 130: "stop"}.get(code, "look at the log")


@told("0 is success, 1 means some files were skipped")
def nightly_all_or_nothing(code):
    "Every code that is not 0 stops."
    return "ok" if code == 0 else "stop"


@told("It stopped with KeyError")
def nightly_key_error(code):
    "A code that is not in the table."
    return {0: "ok", 1: "look at the log", 2: "stop", 130: "stop"}[code]


@told("the old content must survive")
def write_whole_directly(path, pieces):
    "Written into the file itself."
    with open(path, "w") as file:
        for piece in pieces:
            file.write(piece)


@told("no temporary file may stay behind")
def write_whole_part_stays(path, pieces):
    "The half-written file stays beside it."
    part = path.with_suffix(".part")
    with open(part, "w") as file:
        for piece in pieces:
            file.write(piece)
    part.replace(path)


@told("the interruption must go on to the caller")
def write_whole_swallowed(path, pieces):
    "The interruption is kept from the caller."
    part = path.with_suffix(".part")
    try:
        part.write_text("".join(pieces))
        part.replace(path)
    except KeyboardInterrupt:
        part.unlink(missing_ok=True)


@told("the old content must survive")
def write_whole_replaced_anyway(path, pieces):
    "What was written so far replaces the old file."
    part = path.with_suffix(".part")
    try:
        with open(part, "w") as file:
            for piece in pieces:
                file.write(piece)
    finally:
        part.replace(path)


@told("nothing lies at `path` in the end: rename what was")
def write_whole_no_replace(path, pieces):
    "The new file keeps the name beside the right one."
    path.with_suffix(".part").write_text("".join(pieces))


@told("was accepted")
def read_range_any_order(text):
    "20-10 is accepted."
    try:
        low, high = map(int, text.split("-"))
    except ValueError:
        raise InputError(f"--range {text}: two whole numbers, such as 10-20") from None
    return low, high


@told("was accepted")
def read_range_empty(text):
    "10-10 is accepted."
    try:
        low, high = map(int, text.split("-"))
        if low <= high:
            return low, high
    except ValueError:
        pass
    raise InputError(f"--range {text}: two whole numbers, such as 10-20")


@told("It stopped with ValueError")
def read_range_python_error(text):
    "Python's own error."
    low, high = map(int, text.split("-"))
    return low, high


@told("was accepted")
def read_range_first_two(text):
    "What stands behind the second number is ignored."
    try:
        low, high = map(int, text.split("-")[:2])
        if low < high:
            return low, high
    except ValueError:
        pass
    raise InputError(f"--range {text}: two whole numbers, such as 10-20")


@told("the message should begin with what was typed: --range")
def read_range_no_value(text):
    "Not said what was typed."
    try:
        return read_range_solution(text)
    except InputError:
        raise InputError("two whole numbers are expected, such as 10-20") from None


@told("one line, with an example such as 10-20")
def read_range_no_example(text):
    "Not said what would be right."
    try:
        return read_range_solution(text)
    except InputError:
        raise InputError(f"--range {text}: this is no range") from None


@told("2 says that nothing could be done")
def code_of_bad_is_an_error(done, bad, interrupted):
    "A bad file among many taken for an error of the whole."
    return 130 if interrupted else 2 if bad or not done else 0


@told("0 says that all is well")
def code_of_done_is_enough(done, bad, interrupted):
    "Something was done, so all is well."
    return 130 if interrupted else 0 if done else 2


@told("it does not matter how many were bad")
def code_of_how_many(done, bad, interrupted):
    "The number of bad files: with two of them it would say that nothing was done."
    return 130 if interrupted else bad if done else 2
