@told("one result would replace the other")
def name_of_result_same_file(file, files):
    "Whole names are counted: these never meet."
    short = Path(file).stem
    meets = files.count(file) > 1
    return file if meets else short


@told("wafer2 meets no other name: the suffix goes")
def name_of_result_itself(file, files):
    "The file itself is among the files."
    short = Path(file).stem
    meets = short in [Path(name).stem for name in files]
    return file if meets else short


@told("both that meet keep their suffix, also the first")
def name_of_result_second_only(file, files):
    "Only what comes before is looked at."
    short = Path(file).stem
    meets = short in [Path(name).stem for name in files[: files.index(file)]]
    return file if meets else short


@told("the order of the numbers; but a minus is no part of a")
def focus_order_by_number():
    "The order of the numbers that a person reads."
    return ["z-1.5", "z-0.5", "z0.5"]


@told("compare the parts one by one")
def focus_order_by_letters():
    "The order of plain text."
    return ["z-0.5", "z-1.5", "z0.5"]


@told("a list of these three names")
def focus_order_two_names():
    "A name is left out."
    return ["z-0.5", "z0.5"]


@told("both that meet get longer, b stays")
def result_names_stems(files):
    "Two files get the same name."
    return [Path(f).stem for f in files]


@told("both that meet get longer, b stays")
def result_names_second_only(files):
    "Only the later one of two gets longer."
    seen, names = set(), []
    for f in files:
        short = Path(f).stem
        names.append(f if short.casefold() in seen else short)
        seen.add(short.casefold())
    return names


@told("on many disks A and a are the same file")
def result_names_case(files):
    "A and a are taken for two names."
    short = [Path(f).stem for f in files]
    return [s if short.count(s) == 1 else f for s, f in zip(short, files)]


@told("a capital alone is no reason for a suffix")
def result_names_small_letters(files):
    "A capital alone gets a suffix: counted in small letters, and looked up as written."
    met = Counter(Path(f).stem.casefold() for f in files)
    return [Path(f).stem if met[Path(f).stem] == 1 else f for f in files]


@told("only the last suffix goes")
def result_names_first_dot(files):
    "All that stands behind the first dot is cut off."
    short = [f.split(".")[0] for f in files]
    met = Counter(s.casefold() for s in short)
    return [s if met[s.casefold()] == 1 else f for s, f in zip(short, files)]


@told("this one is grey: its channels agree at every pixel")
def fools_the_mean_grey():
    "A grey picture has equal means, but fools nobody."
    return torch.rand(1, 4, 4).expand(3, 4, 4)


@told("the three means must be equal")
def fools_the_mean_random():
    "Random colours have different means."
    return torch.rand(3, 4, 4)


@told("(3, 4, 4) in [0, 1]")
def fools_the_mean_too_bright():
    "Values above 1."
    stripes = 2 * (torch.arange(4) % 2).float().expand(4, 4)
    return torch.stack([stripes, 2 - stripes, stripes])
