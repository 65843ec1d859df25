@told("section 2: 8 is 3 standard deviations from 5 (use")
def diagonal_distance_by_n(x, clean_points):
    "The standard deviation that divides by n."
    return np.linalg.norm((x - clean_points.mean(0)) / clean_points.std(0), axis=1)


@told("divide every channel by its own standard deviation")
def diagonal_distance_one_scale(x, clean_points):
    "One standard deviation for all channels."
    return np.linalg.norm(x - clean_points.mean(0), axis=1) / clean_points.std(ddof=1)


@told("divide every channel by its own standard deviation")
def diagonal_distance_bare(x, clean_points):
    "Not scaled at all."
    return np.linalg.norm(x - clean_points.mean(0), axis=1)


@told("divide every channel by its own standard deviation")
def diagonal_distance_variance(x, clean_points):
    "Divided by the variance."
    return np.linalg.norm((x - clean_points.mean(0)) / clean_points.var(0, ddof=1), axis=1)


@told("divide every channel by its own standard deviation")
def diagonal_distance_sum(x, clean_points):
    "The scaled distances are added, without squares."
    return np.abs((x - clean_points.mean(0)) / clean_points.std(0, ddof=1)).sum(1)


@told("the Gaussian has its middle at 5: it must call 5 the")
def scores_of_5_and_13_two_clouds():
    "Each cloud gets its own Gaussian."
    apart = [(near_0.mean(), near_0.std()), (near_10.mean(), near_10.std())]
    gauss = tuple(min(abs(x - m) / s for m, s in apart) for x in (5, 13))
    return gauss, tuple(abs(x - two).min() for x in (5, 13))


@told("these are the pairs of 5 and of 13")
def scores_of_5_and_13_by_value():
    "First the scores of 5, then those of 13."
    (a, b), (c, d) = scores_of_5_and_13_solution()
    return (a, c), (b, d)


@told("the nearest memory of 5 is far away, that of 13 is")
def scores_of_5_and_13_mean_distance():
    "The mean distance to all memories, not that to the nearest."
    gauss, _ = scores_of_5_and_13_solution()
    return gauss, tuple(abs(x - two).mean() for x in (5, 13))


@told("the nearest memory of 5 is far away, that of 13 is")
def scores_of_5_and_13_signed():
    "Without absolute values."
    gauss = tuple((x - two.mean()) / two.std() for x in (5, 13))
    return gauss, tuple((x - two).min() for x in (5, 13))


@told("13 is 8 from the middle, which is")
def scores_of_5_and_13_not_scaled():
    "The distance from the middle, not in standard deviations."
    return tuple(abs(x - two.mean()) for x in (5, 13)), scores_of_5_and_13_solution()[1]


@told("the first number is not that of coreset(points, keep)")
def largest_distances_mean(points, keep):
    "The mean distance, which greedy does not care for."
    drawn = torch.randperm(len(points), generator=torch.Generator().manual_seed(0))[:keep]
    both = (coreset(points, keep).tolist(), drawn.tolist())
    return tuple(float(torch.cdist(points, points[k]).min(1).values.mean()) for k in both)


@told("the first number is not that of coreset(points, keep)")
def largest_distances_reversed(points, keep):
    "(random, greedy)."
    return largest_distances_solution(points, keep)[::-1]


@told("the first number is not that of coreset(points, keep)")
def largest_distances_farthest(points, keep):
    "To the farthest memory, not to the nearest."
    drawn = torch.randperm(len(points), generator=torch.Generator().manual_seed(0))[:keep]
    both = (coreset(points, keep).tolist(), drawn.tolist())
    return tuple(float(torch.cdist(points, points[k]).max()) for k in both)


@told("the greedy choice takes the farthest point each time,")
def largest_distances_twice_greedy(points, keep):
    "The greedy choice twice."
    greedy = largest_distances_solution(points, keep)[0]
    return greedy, greedy


@told("is remembered already, and no news")
def next_one_first(apart):
    "Always the farthest from the first."
    return int(np.argmax(apart[:, 0]))


@told("is remembered already, and no news")
def next_one_last(apart):
    "The farthest from the last one: it goes back and forth."
    return int(np.argmax(apart[:, -1]))


@told("is remembered already, and no news")
def next_one_farthest(apart):
    "The distance to the farthest memory, not to the nearest."
    return int(np.argmax(apart.max(1)))


@told("is next")
def next_one_far_from_one(apart):
    "Far from any memory, near to another one; those that were taken are left out."
    return int(np.argmax(np.where(apart.min(1) > 0, apart.max(1), -1)))
