@told("section 1 did it with one picture fewer: the next one")
def pictures_needed_the_next_one_too(fpr):
    "The picture that is judged next is counted, too."
    return math.ceil(1 / fpr - 1e-9)


@told("section 1 did it with one picture fewer: the next one")
def pictures_needed_rounding(fpr):
    "1 / 0.1 - 1 is rounded up, because of a digit far behind the point."
    return math.ceil(1 / fpr - 1 + 1e-9)


@told("are too few:")
def pictures_needed_rounded_down(fpr):
    "Rounded down, one is missing."
    return math.floor(1 / fpr - 1 + 1e-9)


@told(": there are only whole pictures")
def pictures_needed_fraction(fpr):
    "No whole number of pictures."
    return 1 / fpr - 1


@told("rate * part: four pieces of 12.5 % each raise an alarm")
def rate_of_a_piece_proportional(rate, part):
    "A quarter of the picture, a quarter of the rate: one picture may have two alarms."
    return rate * part


@told("that is the rate at which *all* four pieces raise an")
def rate_of_a_piece_all_of_them(rate, part):
    "The rate at which all pieces raise an alarm."
    return rate**part


@told("pieces at")
def rate_of_a_piece_of_the_whole(rate, part):
    "From the piece to the picture, the wrong way round."
    return 1 - (1 - rate) ** (1 / part)


@told("pieces at")
def rate_of_a_piece_same(rate, part):
    "A piece may do what a picture may."
    return rate


@told("all scores are 0: each point was compared with itself,")
def fitted_itself(points, rng):
    "Every point is compared with itself."
    return points, distance_to(points, points)


@told("raise an alarm: what is found suffers")
def fitted_neighbours(points, rng):
    "The nearest other point among those kept: not how the score of a new point comes about."
    kept = points[:100]
    apart = np.sqrt(((kept[:, None] - kept[None]) ** 2).sum(2))
    apart[apart == 0] = np.inf
    return points, apart.min(1)


@told("points are kept")
def fitted_few(points, rng):
    "Almost nothing is kept."
    return points[:5], distance_to(points[:5], points[5:])


@told("raise an alarm: what is found suffers")
def fitted_middle(points, rng):
    "Those in the middle are kept, and the odd ones give the scores."
    by_distance = points[np.argsort((points**2).sum(1))]
    return by_distance[:100], distance_to(by_distance[:100], by_distance[100:])


@told("above all nine there is still room")
def rate_above_of_the_n(n, k):
    "How many of the n scores are higher; the next one is not counted."
    return (n - k) / (n + 1)


@told("of 20,000 shuffled rows")
def rate_above_always_one(n, k):
    "Only the highest rank, whatever k."
    return 1 / (n + 1)


@told("1/10, and not")
def rate_above_below(n, k):
    "How many lie below."
    return k / (n + 1)
