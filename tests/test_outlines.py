"""Outlines in and out: files as the programs write them, the pixels inside, and what is said."""

import base64
import copy
import io
import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image
from skimage.draw import polygon as skimage_polygon

from unet_explorer import outlines
from unet_explorer.contracts import InputError
from unet_explorer.data import load_pairs, meta, sample
from unet_explorer.images import save_image, save_mask
from unet_explorer.outlines import (
    Drawing,
    Shape,
    class_numbers,
    covered,
    painted,
    polygon,
    read_outlines,
    rings,
    rle_mask,
)

SQUARE = [2, 1, 6, 1, 6, 5, 2, 5]  # columns 2 to 5, rows 1 to 4
HOLE = [3, 2, 5, 2, 5, 4, 3, 4]  # columns 3 and 4, rows 2 and 3
MASKS = arrays.arrays(bool, st.tuples(st.integers(1, 14), st.integers(1, 14)))


def square(value=1, h=8, w=10):
    mask = np.zeros((h, w), int)
    mask[1:5, 2:6] = value
    return mask


def filled(points, h, w):
    "The pixels inside one ring."
    ring = np.asarray(points, float).reshape(-1, 2)
    rows, cols, inside = covered(Shape("x", [[ring]]), (h, w))
    mask = np.zeros((h, w), bool)
    mask[rows, cols] = inside
    return mask


def pictures(folder, *names, h=8, w=10):
    for name in names:
        save_image(folder / name, torch.full((1, h, w), 0.5))
    return folder


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def coco(*annotations, images=("a.png",), names=("cell",), **of_image):
    "A file as CVAT and pycocotools write it; category ids begin at 7 and have a gap."
    image = dict(width=10, height=8, license=0, flickr_url="", date_captured=0)
    return dict(
        info=dict(contributor="", date_created="", description="", url="", version="", year=""),
        licenses=[dict(name="", id=0, url="")],
        categories=[
            dict(id=7 + 2 * k, name=name, supercategory="") for k, name in enumerate(names)
        ],
        images=[dict(id=10 + i, file_name=n) | image | of_image for i, n in enumerate(images)],
        annotations=[
            dict(id=i, image_id=10, category_id=7, iscrowd=0, attributes={}, **a)
            if "image_id" not in a
            else a
            for i, a in enumerate(annotations, start=1)
        ],
    )


def drawn(*shapes, path="a.png", **more):
    "A file as labelme 5 writes it."
    usual = dict(group_id=None, description="", flags={}, mask=None)
    return dict(
        version="5.5.0",
        flags={},
        shapes=[usual | shape for shape in shapes],
        imagePath=path,
        imageData=base64.b64encode(b"the picture, once more").decode(),
        imageHeight=8,
        imageWidth=10,
    ) | dict(more)


def shape(label, points, kind="polygon", **more):
    return dict(label=label, points=np.reshape(points, (-1, 2)).tolist(), shape_type=kind) | more


def feature(coordinates, name=None, kind="Polygon", object_type="annotation", **classification):
    "An object as QuPath 0.5 writes it."
    properties = dict(objectType=object_type)
    if name:
        properties["classification"] = dict(name=name, color=[200, 0, 0]) | classification
    return dict(
        type="Feature",
        id="6b3b2a1c-54a5-4b1f-a6a8-0e7f4b6c7d11",
        geometry=dict(type=kind, coordinates=coordinates),
        properties=properties,
    )


def closed(numbers):
    points = np.reshape(numbers, (-1, 2)).tolist()
    return [*points, points[0]]


def one(tmp_path, content, name="a.json", h=8, w=10, classes=None):
    "The mask of a picture a.png and a file of outlines beside it, the classes, and the notes."
    pictures(tmp_path, "a.png", h=h, w=w)
    write(tmp_path / name, content)
    ds = load_pairs(tmp_path, classes=classes)
    return sample(ds, 0)[1].numpy(), meta(ds)["classes"], meta(ds)["notes"]


def complaint(f, *args, **kwargs):
    with pytest.raises(InputError) as e:
        f(*args, **kwargs)
    assert "\n" not in str(e.value)
    return str(e.value)


# --- which pixels are inside -------------------------------------------------------------------


def test_middles_of_pixels_decide():
    assert np.array_equal(filled(SQUARE, 8, 10), square())
    assert filled([0.4, 0, 2.6, 0, 2.6, 1, 0.4, 1], 1, 4).tolist() == [[True, True, True, False]]
    assert filled([0.6, 0, 2.4, 0, 2.4, 1, 0.6, 1], 1, 4).tolist() == [[False, True, False, False]]


@pytest.mark.parametrize("seed", range(20))
def test_inside_is_that_of_skimage(seed):
    points = np.random.default_rng(seed).uniform(-5, 45, (3 + seed % 6, 2))
    wanted = np.zeros((40, 38), bool)
    wanted[skimage_polygon(points[:, 1] - 0.5, points[:, 0] - 0.5, wanted.shape)] = True
    assert np.array_equal(filled(points, 40, 38), wanted)


@pytest.mark.parametrize("seed", range(10))
def test_neighbours_share_no_pixel_and_leave_none_out(seed):
    "Triangles around a point tile a square, also where their sides run through middles."
    rng = np.random.default_rng(seed)
    middle = rng.integers(1, 39, 2) + rng.choice([0, 0.5, rng.random()])
    corners = np.array([(0, 0), (20, 0), (40, 0), (40, 40), (0, 40), (0, 13)], float)
    count = sum(
        filled([*a, *b, *middle], 40, 40).astype(int)
        for a, b in zip(corners, np.roll(corners, -1, axis=0))
    )
    assert (count == 1).all()


def test_area_of_a_disc_is_that_of_the_formula(tmp_path):
    content = drawn(shape("c", [100, 100, 160, 100], "circle"), imageHeight=200, imageWidth=200)
    mask, *_ = one(tmp_path, content, h=200, w=200)
    assert abs(mask.sum() / (np.pi * 60**2) - 1) < 2e-3
    assert mask[100, 158] == 1 and mask[100, 161] == 0


def test_against_pycocotools():
    coco_mask = pytest.importorskip("pycocotools.mask")
    rng = np.random.default_rng(0)
    for _ in range(40):
        h, w = (int(n) for n in rng.integers(1, 50, 2))
        mask = rng.random((h, w)) < rng.random()
        rle = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
        text = dict(size=[h, w], counts=rle["counts"].decode())
        assert np.array_equal(rle_mask(text), mask)
        assert np.array_equal(rle_mask(text | dict(counts=rle["counts"])), mask)
        runs = np.diff(np.flatnonzero(np.diff(np.r_[2, mask.T.ravel(), 2])))
        runs = [0] * bool(mask[0, 0]) + runs.tolist()
        assert np.array_equal(rle_mask(dict(size=[h, w], counts=runs)), mask)
        left, top = (int(n) for n in rng.integers(0, 20, 2))
        corners = [left, top, left + 9, top, left + 9, top + 5, left, top + 5]
        theirs = coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects([corners], 40, 40)))
        assert np.array_equal(filled(corners, 40, 40), theirs == 1)


@settings(max_examples=150, deadline=None)
@given(MASKS)
def test_mask_to_rings_and_back(mask):
    if not mask.any():
        return
    parts = rings(mask)
    rows, cols, inside = covered(Shape("x", parts), mask.shape)
    back = np.zeros_like(mask)
    back[rows, cols] = inside
    assert np.array_equal(back, mask)
    for part in parts:
        for ring in part:
            points = list(map(tuple, ring.tolist()))
            assert len(points) == len(set(points)) >= 4  # it meets itself nowhere


@settings(max_examples=100, deadline=None)
@given(MASKS)
def test_mask_to_polygons_and_back(mask):
    from scipy.ndimage import label

    numbers, n = label(mask, np.ones((3, 3)))
    for k in range(1, n + 1):
        assert np.array_equal(filled(polygon(numbers == k), *mask.shape), numbers == k)


# --- COCO --------------------------------------------------------------------------------------


def test_coco_polygons_runs_crowds_and_classes(tmp_path):
    rle = dict(size=[8, 10], counts=[8 * 7, 8, 16])  # column 7
    more = dict(id=2, image_id=10, category_id=11, iscrowd=0, segmentation=rle)
    crowd = dict(id=3, image_id=10, category_id=7, iscrowd=1)
    crowd["segmentation"] = dict(size=[8, 10], counts=[0, 8 * 3, 8 * 7])  # columns 0 to 2
    names = ("cell", "unused", "wall")
    content = coco(
        dict(segmentation=[SQUARE], area=16, bbox=[2, 1, 4, 4]), more, crowd, names=names
    )
    mask, classes, notes = one(tmp_path, content)
    wanted = np.zeros((8, 10), int)
    wanted[:, :3] = 255
    wanted[1:5, 2:6] = 1
    wanted[:, 7] = 2
    assert np.array_equal(mask, wanted)
    assert classes == ["background", "cell", "wall"]
    said = "\n".join(notes)
    assert "3 outlines of COCO on 1 pictures" in said and "unused" in said
    assert "1 crowds or ignored regions, read as 'ignore'" in said


@pytest.mark.parametrize("area, hole", [(None, True), (12, True), (16, False)])
def test_a_ring_inside_another_is_a_hole_unless_the_area_says_no(tmp_path, area, hole):
    mask, _, notes = one(tmp_path, coco(dict(segmentation=[SQUARE, HOLE], area=area)))
    wanted = square()
    wanted[2:4, 3:5] = not hole
    assert np.array_equal(mask, wanted)
    assert any("1 outlines inside another" in note for note in notes) == hole


def test_several_polygons_of_one_object_are_united(tmp_path):
    other = [5, 1, 9, 1, 9, 3, 5, 3]  # overlaps the square in column 5
    mask, *_ = one(tmp_path, coco(dict(segmentation=[SQUARE, other])))
    assert mask[1:3, 2:9].all() and mask.sum() == 16 + 8 - 2


def test_a_hole_on_a_line_walked_twice(tmp_path):
    ring = np.zeros((8, 10), bool)
    ring[1:5, 2:6] = True
    ring[2:4, 3:5] = False
    mask, *_ = one(tmp_path, coco(dict(segmentation=[polygon(ring)], area=12)))
    assert np.array_equal(mask, ring)


def test_boxes_are_no_masks(tmp_path):
    box = dict(bbox=[2, 1, 4, 4], area=16)
    content = coco(dict(box, segmentation=[]), dict(box))
    assert "all 2 annotations are boxes (bbox), and boxes are no masks; draw" in complaint(
        one, tmp_path, content
    )
    right = dict(segmentation=[[7, 6, 9, 6, 9, 8, 7, 8]])
    mask, _, notes = one(tmp_path, coco(box, right, dict(segmentation=[])))
    assert np.array_equal(mask == 255, square() == 1) and (mask == 1).sum() == 4
    assert any(note.startswith("1 objects with a box and no outline") for note in notes)
    assert any(note.startswith("1 objects without an outline") for note in notes)
    assert not any("crowds" in note for note in notes)


def test_coco_pictures_by_name_with_and_without_folders(tmp_path):
    root = pictures(tmp_path / "images", "lot/a.png", "lot/b.png", "c.png", "d.png")
    content = coco(dict(segmentation=[SQUARE]), images=["val/lot/a.png", "LOT\\b.PNG", "gone.png"])
    content["images"].append(dict(content["images"][0], id=99, file_name="c.jpg"))
    path = write(tmp_path / "coco.json", content)
    ds = load_pairs(root, path)
    assert list(ds["name"]) == ["c", "lot/a", "lot/b"]
    assert [int(sample(ds, i)[1].sum()) for i in range(3)] == [0, 16, 0]
    said = "\n".join(meta(ds)["notes"])
    assert "left out: 1 picture(s) without outlines (first: d.png)" in said
    assert "2 picture(s) have no outline (first: c.png): all background" in said
    assert "outlines of 1 picture(s) that are not there (first: gone.png)" in said


def test_one_name_in_two_folders(tmp_path):
    "As Roboflow exports: a file in each part, beside its pictures."
    for part in ("train", "valid"):
        pictures(tmp_path / part, "a.png")
        content = coco(dict(segmentation=[SQUARE if part == "train" else HOLE]))
        write(tmp_path / part / "_annotations.coco.json", content)
    ds = load_pairs(tmp_path)
    assert list(ds["name"]) == ["train/a", "valid/a"]
    assert [int(sample(ds, i)[1].sum()) for i in range(2)] == [16, 4]
    both = write(tmp_path / "both.json", coco(dict(segmentation=[SQUARE])))
    assert "fits 2 pictures by its name" in complaint(load_pairs, tmp_path, both)


WRONG_COCO = {
    "size": (dict(height=16), "is 10x8 pixels, but its outlines were drawn on 10x16"),
    "turned": (dict(height=10, width=8), "turned by its orientation"),
}


@pytest.mark.parametrize("case", WRONG_COCO)
def test_outlines_of_another_size(tmp_path, case):
    of_image, words = WRONG_COCO[case]
    content = coco(dict(segmentation=[SQUARE]), **of_image)
    assert words in complaint(one, tmp_path, content)


def test_coco_that_does_not_fit_together(tmp_path):
    right = coco(dict(segmentation=[SQUARE]))
    for change, words in [
        (lambda c: c["annotations"][0].update(category_id=3), "category_id 3, which is not among"),
        (lambda c: c["annotations"][0].update(segmentation=[[1, 2, None, 4]]), "is not as its"),
        (lambda c: c["annotations"][0].update(segmentation=[[1, 2, 1e400, 4, 5, 6]]), "finite"),
        (lambda c: c["annotations"][0].pop("image_id"), "is not as its format has it (KeyError"),
        (lambda c: c["images"][0].pop("file_name"), "is not as its format has it (KeyError"),
        (lambda c: c.update(annotations=[]), "nothing is drawn"),
        (
            lambda c: c["annotations"][0].update(segmentation=dict(size=[8, 10], counts=[3])),
            "must be run lengths that fill",
        ),
        (
            lambda c: c["annotations"][0].update(
                segmentation=[[v + 5000 for v in SQUARE]], bbox=None
            ),
            "lie outside its 10x8 pixels; were they drawn on a larger picture",
        ),
    ]:
        content = copy.deepcopy(right)
        change(content)
        assert words in complaint(one, tmp_path, content)
    right["annotations"].append(dict(right["annotations"][0], image_id=777))
    *_, notes = one(tmp_path, right)
    assert any("1 annotations are of pictures that it does not list" in n for n in notes)


# --- labelme -----------------------------------------------------------------------------------


def png(mask):
    buffer = io.BytesIO()
    Image.fromarray(mask).save(buffer, format="PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def test_all_shapes_of_labelme(tmp_path):
    corner = np.array([[True, False], [True, True]])
    content = drawn(
        shape("cell", [2, 1, 6, 5], "rectangle"),
        shape("wall", [8, 5, 9, 6], "mask", mask=png(corner)),
        shape("cell", [1, 1, 2, 2], "line"),
        shape("cell", [1, 1], "point"),
        shape("cell", [1, 1, 5, 5, 6, 6], "linestrip"),
        shape("cell", [1, 1, 3, 3]),
        shape("__ignore__", [0, 6, 2, 6, 2, 8, 0, 8]),
        path="..\\pictures\\a.png",
    )
    mask, classes, notes = one(tmp_path, content)
    wanted = square()
    wanted[5, 8] = wanted[6, 8] = wanted[6, 9] = 2
    wanted[6:8, :2] = 255
    assert np.array_equal(mask, wanted) and classes == ["background", "cell", "wall"]
    assert any(n.startswith("3 points or lines, which have no area") for n in notes)
    assert any(n.startswith("1 outlines of fewer than 3 points") for n in notes)


def test_labelme_files_find_their_pictures(tmp_path):
    images = pictures(tmp_path / "images", "x1.png", "x2.png", "x10.png", "y.png")
    for name, path in [("x1", "x1.png"), ("x2", "elsewhere.png"), ("drawn10", "D:\\d\\x10.png")]:
        write(tmp_path / "json" / f"{name}.json", drawn(shape("c", SQUARE), path=path))
    write(tmp_path / "json" / "lost.json", drawn(shape("c", SQUARE), path="lost.png"))
    write(tmp_path / "json" / "settings.json", dict(theme="dark"))
    ds = load_pairs(images, tmp_path / "json")
    assert list(ds["name"]) == ["x1", "x2", "x10"]
    assert any("not there (first: lost.png)" in note for note in meta(ds)["notes"])
    write(tmp_path / "json" / "again.json", drawn(shape("c", SQUARE), path="x1.png"))
    assert "is drawn on twice" in complaint(load_pairs, images, tmp_path / "json")


def test_the_later_is_on_top_and_it_is_said(tmp_path):
    shapes = [shape("wall", HOLE), shape("cell", SQUARE), shape("wall", [2, 1, 3, 1, 3, 2, 2, 2])]
    mask, classes, notes = one(tmp_path, drawn(*shapes))
    wanted = square()
    wanted[1, 2] = 2
    assert np.array_equal(mask, wanted) and classes[1:] == ["cell", "wall"]
    assert "2 objects lie over others drawn before them: the later is on top" in notes


# --- QuPath and napari ---------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["collection", "list", "one"])
def test_geojson_of_qupath(tmp_path, form):
    first = feature([closed(SQUARE), closed(HOLE)], "Tumor")
    features = [first] if form == "one" else [first, feature([closed([7, 6, 9, 6, 9, 8, 7, 8])])]
    content = dict(collection=dict(type="FeatureCollection", features=features), list=features)
    mask, classes, notes = one(tmp_path, content.get(form, first), "a.png.geojson")
    wanted = square()
    wanted[2:4, 3:5] = 0
    assert np.array_equal(mask, wanted) and classes == ["background", "Tumor"]
    assert any("objects without a class" in note for note in notes) == (form != "one")


def test_geojson_of_several_parts_and_unclassified(tmp_path):
    parts = [[closed(SQUARE)], [closed([7, 6, 9, 6, 9, 8, 7, 8])]]
    features = [
        feature(parts, kind="MultiPolygon", object_type="detection"),
        feature([1, 1], kind="Point"),
        feature([closed([0, 5, 40, 5, 40, 6, 0, 6])]),
    ]
    content = dict(type="FeatureCollection", features=features)
    mask, classes, notes = one(tmp_path, content, "a.geojson")
    wanted = square()
    wanted[6:8, 7:9] = wanted[5] = 1
    assert np.array_equal(mask, wanted) and classes == ["background", "object"]
    assert "1 objects reach beyond the picture: cut" in notes
    named = feature([closed(SQUARE)], "Ignore*")
    content["features"].append(named)
    mask, *_ = one(tmp_path, content, "a.geojson")
    assert (mask[1:5, 2:6] == 255).all()


def test_shapes_of_napari_begin_half_a_pixel_earlier(tmp_path):
    "Its 0 is the middle of the first pixel."
    rows = ["index,shape-type,vertex-index,axis-0,axis-1"]
    for i, (y, x) in enumerate([(0.5, 1.5), (0.5, 5.5), (4.5, 5.5), (4.5, 1.5)]):
        rows.append(f"0.0,polygon,{i}.0,{y},{x}")
    rows += [f"1.0,path,{i}.0,{i},{i}" for i in range(3)]
    mask, classes, notes = one(tmp_path, "\n".join(rows), "a.csv")
    assert np.array_equal(mask, square()) and classes == ["background", "object"]
    rows = ["index,shape-type,vertex-index,axis-0,axis-1"]
    for i, (y, x) in enumerate([(20, 10), (20, 70), (80, 70), (80, 10)]):
        rows.append(f"0,ellipse,{i},{y},{x}")
    mask, *_ = one(tmp_path / "b", "\n".join(rows), "a.csv", h=100, w=100)
    assert abs(mask.sum() / (np.pi * 30**2) - 1) < 1e-2
    wrong = rows[0] + ",axis-2\n" + "\n".join(f"{r},1" for r in rows[1:])
    assert "three axes" in complaint(one, tmp_path / "b", wrong, "a.csv", h=100, w=100)


# --- what lies beside --------------------------------------------------------------------------


def test_masks_win_over_outlines(tmp_path):
    pictures(tmp_path, "a.png")
    write(tmp_path / "a.json", drawn(shape("c", SQUARE)))
    save_mask(tmp_path / "a_mask.png", torch.from_numpy(square()))
    ds = load_pairs(tmp_path)
    assert "not read: 1 .json files, as there are masks" in meta(ds)["notes"]
    assert meta(ds)["classes"] == ["class 0", "class 1"]


def test_classes_are_found_by_name(tmp_path):
    content = drawn(shape("Cell", SQUARE), shape("wall", [7, 6, 9, 6, 9, 8, 7, 8]))
    mask, classes, _ = one(tmp_path, content, classes=["gap", "wall", "cell"])
    assert np.array_equal(mask[1:5, 2:6], square(2)[1:5, 2:6]) and mask[7, 8] == 1
    assert classes == ["gap", "wall", "cell"]
    said = complaint(one, tmp_path, content, classes=["gap", "metal"])
    assert "an outline is called 'Cell'" in said
    assert "classes=['background', 'Cell', 'wall']" in said
    assert "drop it" in complaint(load_pairs, tmp_path, values={0: 0, 1: 1})


def test_files_that_are_no_outlines(tmp_path):
    pictures(tmp_path / "images", "a.png")
    for text, words in [
        ("{", "damaged"),
        ('{"a": 1}', "known are COCO, labelme, GeoJSON (QuPath), napari shapes (CSV)"),
        ("[]", "known are COCO"),
        ("[" * 100_000, "damaged"),
    ]:
        path = write(tmp_path / "j" / "a.json", text)
        assert words in complaint(read_outlines, path)
        assert "known are COCO" in complaint(load_pairs, tmp_path / "images", tmp_path / "j")
    assert "cannot be read" in complaint(load_pairs, tmp_path / "images", tmp_path / "no.json")
    write(tmp_path / "j" / "other.json", coco(dict(segmentation=[SQUARE]), images=["zzz.png"]))
    assert "no picture in it is one of those with outlines (first: zzz.png)" in complaint(
        load_pairs, tmp_path / "images", tmp_path / "j"
    )


def test_an_info_bar_is_cut_off_as_from_the_picture(tmp_path):
    pictures(tmp_path, "a.png", h=20)
    write(tmp_path / "a.json", drawn(shape("c", SQUARE), imageHeight=20))
    image, mask = sample(load_pairs(tmp_path, bar=6), 0)
    assert image.shape[1:] == mask.shape == (14, 10)
    assert np.array_equal(mask, square(h=14))


def test_objects_that_cover_no_pixel_are_counted():
    far, speck = ([20, 20, 22, 20, 22, 22], [1.1, 1.1, 1.2, 1.1, 1.2, 1.2])
    shapes = [Shape("a", [[np.reshape(ring, (-1, 2)).astype(float)]]) for ring in (far, speck)]
    shapes.append(Shape("a", [[np.reshape(SQUARE, (-1, 2)).astype(float)]]))
    mask, facts = painted(Drawing("", None, shapes, outlines.Counter()), (8, 10), {"a": 1})
    assert facts == {outlines.OUTSIDE: 2, outlines.BEYOND: 1}
    assert np.array_equal(mask, square())
    alone = Drawing("", None, shapes[:1], outlines.Counter())
    assert "all its 1 outlines lie outside" in complaint(painted, alone, (8, 10), {"a": 1})


def test_too_many_classes():
    shapes = [Shape(f"c{i}", [[np.zeros((3, 2))]]) for i in range(300)]
    drawn = outlines.Drawn(
        "COCO", [Drawing("", None, shapes, outlines.Counter())], [s.name for s in shapes], []
    )
    assert "outlines of 300 classes; 254 at most" in complaint(class_numbers, [drawn])
