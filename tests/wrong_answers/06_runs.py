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
