@told("each piece was compared with itself")
def nearest_other_itself(values, owners):
    "The nearest of all is the piece itself."
    return np.abs(values[:, None] - values[None]).min(1)


@told("its defect has excused itself")
def nearest_other_same_picture(values, owners):
    "Only the piece itself is left out, not the others of its picture."
    apart = np.abs(values[:, None] - values[None])
    np.fill_diagonal(apart, np.inf)
    return apart.min(1)


@told("a difference has no sign")
def nearest_other_signed(values, owners):
    "The smallest difference, not the smallest absolute one."
    apart = values[:, None] - values[None]
    return np.where(owners[:, None] == owners, np.inf, apart).min(1)


@told("it is 3.8 away")
def nearest_other_farthest(values, owners):
    "The largest difference."
    apart = np.abs(values[:, None] - values[None])
    return np.where(owners[:, None] == owners, -np.inf, apart).max(1)


@told("only one of them is that of the twin")
def enough_to_hide_twins(n, share):
    "Two are always enough."
    return 2


@told("a second defect excuses the first")
def enough_to_hide_half(n, share):
    "Half of the lot."
    return n // 2 + 1


@told("only one of them is that of the twin")
def enough_to_hide_without_itself(n, share):
    "So many twins; the defect itself is forgotten."
    return max(int(np.ceil(share * (n - 1))), 2)


@told("would hide at")
def enough_to_hide_of_all(n, share):
    "The share of all n, not of the n - 1 others."
    return int(np.ceil(share * n)) + 1


@told("twenty misses do not prove")
def still_possible_nothing(n):
    "None was seen, so there is none."
    return 0.0


@told("at that share none of twenty is flagged in 36 % of cases")
def still_possible_one_of_n(n):
    "One in n."
    return 1 / n


@told("not 5 %")
def still_possible_three(n):
    "The rule of three, 3 / n: near, but for large n only."
    return min(3 / n, 1.0)


@told("not 5 %")
def still_possible_wrong_end(n):
    "The share at which all n are flagged in 5 % of cases."
    return 0.05 ** (1 / n)


@told("the twin alone must not excuse")
def how_odd_rounded(values, i, share=0.3):
    "Rounded to the nearest whole number, not up."
    apart = np.sort(np.abs(np.delete(values, i) - values[i]))
    return apart[: max(1, round(share * len(apart)))].mean()


@told("the 80 of above has 27.5")
def how_odd_of_all(values, i, share=0.3):
    "The die itself is counted among the others."
    apart = np.sort(np.abs(np.delete(values, i) - values[i]))
    return apart[: int(np.ceil(share * len(values)))].mean()


@told("the 80 of above has 27.5")
def how_odd_nearest(values, i, share=0.3):
    "The nearest one alone."
    apart = np.sort(np.abs(np.delete(values, i) - values[i]))
    return apart[:1].mean()


@told("the 80 of above has 27.5")
def how_odd_everyone(values, i, share=0.3):
    "All of them."
    apart = np.sort(np.abs(np.delete(values, i) - values[i]))
    return apart.mean()
