@told("the two lines have 2/3, not 1.000")
def f1_of_sets_of_found(found, wanted):
    "Divides by what was found, as the precision does."
    return len(found & wanted) / len(found)


@told("the two lines have 2/3, not 0.500")
def f1_of_sets_recall(found, wanted):
    "The recall alone."
    return len(found & wanted) / len(wanted)


@told("is asked for")
def train_letters_too_slow(net):
    "A learning rate at which nothing moves."
    fit_batches(net, windows(row, signs), F.cross_entropy, steps=10, lr=1e-7)


@told("not one break is right")
def train_letters_without_signs(net):
    "Learns that nothing stands behind a letter."
    fit_batches(net, windows(row, 0 * signs), F.cross_entropy, steps=20, lr=0.01)


@told("0.4 is the F1 of words; count the places of breaks")
def break_f1_of_words(guess, truth):
    "Whole words are compared."
    a, b = guess.split(), truth.split()
    both = len(set(a) & set(b))
    return 2 * both / (len(a) + len(b))


@told("0.8 counts the end of the line, or the places where")
def break_f1_end_too(guess, truth):
    "The end of the line counts as a break."
    sets = [
        {len("".join(w[: k + 1])) for k in range(len(w))} for w in (guess.split(), truth.split())
    ]
    return 2 * len(sets[0] & sets[1]) / (len(sets[0]) + len(sets[1]))


@told("0.5 is the precision alone: one of two breaks set is")
def break_f1_precision(guess, truth):
    "The precision alone."
    sets = [{len("".join(w[:k])) for k in range(1, len(w))} for w in (guess.split(), truth.split())]
    return len(sets[0] & sets[1]) / max(len(sets[0]), 1) if sets[0] else 1.0


@told("0.75 is the plain mean of P and R; F1 is 2PR/(P + R)")
def break_f1_plain_mean(guess, truth):
    "The plain mean of precision and recall."
    a, b = ({len("".join(w[:k])) for k in range(1, len(w))} for w in (guess.split(), truth.split()))
    return (len(a & b) / max(len(a), 1) + len(a & b) / max(len(b), 1)) / 2 if a or b else 1.0


@told("It stopped with ZeroDivisionError")
def break_f1_no_breaks(guess, truth):
    "Where neither line has a break, it divides by zero."
    a, b = ({len("".join(w[:k])) for k in range(1, len(w))} for w in (guess.split(), truth.split()))
    return 2 * len(a & b) / (len(a) + len(b))


@told("as many breaks, all in the wrong place: 0")
def break_f1_how_many(guess, truth):
    "How many breaks, wherever they are."
    a, b = guess.count(" "), truth.count(" ")
    return 2 * min(a, b) / (a + b) if a + b else 1.0


@told("one level sees 18 letters")
def levels_for_doubling(n):
    "Each level doubles, as if there were no convolutions."
    return max(1, math.ceil(math.log2(n)))


@told("one level sees 18 letters")
def levels_for_more_than(n):
    "More than n letters, not at least n."
    levels = 1
    while 13 * 2**levels - 8 <= n:
        levels += 1
    return levels


@told("one level is the least")
def levels_for_from_zero(n):
    "No level at all is taken for an answer."
    levels = 0
    while 13 * 2**levels - 8 < n:
        levels += 1
    return levels


@told("`them` is the longest start, and a dead end")
def fewest_longest_first(letters, words):
    "Always the longest word that fits."
    found = []
    while letters:
        fitting = [w for w in words if letters.startswith(w)]
        if not fitting:
            return None
        found.append(max(fitting, key=len))
        letters = letters[len(found[-1]) :]
    return found


@told("one word is fewer than two")
def fewest_shortest_first(letters, words):
    "The first way that works, beginning with short words."
    best = [[]]
    for end in range(1, len(letters) + 1):
        starts = [s for s in range(end) if best[s] is not None and letters[s:end] in words]
        best.append([*best[starts[-1]], letters[starts[-1] : end]] if starts else None)
    return best[-1]


@told("return a list")
def fewest_as_text(letters, words):
    "A text, not a list."
    found = fewest_solution(letters, words)
    return None if found is None else " ".join(found)


@told("z is in no word")
def fewest_empty(letters, words):
    "An empty list, where there is no way."
    return fewest_solution(letters, words) or []


@told("return a list")
def fewest_how_many(letters, words):
    "The number of words."
    found = fewest_solution(letters, words)
    return None if found is None else len(found)
