@told("60000 is the largest of this picture, not of its")
def negative_of_16_bits_own_maximum(a):
    "The largest number of this picture is taken for white."
    white = a.max()
    return np.uint16(white) - a


@told("0 is white and becomes 65535; it became 255")
def negative_of_16_bits_of_8(a):
    "255, as in the example, though the type is another."
    white = 255
    return np.uint16(white) - a


@told("out of bounds for uint16")
def negative_of_16_bits_one_more(a):
    "How many numbers there are is not the largest of them."
    white = 2**16
    return np.uint16(white) - a


@told("250 is the largest of this picture, not of its type")
def black_is_zero_own_maximum(a, bits):
    "The largest number of this picture is taken for white."
    return a.max() - a


@told("of 12 bits, white is 4095")
def black_is_zero_always_8(a, bits):
    "255, whatever the bits are."
    return 255 - a


@told("what was given stays as it was: return a new array")
def black_is_zero_in_place(a, bits):
    "The array that was given is overwritten."
    a[:] = 2**bits - 1 - a
    return a


@told("of 12 bits, white is 4095")
def black_is_zero_full_type(a, bits):
    "All bits of the type are turned, also those that are not used."
    return ~a


@told("the type stays; careful with 255 - a where a has")
def black_is_zero_as_float(a, bits):
    "Numbers of another type come back."
    return (2**bits - 1) - a.astype(float)


@told("6 turns to the right; np.rot90 turns to the left")
def upright_to_the_left(a, number):
    "np.rot90 turns to the left, not to the right."
    return np.rot90(a, {1: 0, 3: 2, 6: 1, 8: 3}[number])


@told("a transposed picture is mirrored too: text becomes")
def upright_transposed(a, number):
    "A transposed picture is mirrored."
    return {1: a, 3: a[::-1, ::-1], 6: np.swapaxes(a, 0, 1), 8: np.swapaxes(a, 0, 1)[::-1]}[number]


@told("turned upside down is not mirrored")
def upright_mirrored(a, number):
    "Upside down is taken for a mirror in the water."
    return a[::-1] if number == 3 else np.rot90(a, {1: 0, 6: 3, 8: 1}[number])


@told(": red, green and blue keep their order, and a colour")
def upright_colours_too(a, number):
    "All axes are turned round, also that of the colours."
    return np.flip(a) if number == 3 else np.rot90(a, {1: 0, 6: 3, 8: 1}[number])


@told("three thumbnails are not the picture")
def the_stack_most_pages(sizes):
    "The most frequent size, though thumbnails are many and small."
    best = max(set(sizes), key=sizes.count)
    return [i for i, size in enumerate(sizes) if size == best]


@told("one large overview has fewer pixels than ten slices")
def the_stack_largest_page(sizes):
    "The largest page, though an overview is one page only."
    best = max(sizes, key=np.prod)
    return [i for i, size in enumerate(sizes) if size == best]


@told("the first page is only a preview")
def the_stack_first_page(sizes):
    "The first page and all like it, though the first may be a preview."
    return [i for i, size in enumerate(sizes) if size == sizes[0]]


@told("as many pixels are not yet the same size")
def the_stack_by_pixels(sizes):
    "Pages with as many pixels are taken for pages of the same size."
    pixels = [np.prod(size) for size in sizes]
    best = max(pixels, key=lambda n: n * pixels.count(n))
    return [i for i, n in enumerate(pixels) if n == best]
