"Splits keep their promises: who stays together, which part gets whom, and what leaks."

from collections import Counter
from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from unet_explorer.contracts import InputError
from unet_explorer.splits import WAYS, Groups, TilePlace, date_in, groups_of, groups_within_parts
from unet_explorer.splits import leaks_in, looks_like_tiles, said_of, share_out, touching_tiles

QUICK = settings(max_examples=60, deadline=None)
LABELS = st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=40)
HELD = st.sampled_from([0, 0.1, 0.2, 0.3])
STRANGE = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12)


def complaint(f, *args, **kwargs):
    with pytest.raises(InputError) as e:
        f(*args, **kwargs)
    return str(e.value)


def by_hand(labels):
    return Groups(labels, "letters", list(dict.fromkeys(labels)))


def mosaic(rows, columns, name="a"):
    return [f"{name}_r{r:03}_c{c:03}" for r in range(rows) for c in range(columns)]


def names_in(names, shares):
    return {part: [names[i] for i in rows] for part, rows in shares.parts.items()}


def check_shares(found, shares, n):
    "Every row once, in a part or left out; no part empty; no group in two parts."
    rows = [i for of in shares.parts.values() for i in of] + shares.left_out
    assert sorted(rows) == list(range(n)) and all(shares.parts.values())
    assert all(of == sorted(of) for of in shares.parts.values())
    where = {}
    for part, of in shares.parts.items():
        for i in of:
            where.setdefault(found.groups[i], set()).add(part)
    assert all(len(parts) == 1 for parts in where.values())


# --- which part gets whom ----------------------------------------------------------------------


@given(labels=LABELS, valid=HELD, test=HELD)
@QUICK
def test_whole_groups_every_row_and_nearly_the_share(labels, valid, test):
    found, sizes = by_hand(labels), Counter(labels)
    try:
        shares = share_out(found, valid, test)
    except InputError as e:
        assert len(sizes) < 1 + (valid > 0) + (test > 0) and "cannot be split" in str(e)
        return
    check_shares(found, shares, len(labels))
    assert not shares.left_out and not shares.short
    for part, share in (("valid", valid), ("test", test)):
        got = len(shares.parts.get(part, ()))
        assert (got > 0) == (share > 0)
        assert abs(got - share * len(labels)) <= max(sizes.values()), "a group more would be nearer"


def test_the_last_groups_are_held_out_and_a_share_is_met():
    found = by_hand([g for g in "abcdefghij" for _ in range(3)])
    parts = share_out(found, 0.2, 0.2).parts
    assert parts == dict(train=list(range(18)), valid=list(range(18, 24)), test=list(range(24, 30)))
    assert share_out(found, 0.2, 0).parts.keys() == {"train", "valid"}
    near = share_out(by_hand(list("aaaaaaabbc")), 0, 0.25).parts
    assert near["test"] == [7, 8, 9], "3 of 10 are nearer to a quarter than 1"


def test_few_groups_do_without_a_test_part_unless_it_is_asked_for():
    two = by_hand(list("ab"))
    assert share_out(two).short and "too few groups for a part test" in said_of(share_out(two), two)
    assert "into 3 parts" in complaint(share_out, two, 0.2, 0.2)
    assert not share_out(by_hand(list("abc"))).short


def test_parts_that_were_there_stay():
    found = by_hand(["train/a", "train/b", "test/a"])
    own = {"train/a": "train", "train/b": "train", "test/a": "test"}
    shares = share_out(found._replace(what="subfolders"), own=own)
    assert shares.parts == dict(train=[0], valid=[1], test=[2]) and shares.taken == ["valid"]
    note = said_of(shares, found._replace(what="subfolders"), own=True)
    assert "valid was taken from train; a is in train and in another part" in note


# --- who stays together ------------------------------------------------------------------------


@given(names=st.lists(STRANGE, max_size=12), way=st.sampled_from(sorted(WAYS)))
@QUICK
def test_names_of_strangers_get_groups_or_a_line(names, way):
    "Unicode, no numbers, blanks, slashes: a group for each, or one line that names the word."
    try:
        found = groups_of(names, way)
    except InputError as e:
        assert f"split_by='{way}'" in str(e) and "\n" not in str(e)
        return
    assert len(found.groups) == len(names) and set(found.order) == set(found.groups)
    assert len(found.order) == len(set(found.order)) and found == groups_of(names, way)


@pytest.mark.parametrize(
    "names, groups",
    [
        ("spot5_0d_3 spot5_180d_2 spot1_0d_0", "spot5 spot5 spot1"),
        ("fly_3_012 fly_3_013 fly_4_001", "fly_3 fly_3 fly_4"),
        ("a1 a2 b1 b2", "a a b b"),
        ("Käfer1-links Käfer1-rechts Käfer2-links", "Käfer1 Käfer1 Käfer2"),
        ("试样1_1 试样1_2 试样2_1", "试样1 试样1 试样2"),
        ("w1/x w1/y w2/x", "w1 w1 w2"),
        ("s1_page0000 s1_page0001 t1_page0000 t1_page0001 s2_page0000", "s s t t s"),
    ],
)
def test_specimens_are_what_names_begin_with(names, groups):
    found = groups_of(names.split(), "specimen")
    assert found.groups == groups.split()


def test_names_that_tell_no_specimens_apart_are_refused():
    for names in (["img1", "img2", "img3"], ["a"], ["x", "y"], ["", "_"], ["a_b_1", "a_c_1"]):
        assert "tells specimens apart" in complaint(groups_of, names, "specimen")


@pytest.mark.parametrize(
    "name, day",
    [
        ("2026-03-14_a", date(2026, 3, 14)),
        ("lot7_20260314", date(2026, 3, 14)),
        ("scan20260314T0930_2", date(2026, 3, 14)),
        ("20260314093015", date(2026, 3, 14)),
        ("2026/03/14/a", date(2026, 3, 14)),
        ("2026_03_14", date(2026, 3, 14)),
        ("2026-03-14/b_2026-03-15", date(2026, 3, 15)),
        ("2026-02-30", None),
        ("20261399", None),
        ("120260314", None),
        ("2026-0314", None),
        ("img_0042", None),
    ],
)
def test_a_day_in_a_name(name, day):
    assert date_in(name) == day


def test_the_newest_days_are_the_test():
    names = [f"{d}_{i}" for d in ("2026-03-02", "20260301", "2025-12-31") for i in "ab"]
    found = groups_of(names, "date")
    parts = share_out(found, 0.3, 0.3).parts
    assert parts == dict(train=[4, 5], valid=[2, 3], test=[0, 1])
    assert "says two days" in complaint(groups_of, ["2026-01-01_2026-01-02"], "date")
    text = complaint(groups_of, [*names, "late"], "date")
    assert "1 of 7 pictures have no date" in text and "first: late" in text
    found = groups_of([*names, "late"], "date", dates=[None] * 6 + [date(2027, 1, 1)])
    assert found.order[-1] == "2027-01-01" and "names and headers" in found.what
    one = groups_of(["2026-03-02_a", "2026-03-02_b"], "date")
    assert "2 images of 1 day cannot" in complaint(share_out, one, split_by="date")


def test_chance_is_of_the_seed():
    names = [f"n{i}" for i in range(30)]
    a, b = groups_of(names, "random", seed=1), groups_of(names, "random", seed=2)
    assert a == groups_of(names, "random", seed=1) and a.order != b.order
    assert [len(of) for of in share_out(a).parts.values()] == [18, 6, 6]


def test_a_word_that_is_none_gets_the_words_there_are():
    assert all(word in complaint(groups_of, ["a", "b"], "specimens") for word in WAYS)


# --- tiles -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "form",
    ["tile_r{r:03}_c{c:03}", "row{r}col{c}", "m_{r}_{c}", "C{c}-R{r}_z07", "y{r}x{c}", "{r}x{c}"],
)
def test_places_are_read_in_the_ways_people_write_them(form):
    names = [form.format(r=r, c=c) for r in range(4) for c in range(6)]
    found = groups_of(names, "tiles")
    assert looks_like_tiles(names) and len({p.mosaic for p in found.places}) == 1
    assert [(p.down, p.right) for p in found.places] == [(r, c) for r in range(4) for c in range(6)]
    assert [found.order.index(g) for g in found.groups[:6]] == [*range(6)], "lines are columns"


def test_pixels_reach_as_far_as_a_tile_is_large():
    names = [f"x{x:04}_y{y:04}" for y in range(0, 640, 64) for x in range(0, 320, 64)]
    by_size = groups_of(names, "tiles", size=(128, 128)).places
    by_step = groups_of(names, "tiles").places
    assert [p.down for p in by_size[::5]] == [n / 2 for n in range(10)]
    assert [p.down for p in by_step[::5]] == [*range(10)]
    far = touching_tiles(by_size, by_size[:5])
    assert far == [True] * 15 + [False] * 35, "two lines overlap or touch, the third does not"


@given(
    rows=st.integers(1, 9),
    columns=st.integers(1, 9),
    mosaics=st.integers(1, 3),
    step=st.sampled_from([1, 64, 128]),
    drop=st.sets(st.integers(0, 30), max_size=6),
    test=HELD,
)
@QUICK
def test_no_two_parts_touch(rows, columns, mosaics, step, drop, test):
    "Checked tile by tile, by the numbers that were written into the names."
    spots = [
        (m, r * step, c * step) for m in range(mosaics) for r in range(rows) for c in range(columns)
    ]
    spots = [spot for i, spot in enumerate(spots) if i not in drop]
    names = [f"m{m}_r{r}_c{c}" for m, r, c in spots]
    if not names:
        return
    found = groups_of(names, "tiles", size=(100, 100))
    try:
        shares = share_out(found, 0.2, test, split_by="tiles")
    except InputError as e:
        assert "that do not touch" in str(e)
        return
    check_shares(found, shares, len(names))
    reach = 1 if step == 1 or max(rows, columns) == 1 else 100
    for a, b in ((a, b) for a in shares.parts for b in shares.parts if a < b):
        for i in shares.parts[a]:
            for j in shares.parts[b]:
                (m, r, c), (n, y, x) = spots[i], spots[j]
                assert m != n or max(abs(r - y), abs(c - x)) > reach, (names[i], names[j])
    assert not [k for k in leaks_in(names_in(names, shares), "tiles", size=(100, 100))]


def test_what_is_left_out_is_counted_and_the_shares_are_near():
    names = mosaic(10, 20)
    found = groups_of(names, "tiles")
    shares = share_out(found)
    assert {p: len(of) for p, of in shares.parts.items()} == dict(train=100, valid=40, test=40)
    assert len(shares.left_out) == 20 and "left out: 20 tiles that touch" in said_of(shares, found)


def test_tiles_without_places_and_mosaics_too_small_get_a_line():
    assert "b says no place" in complaint(groups_of, ["a_r1_c1", "b"], "tiles")
    small = groups_of(mosaic(2, 3), "tiles")
    assert share_out(small).short, "three columns: one for validation, one between, one to train"
    assert "6 tiles in 3 lines" in complaint(share_out, small, 0.2, 0.2, split_by="tiles")


def test_focus_and_pages_of_a_tile_lie_in_one_place():
    names = [f"{n}_z0{z}" for n in mosaic(3, 5) for z in range(3)]
    pages = [f"{n}_page000{z}" for n in mosaic(3, 5) for z in range(3)]
    for every in (names, pages):
        found = groups_of(every, "tiles")
        assert len(found.order) == 5 and len({p.mosaic for p in found.places}) == 1


def test_numbers_that_are_no_mosaic_do_not_look_like_one():
    for names in (
        ["spot5_0d_3", "spot5_180d_2"],
        [f"wafer_{i}_{3 * i}" for i in range(9)],
        [f"img_{i}" for i in range(9)],
        ["a_1_1", "a_1_1"],
        [],
    ):
        assert not looks_like_tiles(names)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=30))
@QUICK
def test_touching_is_what_a_loop_finds(spots):
    places = [TilePlace("ab"[(r + c) % 2], r / 2, c / 3) for r, c in spots]
    some, others = places[::2], places[1::2]
    slow = [
        any(
            p.mosaic == q.mosaic and max(abs(p.down - q.down), abs(p.right - q.right)) < 1.001
            for q in others
        )
        for p in some
    ]
    assert touching_tiles(some, others) == slow


# --- leaks -------------------------------------------------------------------------------------


def test_leaks_are_found_and_said():
    names = dict(train=["s1_a", "s2_a"], valid=["s2_b"], test=["s1_b", "s3_a", "s2_a"])
    found = {(k.part, k.other, k.how): k for k in leaks_in(names, "specimen")}
    assert found["train", "test", "name"].rows == ["s2_a"]
    assert found["train", "test", "group"].rows == ["s1_b", "s2_a"]
    assert found["valid", "test", "group"].rows == ["s2_a"]
    said = str(found["train", "test", "group"])
    assert said == "2 of 3 in test have their group in train (s1)"
    assert leaks_in(dict(train=["a_1", "a_2"], test=["b_1", "b_2"]), "specimen") == []


def test_by_itself_groups_are_asked_and_tiles_are_recognised():
    names = mosaic(4, 6)
    chance = names_in(names, share_out(groups_of(names, "random")))
    assert {k.how for k in leaks_in(chance)} == {"touching"}
    fair = names_in(names, share_out(groups_of(names, "tiles"), test=0))
    assert leaks_in(fair) == []
    block = names_in(names, share_out(groups_of(names, "block"), test=0))
    assert [k.how for k in leaks_in(block)] == ["touching"], "runs of files touch at their ends"
    groups = {part: ["one"] * len(of) for part, of in fair.items()}
    assert {k.how for k in leaks_in(fair, groups=groups)} == {"group"}


@given(labels=LABELS, seed=st.integers(0, 9))
@QUICK
def test_every_way_passes_the_check_that_belongs_to_it(labels, seed):
    names = [f"{g}{i}_x" for i, g in enumerate(labels)]
    for way in ("folder", "specimen", "block", "file", r"^(\w)", "auto"):
        try:
            shares = share_out(groups_of(names, way, seed=seed), 0.2, 0)
        except InputError:
            continue
        assert leaks_in(names_in(names, shares), way) in ([], None) or way == "specimen"


def test_a_folder_with_parts_has_groups_within_them():
    names = [f"{part}/w{i}/a" for part in ("train", "test") for i in (1, 2)]
    groups, how = groups_within_parts(names)
    assert groups == ["train/w1", "train/w2", "test/w1", "test/w2"]
    assert how == dict(groups="subfolders", parts={g: g.partition("/")[0] for g in groups})
    assert "parts" not in groups_within_parts(["train/a", "train/b"])[1]


# --- through the doors -------------------------------------------------------------------------


def lay(folder, names, save=Image.Image.save):
    "Pictures of 16 x 16 pixels and their masks."
    rng = np.random.default_rng(0)
    for name in names:
        for part, top in (("images", 256), ("masks", 2)):
            path = folder / part / f"{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, top, (16, 16), dtype=np.uint8)).save(path)
    return folder


def test_a_folder_of_tiles_is_split_by_neighbourhood_and_judged(tmp_path):
    from unet_explorer.data import leaks, load
    from unet_explorer.rows import meta

    names = [f"scan_x{x:03}_y{y:03}" for x in range(0, 128, 8) for y in range(0, 32, 8)]
    d = lay(tmp_path, names)
    fair, chance, itself = (load(d, split_by=way) for way in ("tiles", "random", "auto"))
    assert leaks(fair) == [] and "left out: 16 tiles" in meta(fair)["notes"][-1]
    assert sum(map(len, fair.values())) == 48
    assert {leak.how for leak in leaks(chance)} == {"touching", "group"}
    assert "the score will flatter" in meta(chance)["notes"][-1]
    assert "split_by='tiles' leaves out" in meta(itself)["notes"][-1]
    assert leaks(itself) and "tiles" in str(leaks(itself)[0])


def test_days_come_from_headers_where_names_say_none_and_never_from_the_clock(tmp_path):
    import tifffile

    from unet_explorer.data import load
    from unet_explorer.rows import meta

    days = ["2026:03:02 10:00:00", "2026:03:03 10:00:00", "2026:03:01 10:00:00"]
    lay(tmp_path, "abc")
    for name, day in zip("abc", days):
        (tmp_path / f"images/{name}.png").unlink()
        page = np.zeros((16, 16), np.uint16)
        page[3:7] = 900
        tifffile.imwrite(tmp_path / f"images/{name}.tif", page, datetime=day)
    parts = load(tmp_path, split_by="date")
    assert [parts[p]["name"][:] for p in ("train", "valid", "test")] == [["c"], ["a"], ["b"]]
    assert "days (headers" in meta(parts)["notes"][-1]
    lay(tmp_path, "d")
    assert "1 of 4 pictures have no date" in complaint(load, tmp_path, split_by="date")


def test_a_photograph_says_when_it_was_taken(tmp_path):
    from unet_explorer.headers import taken_on

    exif = Image.Exif()
    exif[306] = "2026:05:05 08:00:00"
    Image.new("L", (8, 8)).save(tmp_path / "a.jpg", exif=exif)
    assert taken_on(tmp_path / "a.jpg") == date(2026, 5, 5)
    exif.get_ifd(34665)[36867] = "2026:05:04 08:00:00"
    Image.new("L", (8, 8)).save(tmp_path / "b.jpg", exif=exif)
    assert taken_on(tmp_path / "b.jpg") == date(2026, 5, 4)
    exif[306] = "0000:00:00 00:00:00"
    del exif.get_ifd(34665)[36867]
    Image.new("L", (8, 8)).save(tmp_path / "c.jpg", exif=exif)
    (tmp_path / "d.tif").write_bytes(b"II*\0cut")
    for name in ("c.jpg", "d.tif", "none.png"):
        assert taken_on(tmp_path / name) is None


def test_the_help_lists_every_word(capsys):
    from unet_explorer.cli import main

    with pytest.raises(SystemExit):
        main(["train", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    line = said[said.index("--split-by SPLIT_BY") :][:160]
    assert all(word in line for word in WAYS)
