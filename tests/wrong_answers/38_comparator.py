@told("A reshape alone puts whole channels below each other;")
def by_hand_reshape(tiles, k):
    "A reshape puts whole channels below each other."
    return tiles.reshape(tiles.shape[1] * k, tiles.shape[2] * k)


@told("Channel 1 is the pixel to the right, not the one below")
def by_hand_columns_first(tiles, k):
    "Channel 1 is taken for the pixel below."
    h, w = tiles.shape[1:]
    return tiles.reshape(k, k, h, w).transpose(2, 1, 3, 0).reshape(h * k, w * k)


@told(", and not")
def by_hand_blocks(tiles, k):
    "Channels side by side, as in a contact print."
    return np.block([[tiles[i * k + j] for j in range(k)] for i in range(k)])


@told(", and not")
def by_hand_one_channel(tiles, k):
    "The first channel, enlarged."
    return tiles[0].repeat(k, 0).repeat(k, 1)


@told("has the largest mean, but only of a feature that is")
def oddest_mean(left, clean):
    "The bare mean, which the feature with the largest numbers decides."
    return int(np.abs(left).mean(0).argmax())


@told(": the third feature is always off by 3, so 3.4 is")
def oddest_standard_deviation(left, clean):
    "The standard deviation, which does not see what is always off by the same."
    return int((np.abs(left) / clean.std(1, keepdims=True)).mean(0).argmax())


@told("has the largest mean, but only of a feature that is")
def oddest_largest(left, clean):
    "The largest single number."
    return int(np.abs(left).max(0).argmax())


@told(": the third feature is always off by 3, so 3.4 is")
def oddest_by_place(left, clean):
    "One scale for each place, where each feature needs its own."
    return int((np.abs(left) / np.sqrt((clean**2).mean(0))).mean(0).argmax())


@told("; it is number 3, where the second feature is off by 0.9")
def oddest_signed(left, clean):
    "Differences above and below cancel."
    scale = np.sqrt((clean**2).mean(1, keepdims=True))
    return int((left / scale).mean(0).argmin())


@told("has the largest mean, but only of a feature that is")
def oddest_own_scale(left, clean):
    "In units of what is left here, not of what clean pictures leave."
    return int((np.abs(left) / np.sqrt((left**2).mean(1, keepdims=True))).mean(0).argmax())


@told("0: each row has found itself in the memory")
def usually_itself(rows):
    "Each row finds itself."
    every = np.concatenate(rows)
    return float(np.sqrt(np.mean([np.abs(every - v).min() ** 2 for v in every])))


@told("5 has found 4, which is of the same row: leave it out")
def usually_other_numbers(rows):
    "The other numbers of the same row are in the memory."
    every, apart = np.concatenate(rows), []
    for i, v in enumerate(every):
        apart.append(np.abs(np.delete(every, i) - v).min())
    return float(np.sqrt(np.mean(np.square(apart))))


@told("A 1 of another row is a fair twin of a 1: leave out the")
def usually_no_twins(rows):
    "Equal numbers of another row are left out, too."
    every, apart = np.concatenate(rows), []
    for row in rows:
        others = every[~np.isin(every, row)]
        apart += [np.abs(others - v).min() for v in row]
    return float(np.sqrt(np.mean(np.square(apart))))


@told("The root of the mean square is")
def usually_mean(rows):
    "The plain mean of the distances."
    apart = []
    for i, row in enumerate(rows):
        others = np.concatenate([r for j, r in enumerate(rows) if j != i])
        apart += [np.abs(others - v).min() for v in row]
    return float(np.mean(apart))


@told("the third feature is *always* off by 3")
def in_usual_units_standard_deviation(left, clean):
    "The standard deviation, which is 0 for what is always off by the same."
    with np.errstate(divide="ignore"):
        return left / clean.std(1)[:, None]


@told("its mean square is 1/2")
def in_usual_units_mean(left, clean):
    "The mean of the sizes, not the root of the mean square."
    return left / np.abs(clean).mean(1)[:, None]


@told("its mean square is 1/2")
def in_usual_units_largest(left, clean):
    "The largest that clean pictures leave."
    return left / np.abs(clean).max(1)[:, None]


@told("the middle of above is 4 units off")
def in_usual_units_one_for_all(left, clean):
    "One unit for all features."
    return left / np.sqrt((clean**2).mean())


@told("a shape needs its neighbours")
def judge_of_shapes_one_place(left, labels):
    "Convolutions of 1 x 1 see no shape."
    return judge_of_shapes_solution(left, labels, side=1)


@told("on new maps, where a threshold has")
def judge_of_shapes_rate_too_high(left, labels):
    "A learning rate far too high."
    return judge_of_shapes_solution(left, labels, lr=10)


@told("on new maps, where a threshold has")
def judge_of_shapes_no_step(left, labels):
    "The optimiser never steps: the rate is nothing."
    return judge_of_shapes_solution(left, labels, lr=0)


@told("on new maps, where a threshold has")
def judge_of_shapes_other_labels(left, labels):
    "The labels belong to other maps: the batch was shuffled, and they were not."
    return judge_of_shapes_solution(left, labels.flip(0))
