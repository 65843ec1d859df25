@told(": the share of 255 is")
def ignored_share_always_padded(h, w, size):
    "A side that is larger than the crop is cut, not kept."
    return 1 - h * w / size**2


@told(": the share of 255 is")
def ignored_share_of_the_picture(h, w, size):
    "Over the pixels of the picture."
    return max(h, size) * max(w, size) / (h * w) - 1


@told(": the share of 255 is")
def ignored_share_real_ones(h, w, size):
    "The share that counts."
    return h * w / (max(h, size) * max(w, size))


@told(": the share of 255 is")
def ignored_share_multiples(h, w, size):
    "Padded to a multiple of the crop."
    return 1 - h * w / (-(-h // size) * size * -(-w // size) * size)


@told("does not come back")
def undo_same_order(x, turns, flipped):
    "Turned back first, though the flip came last."
    x = torch.rot90(x, -turns, (-2, -1))
    return x.flip(-1) if flipped else x


@told("does not come back")
def undo_same_way(x, turns, flipped):
    "Turned on, not back."
    x = x.flip(-1) if flipped else x
    return torch.rot90(x, turns, (-2, -1))


@told("does not come back")
def undo_flip_forgotten(x, turns, flipped):
    "The flip stays."
    return torch.rot90(x, -turns, (-2, -1))


@told("does not come back")
def undo_up_and_down(x, turns, flipped):
    "Flipped along the other axis."
    x = x.flip(-2) if flipped else x
    return torch.rot90(x, -turns, (-2, -1))


@told("seed 0 and seed 1 share a stream: seed + worker is not")
def streams_sum(seed, n):
    "seed + worker: worker 1 of seed 0 is worker 0 of seed 1."
    return [np.random.default_rng(seed + worker) for worker in range(n)]


@told("two workers deal the same crops")
def streams_one_seed(seed, n):
    "All workers have the same stream."
    return [np.random.default_rng(seed) for _ in range(n)]


@told("same seed, same streams")
def streams_unseeded(seed, n):
    "Nothing can be repeated."
    return [np.random.default_rng() for _ in range(n)]


@told("a list with one generator for each worker")
def streams_shared(seed, n):
    "One generator for all."
    return np.random.default_rng(seed)


@told("image and mask are turned in opposite directions")
def together_always(change):
    "Changes of an image are believed."
    return True


@told("image and mask are turned in opposite directions")
def together_symmetric(change):
    "A symmetric mask shows no turn."
    m = torch.zeros(8, 8, dtype=torch.long)
    m[2:6, 2:6] = 1
    im, m = change(m[None].float(), m)
    return bool(((im[0] > 0.5) == (m == 1)).all())


@told("image and mask do stay together")
def together_equal_numbers(change):
    "A darker picture has other numbers, but stays in its place."
    m = torch.zeros(8, 8, dtype=torch.long)
    m[:3, :5] = 1
    im, m = change(m[None].float(), m)
    return bool((im[0] == m).all())


@told("image and mask do stay together")
def together_unmoved(change):
    "A flip of both is taken for a mistake."
    before = torch.zeros(8, 8, dtype=torch.long)
    before[:3, :5] = 1
    return bool((change(before[None].float(), before)[1] == before).all())


@told("pixel 4 of six lies in 2 of the four crops")
def times_seen_over_the_end(i, n, size):
    "The right end is forgotten."
    return i - max(0, i - size + 1) + 1


@told("pixel 0 of six lies in 1 of the four crops")
def times_seen_every_start(i, n, size):
    "The last start there is, whether its crop contains the pixel or not."
    return n - size - max(0, i - size + 1) + 1


@told("pixel 4 of six lies in 2 of the four crops")
def times_seen_one_too_far(i, n, size):
    "One start too many."
    return min(i, n - size + 1) - max(0, i - size + 1) + 1
