@told("came out as")
def verdict_swapped(before, after):
    "More pieces are taken for a short."
    more = ndimage.label(after.metal)[1] - ndimage.label(before.metal)[1]
    return "short" if more > 0 else "open" if more < 0 else "cosmetic"


@told("came out as")
def verdict_by_area(before, after):
    "Less metal is taken for an open, more for a short."
    more = int(after.metal.sum()) - int(before.metal.sum())
    return "open" if more < 0 else "short" if more > 0 else "cosmetic"


@told("came out as")
def verdict_never_cosmetic(before, after):
    "What changed must hurt."
    return "open" if ndimage.label(after.metal)[1] > ndimage.label(before.metal)[1] else "short"


@told("the old layout was changed; copy its metal first")
def pinhole_in_place(layout, size, p, rng):
    "The layout that was given is changed."
    y, x = np.indices(layout.shape)
    layout.metal[np.hypot(y - p.y, x - p.x) <= size / 2] = False
    return layout


@told("a round hole 8 pixels wide has about 50 pixels, yours")
def pinhole_radius(layout, size, p, rng):
    "The width is taken for the radius."
    y, x = np.indices(layout.shape)
    return replace(layout, metal=layout.metal & (np.hypot(y - p.y, x - p.x) > size))


@told("the hole is not at the place given")
def pinhole_x_before_y(layout, size, p, rng):
    "Rows and columns are exchanged."
    y, x = np.indices(layout.shape)
    return replace(layout, metal=layout.metal & (np.hypot(y - p.x, x - p.y) > size / 2))


@told("a round hole 8 pixels wide has about 50 pixels, yours")
def pinhole_square(layout, size, p, rng):
    "A square hole."
    metal, half = layout.metal.copy(), size // 2
    metal[p.y - half : p.y + half, p.x - half : p.x + half] = False
    return replace(layout, metal=metal)


@told("a hole takes metal away; where there was none, none may")
def pinhole_metal_around(layout, size, p, rng):
    "A plate with a hole, whatever was there."
    y, x = np.indices(layout.shape)
    return replace(layout, metal=np.hypot(y - p.y, x - p.x) > size / 2)


@told("10 of 50 columns without metal are within 40 nm of it:")
def crowded_of_all(layout, nm):
    "The share of all pixels; metal is 0 nm from metal."
    distance = ndimage.distance_transform_edt(~layout.metal) * layout.pixel_nm
    return (distance <= nm).mean()


@told("gaps of 300 nm: most places are far from metal")
def crowded_in_pixels(layout, nm):
    "The distance is in pixels, the limit in nm."
    distance = ndimage.distance_transform_edt(~layout.metal)
    return (distance[~layout.metal] <= nm).mean()


@told("gaps of 300 nm: most places are far from metal")
def crowded_wrong_side(layout, nm):
    "The distance from metal to insulator."
    distance = ndimage.distance_transform_edt(layout.metal) * layout.pixel_nm
    return (distance[layout.metal] <= nm).mean()


@told("gaps of 50 nm: every place in them is within 40 nm of")
def crowded_metal_below_the_line(layout, nm):
    "Insulator pixels near metal, over all pixels."
    distance = ndimage.distance_transform_edt(~layout.metal) * layout.pixel_nm
    return ((distance <= nm) & ~layout.metal).mean()


@told("two pieces became three: 1 open, not 3")
def opens_all_pieces(before, after):
    "The pieces there are, not the new ones."
    return pieces(after)


@told("two pieces became three: 1 open, not -1")
def opens_other_way(before, after):
    "Fewer instead of more."
    return pieces(before) - pieces(after)


@told("two pieces became three: 1 open, not 2")
def opens_pixels(before, after):
    "The pixels that are gone."
    return "".join(before).count("#") - "".join(after).count("#")
