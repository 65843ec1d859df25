@told("0 0 1 1 0 in the table above")
def put_right_same_side(picture, mask, right):
    "Both are cut at the same side, so the mask stays where it was."
    w = mask.shape[1]
    if right < 0:
        return picture[:, -right:], mask[:, : w + right]
    return picture[:, : w - right], mask[:, : w - right]


@told("both lose one column")
def put_right_rolled(picture, mask, right):
    "The mask is rolled, and keeps a column that nobody has drawn there."
    w = mask.shape[1]
    if right < 0:
        return picture[:, -right:], mask[:, : w + right]
    return picture[:, : w - right], np.roll(mask, -right, 1)


@told("both lose one column")
def put_right_one_more(picture, mask, right):
    "Counted from 1."
    w = mask.shape[1]
    if right < 0:
        return picture[:, -right:], mask[:, : w + right]
    return picture[:, : w - right], mask[:, right + 1 :]


@told("3 off")
def put_right_by_one(picture, mask, right):
    "Right for the table, where it is one pixel."
    w = mask.shape[1]
    if right < 0:
        return picture[:, -right:], mask[:, : w + right]
    return picture[:, : w - right], mask[:, min(right, 1) :]


@told("turned by 1 and then by 1")
def undo_same(k):
    "The same position once more."
    return k


@told("turned by 5 and then by 7")
def undo_quarters_back(k):
    "Mirrored ones are turned back like the others."
    return k // 4 * 4 + -k % 4


@told("turned by 4 and then by 0")
def undo_no_mirror(k):
    "Only the quarters are turned back."
    return -k % 4


@told("there are 0 to 7")
def undo_eight_minus(k):
    "As if there were eight steps of one turn."
    return 8 - k


@told("4095 is white")
def spread_times(a, bits):
    "Times 16."
    return a << (16 - bits)


@told("black stays black")
def spread_filled_with_ones(a, bits):
    "The free bits are all set."
    return a << (16 - bits) | (1 << (16 - bits)) - 1


@told("16-bit numbers are asked for")
def spread_closed_form(a, bits):
    "The closed form, and it stays a float."
    return a / (2**bits - 1) * 65535


@told("with 10 bits 512")
def spread_always_four(a, bits):
    "Right for 12 bits."
    return a << (16 - bits) | a >> 8


@told("the disk was full")
def write_whole_directly(folder, files):
    "Straight into the folder."
    folder.mkdir()
    for name, text in files:
        (folder / name).write_text(text)


@told("before it is whole")
def write_whole_tidied(folder, files):
    "Straight into the folder, which is taken away if something goes wrong."
    folder.mkdir()
    try:
        for name, text in files:
            (folder / name).write_text(text)
    except OSError:
        shutil.rmtree(folder)
        raise


@told("is left over")
def write_whole_left_over(folder, files):
    "Beside it, but nobody tidies up."
    new = folder.with_name("part")
    new.mkdir()
    for name, text in files:
        (new / name).write_text(text)
    os.replace(new, folder)


@told("nobody heard of it")
def write_whole_silently(folder, files):
    "The error is swallowed."
    with TemporaryDirectory(dir=folder.parent) as tmp:
        new = Path(tmp) / folder.name
        new.mkdir()
        try:
            for name, text in files:
                (new / name).write_text(text)
        except OSError:
            return
        os.replace(new, folder)
