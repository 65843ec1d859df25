@told("a pixel is half as large, 2.9125 nm; not 11.65")
def stored_pixel_nm_upside_down(screen_nm, columns):
    "The fraction is upside down."
    times = columns / 1024
    return screen_nm * times


@told("on 1,024 columns picture and screen agree")
def stored_pixel_nm_as_in_the_example(screen_nm, columns):
    "The 2 of the example, whatever the width."
    times = 2
    return screen_nm * times


@told("a pixel is half as large, 2.9125 nm; not 5.825")
def stored_pixel_nm_as_said(screen_nm, columns):
    "No factor: the header is taken at its word."
    times = 1
    return screen_nm * times


@told("half the columns: a pixel is twice as large")
def zeiss_nm_no_factor(width, screen_nm=None, stored_nm=None):
    "The size of the screen's pixel is taken as it stands."
    return screen_nm if stored_nm is None else stored_nm


@told("half the columns: a pixel is twice as large")
def zeiss_nm_upside_down(width, screen_nm=None, stored_nm=None):
    "Fewer columns are taken to mean smaller pixels."
    if stored_nm is not None:
        return stored_nm
    return None if screen_nm is None else screen_nm * width / 1024


@told("what is said of the stored picture goes first")
def zeiss_nm_screen_first(width, screen_nm=None, stored_nm=None):
    "The screen's size goes before that of the stored picture."
    return stored_nm if screen_nm is None else screen_nm * 1024 / width


@told("what is said of the stored picture goes first")
def zeiss_nm_factor_for_both(width, screen_nm=None, stored_nm=None):
    "The factor is put on the stored picture's size, too."
    nm = screen_nm if stored_nm is None else stored_nm
    return None if nm is None else nm * 1024 / width


@told("a black strip at the top is not at the bottom: stop at")
def rows_of_bar_anywhere(a, paper):
    "All such rows of the picture, also those at the top."
    return int(((a == paper).mean(1) >= 0.25).sum())


@told("where every row is drawn, all of them count")
def rows_of_bar_none_found(a, paper):
    "argmin is 0 where every row is drawn."
    return int(((a == paper).mean(1)[::-1] >= 0.25).argmin())


@told("exactly a quarter is a quarter, and paper may have any")
def rows_of_bar_more_than(a, paper):
    "More than a quarter is asked for, not at least."
    drawn = (a == paper).mean(1)[::-1] > 0.25
    return len(a) if drawn.all() else int(drawn.argmin())


@told("nearly the value of the paper is not its value")
def rows_of_bar_nearly(a, paper):
    "What is near the paper's value counts as paper."
    drawn = (np.abs(a - paper) <= 5).mean(1)[::-1] >= 0.25
    return len(a) if drawn.all() else int(drawn.argmin())


@told("3 of the 4 pixels of specimen; 3 of 6 counts the bar as")
def share_of_metal_of_all(mask):
    "The bar counts below the line."
    return (mask == 1).mean()


@told("3 of the 4 pixels of specimen; 3 of 6 counts the bar as")
def share_of_metal_above_zero(mask):
    "Every number above 0 is taken for metal, 255 too."
    return (mask > 0).sum() / mask.size


@told("class 2 counts below the line only")
def share_of_metal_against_class_0(mask):
    "Below the line stand classes 0 and 1 only."
    return (mask == 1).sum() / (mask <= 1).sum()
