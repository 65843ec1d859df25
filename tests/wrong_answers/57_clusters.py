@told("b, c, a came in; a, b, c must come out")
def in_order_as_they_come(names, coming):
    "The order in which answers come."
    yield from coming


@told("the first was enough")
def in_order_all_first(names, coming):
    "All answers are waited for."
    early = dict(coming)
    for name in names:
        yield name, early[name]


@told("b was done twice, but counts once")
def objects_in_all_sum(answers):
    "Each pair counts."
    return sum(n for _, n in answers)


@told("two pictures with 3 objects each are 6")
def objects_in_all_set(answers):
    "Each number counts once."
    return sum({n for _, n in answers})


@told("the caller takes 200 a second")
def per_second_no_limit(n, p, c):
    "The caller is forgotten."
    return n / p


@told("makes 2 a second")
def per_second_one_after_the_other(n, p, c):
    "As if the caller waited for the workers."
    return n / (p + c)


@told("the caller has time to spare")
def per_second_larger(n, p, c):
    "One worker is left alone; else the larger rate wins."
    return 1 / p if n == 1 else max(n / p, 1 / c)


@told("are one day")
def days_seconds(size, side, rate, cores):
    "Seconds."
    return size / side**2 / (rate * cores)


@told("are one day")
def days_side(size, side, rate, cores):
    "A picture has as many bytes as its side is long."
    return size / side / (rate * cores) / 86_400


@told("a petabyte, 512 x 512")
def days_one_core(size, side, rate, cores):
    "One core."
    return size / side**2 / rate / 86_400
