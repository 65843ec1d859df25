@told("as long as before, but edited later: see its time")
def may_be_trusted_size_only(line, source, result):
    "Only the size of the result is compared."
    same_source = line["source"] == source
    same_result = result is not None and line["result"][0] == result[0]
    return same_source and same_result


@told("the mask has 4 bytes instead of 9: it is cut off")
def may_be_trusted_there(line, source, result):
    "What lies there is taken for done."
    same_source = line["source"] == source
    same_result = result is not None
    return same_source and same_result


@told("TypeError")
def may_be_trusted_of_none(line, source, result):
    "A file that is not there has no size."
    same_source = line["source"] == source
    same_result = line["result"][0] == result[0] and line["result"][1] == result[1]
    return same_source and same_result


@told("b was recorded again, so its mask is of another")
def to_do_missing(journal, now):
    "What is missing is done, what lies there is taken for done."
    return [name for name, (source, result) in now.items() if result is None and source]


@told("the mask of c is missing")
def to_do_sources(journal, now):
    "Only the pictures are compared."
    return [n for n, pair in now.items() if pair[0] and pair[0] != journal.get(n, [None])[0]]


@told("nothing can be made of a picture that is gone")
def to_do_all_that_differs(journal, now):
    "Pictures that are gone are to be done, too."
    return [name for name, pair in now.items() if journal.get(name) != pair]


@told("d stands in no journal: it was never done")
def to_do_of_the_journal(journal, now):
    "Only what stands in the journal is looked at."
    return [name for name in journal if now[name][0] and now[name] != journal[name]]


@told("It stopped with JSONDecodeError")
def whole_lines_all(raw):
    "The torn line is read like the others."
    return [json.loads(line) for line in raw.splitlines()]


@told("what stands behind a torn line was written by nobody we")
def whole_lines_skipped(raw):
    "A torn line is skipped, and what follows it is believed."
    lines = []
    for line in raw.split(b"\n")[:-1]:
        try:
            lines.append(json.loads(line))
        except ValueError:
            continue
    return lines


@told("it can be read, but without a line break more may have")
def whole_lines_readable(raw):
    "What can be read is taken for whole, without a line break too."
    lines = []
    for line in raw.splitlines():
        try:
            lines.append(json.loads(line))
        except ValueError:
            break
    return lines


@told("the journal says done, and there is no mask: it is")
def safe_order_note_first():
    "Noted before it is there."
    return ["note", "rename"]


@told("a list of the two words")
def safe_order_twice():
    "Noted twice, before and after."
    return ["note", "rename", "note"]


@told("7 is somebody else, 8 merely began at that time")
def is_leftover_number_alone(noted, alive):
    "A process of that number lives, so it is taken for the same."
    return noted[0] not in alive


@told("7 is somebody else, 8 merely began at that time")
def is_leftover_time_alone(noted, alive):
    "Somebody began at that time, so it is taken for the same."
    return noted[1] not in alive.values()


@told("it lives, and works")
def is_leftover_reversed(noted, alive):
    "True where the writer still works."
    return alive.get(noted[0]) == noted[1]
