@told("MB, more than")
def largest_side_next_one(megabytes):
    "The first that does not fit any more."
    return largest_side_solution(megabytes) + 16


@told("would fit as well")
def largest_side_steps_of_32(megabytes):
    "Steps of 32 pixels."
    return largest_side_solution(megabytes) // 32 * 32


@told("MB, more than")
def largest_side_pixels_only(megabytes):
    "Four bytes for each pixel of the picture, and nothing for the maps."
    return int((megabytes * 1e6 / 4) ** 0.5) // 16 * 16


@told("is no multiple of 16")
def largest_side_any(megabytes):
    "In steps of one pixel."
    return largest_side_solution(megabytes) + 3


@told("250 is even, 125 is not: the skip at stride 2")
def finest_misfit_coarsest(n, levels):
    "The coarsest misfit, which the way up meets first."
    return next((2**k for k in reversed(range(levels)) if (n // 2**k) % 2), None)


@told("250 is even, 125 is not: the skip at stride 2")
def finest_misfit_level(n, levels):
    "The number of the level, not the stride."
    return next((k for k in range(levels) if (n // 2**k) % 2), None)


@told("250 is even, 125 is not: the skip at stride 2")
def finest_misfit_side(n, levels):
    "The odd side itself."
    return next((n // 2**k for k in range(levels) if (n // 2**k) % 2), None)


@told("16, 8, 4, 2 are even")
def finest_misfit_bottom_too(n, levels):
    "The bottom has no skip; there a side may be odd."
    return next((2**k for k in range(levels + 1) if (n // 2**k) % 2), None)


@told("the logits (2 x 512 x 512 numbers) keep their 4 bytes")
def half_megabytes_half():
    "The logits are halved, too."
    return shape_ledger(unet_plan(padding=True), 512, 512).bytes / 2e6


@told("half of all, and the other half of the logits:")
def half_megabytes_bits():
    "A byte has 8 bits; the ledger counts bytes already."
    return half_megabytes_solution() / 8


@told("half of all, and the other half of the logits:")
def half_megabytes_mebi():
    "Megabytes of 2**20 bytes."
    return half_megabytes_solution() * 1e6 / 2**20


@told("5 becomes 2, and 2 becomes 4: (4, 5), not (5, 5)")
def meets_itself(side):
    "As if halving and doubling undid each other."
    return side, side


@told("5 becomes 2, and 2 becomes 4: (4, 5), not (6, 5)")
def meets_rounded_up(side):
    "The half is rounded up, as strided convolutions do."
    return 2 * -(-side // 2), side


@told("5 becomes 2, and 2 becomes 4: (4, 5), not (2, 5)")
def meets_half(side):
    "Halved, and not doubled again."
    return side // 2, side


@told("an even side comes back whole: (12, 12), not (11, 12)")
def meets_one_less(side):
    "One pixel is always lost."
    return side - 1, side
