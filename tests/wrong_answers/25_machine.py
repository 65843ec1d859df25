@told("700 of the 1,500 bytes would be given back at")
def room_in_no_cache(allowed, used, cached):
    "Cached files are taken for used."
    left = allowed - used
    return max(0, left)


@told("3,200, not 1800")
def room_in_cache_twice(allowed, used, cached):
    "Cached files are taken away twice."
    left = allowed - used - cached
    return max(0, left)


@told("without cached files it is what is allowed minus")
def room_in_only_cache(allowed, used, cached):
    "Only what is given back may be taken."
    left = cached
    return max(0, left)


@told("that takes all of the memory; only half of it may be")
def largest_side_all_memory(free, per_pixel, share):
    "The share is forgotten."
    return math.isqrt(int(free / per_pixel)) // 32 * 32


@told("1511 would fit, but it is no multiple of 32")
def largest_side_any_side(free, per_pixel, share):
    "No multiple of 32."
    return math.isqrt(int(free * share / per_pixel)) if free * share >= 1024 * per_pixel else 0


@told("a picture has two sides: take the square root of the")
def largest_side_no_root(free, per_pixel, share):
    "The number of pixels is taken for the side."
    pixels = int(free * share / per_pixel)
    return pixels // 32 * 32 if pixels > 10**6 else math.isqrt(pixels) // 32 * 32


@told("one byte less, and it does not fit any more")
def largest_side_at_least_32(free, per_pixel, share):
    "The smallest side, even where it does not fit."
    return max(32, math.isqrt(int(free * share / per_pixel)) // 32 * 32)


@told("a whole number")
def largest_side_as_float(free, per_pixel, share):
    "A side of 1504.0 pixels."
    return (free * share / per_pixel) ** 0.5 // 32 * 32


@told("the job's own group would allow it, the outermost does")
def room_own_group(groups):
    "Only the job's own group is asked."
    allowed, used = groups[0]
    return math.inf if allowed is None else max(0, allowed - used)


@told("the job's own group would allow it, the outermost does")
def room_tightest_limit(groups):
    "The smallest limit, whatever is in use in it."
    limits = [(allowed, used) for allowed, used in groups if allowed is not None]
    return max(0, min(limits)[0] - min(limits)[1]) if limits else math.inf


@told("more in use than allowed: nothing is left, not less")
def room_below_zero(groups):
    "Less than nothing is left."
    return min((a - used for a, used in groups if a is not None), default=math.inf)


@told("a group without a limit does not lift that inside")
def room_outermost(groups):
    "Only the outermost group is asked, though it may have no limit."
    allowed, used = groups[-1]
    return math.inf if allowed is None else max(0, allowed - used)


@told("'label' only begins like the host: compare whole words")
def harmless_part_of_a_word(facts, home, host):
    "The host's name is looked for inside of words."
    return {k: v for k, v in facts.items() if home not in v and host not in v}


@told("the home folder stands inside a longer path")
def harmless_whole_value(facts, home, host):
    "Only values that are the home folder, and nothing else."
    return {k: v for k, v in facts.items() if home != v and host not in v.split()}


@told("the home folder stands inside a longer path")
def harmless_keys(facts, home, host):
    "The names of the facts are searched, not what they say."
    return {k: v for k, v in facts.items() if home not in k and host not in k}


@told("the home folder stands inside a longer path")
def harmless_emptied(facts, home, host):
    "The fact stays, and loses its value."
    return {k: v if home not in v and host not in v.split() else "" for k, v in facts.items()}
