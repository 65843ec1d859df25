"""Outlines in and out: files as the programs write them, the pixels inside, and what is said."""

import base64
import copy
import csv
import io
import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image
import tifffile
from skimage.draw import polygon as skimage_polygon
from skimage.measure import regionprops

from unet_explorer import outlines
from unet_explorer.contracts import InputError
from unet_explorer.pairs import load_pairs
from unet_explorer.rows import meta, sample
from unet_explorer.effunet import EffUNet
from unet_explorer.files import load_mask
from unet_explorer.images import save_image, save_mask
from unet_explorer.measure import (
    as_coco,
    as_geojson,
    label_image,
    measure_objects,
    objects,
    outlines_of,
)
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
from unet_explorer.segmentation import segment_folder

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


@pytest.mark.parametrize("far", [0, 1e6])
def test_holes_of_very_large_objects(tmp_path, far):
    "The grid on which they are looked for is coarser than the picture, and no memory is asked for."
    large, hole = 5000 * np.array(SQUARE) + far, 5000 * np.array(HOLE) + far
    beside = 5000 * np.array([8, 1, 9, 1, 9, 2, 8, 2]) + far
    segmentation = [ring.tolist() for ring in (large, hole, beside)]
    content = coco(dict(segmentation=segmentation), height=10**7, width=10**7)
    (drawing,) = read_outlines(write(tmp_path / "a.json", content)).drawings
    assert [len(part) for part in drawing.shapes[0].parts] == [2, 1]
    assert drawing.left[outlines.HOLES] == 1


def test_run_lengths_of_another_size_and_of_nothing(tmp_path):
    small = coco(dict(segmentation=dict(size=[4, 10], counts=[40])))
    assert "run lengths for (4, 10), in a picture of (8, 10)" in complaint(one, tmp_path, small)
    empty = dict(segmentation=dict(size=[8, 10], counts=[80]))
    mask, _, notes = one(tmp_path, coco(empty, dict(segmentation=[SQUARE])))
    assert np.array_equal(mask, square()) and any("cover no pixel" in note for note in notes)
    vast = coco(dict(segmentation=dict(size=[10**6, 10**6], counts=[10**12])))
    assert "must be run lengths that fill" in complaint(one, tmp_path, vast)


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


# --- out: label images, COCO, GeoJSON, tables --------------------------------------------------


def back_from(shapes, h, w):
    mask = np.zeros((h, w), bool)
    for shape in shapes:
        rows, cols, inside = covered(shape, (h, w))
        mask[rows, cols] |= inside
    return mask


@settings(max_examples=60, deadline=None)
@given(MASKS)
def test_objects_go_out_and_come_back(tmp_path_factory, mask):
    "By COCO and by GeoJSON, holes and corners and all, read by our own readers."
    tmp_path = tmp_path_factory.mktemp("out")
    h, w = mask.shape
    numbers = label_image(mask.astype(int), [1])
    rows = [dict(image="a", **{"class": "x"}) | row for row in measure_objects(numbers)]
    regions = outlines_of(numbers)
    image = dict(id=1, file_name="a.png", name="a", width=w, height=h)
    content = as_coco([image], rows, [regions[r["label"]] for r in rows], classes=["x"])
    (drawing,) = read_outlines(write(tmp_path / "coco.json", content)).drawings
    assert np.array_equal(back_from(drawing.shapes, h, w), mask)
    content = as_geojson(numbers, rows, ["background", "x"])
    (drawing,) = read_outlines(write(tmp_path / "a.geojson", content)).drawings
    assert len(drawing.shapes) == numbers.max()
    for row, shape in zip(rows, drawing.shapes):
        assert np.array_equal(back_from([shape], h, w), numbers == row["label"])


def test_pycocotools_reads_the_same_objects(tmp_path):
    pytest.importorskip("pycocotools")
    from pycocotools.coco import COCO

    mask = np.kron(np.random.default_rng(3).random((20, 25)) < 0.5, np.ones((3, 3), int))
    h, w = mask.shape
    numbers = label_image(mask, [1])
    rows = [dict(image="a", **{"class": "x"}) | row for row in measure_objects(numbers)]
    regions = [outlines_of(numbers)[r["label"]] for r in rows]
    image = dict(id=1, file_name="a.png", name="a", width=w, height=h)
    path = write(tmp_path / "coco.json", as_coco([image], rows, regions, classes=["x"]))
    theirs = COCO(str(path))
    for annotation in theirs.loadAnns(theirs.getAnnIds(imgIds=[1])):
        assert np.array_equal(theirs.annToMask(annotation) == 1, numbers == annotation["label"])


@pytest.mark.parametrize("at_once", [2**22, 60])
def test_label_images_agree_with_the_tables(monkeypatch, at_once):
    mask = np.random.default_rng(0).integers(0, 3, (41, 30))
    numbers = label_image(mask, [1, 2], min_px=3, at_once=at_once)
    tables = objects(mask, 1, 4.0, 3) + objects(mask, 2, 4.0, 3)
    rows = measure_objects(numbers, mask / 2, 4.0)
    assert [row["label"] for row in rows] == list(range(1, len(tables) + 1))
    for wanted, row in zip(tables, rows):
        assert {k: pytest.approx(v) for k, v in wanted.items()}.items() <= row.items()
        assert row["mean_intensity"] == mask[numbers == row["label"]][0] / 2
    for p, row in zip(regionprops(numbers.astype(int)), rows):
        assert row["perimeter_px"] == pytest.approx(p.perimeter)
        assert row["major_axis_px"] == pytest.approx(p.axis_major_length)
        assert row["minor_axis_px"] == pytest.approx(p.axis_minor_length, abs=1e-6)
        assert row["eccentricity"] == pytest.approx(p.eccentricity, abs=1e-6)
        turned = abs(row["orientation_deg"] - np.degrees(p.orientation)) % 180
        assert min(turned, 180 - turned) < 1e-6 or p.eccentricity < 1e-3
        assert row["solidity"] == pytest.approx(p.solidity if min(p.image.shape) > 1 else 1)
        assert (row["top"], row["left"], row["bottom"], row["right"]) == p.bbox
    monkeypatch.setattr("unet_explorer.measure.IN_MEMORY", 10)  # the rest lies on the disk
    assert np.array_equal(label_image(mask, [1, 2], min_px=3), numbers)


def test_shapes_of_closed_forms():
    y, x = np.mgrid[:200, :200]
    (disc,) = measure_objects((y - 100) ** 2 + (x - 90) ** 2 < 60**2, pixel_nm=2.0)
    assert disc["diameter_nm"] == pytest.approx(240, rel=5e-3)
    assert disc["perimeter_px"] == pytest.approx(2 * np.pi * 60, rel=0.05)
    assert disc["eccentricity"] < 0.05 and disc["solidity"] > 0.98 and not disc["at_border"]
    assert disc["area_nm2"] == 4 * disc["area_px"]
    bar = np.zeros((30, 40), bool)
    bar[3:5, 10:40] = True
    (bar,) = measure_objects(bar, pixel_nm=2.0)
    assert bar["feret_px"] == pytest.approx(np.hypot(2, 30)) and bar["at_border"]
    assert bar["feret_nm"] == 2 * bar["feret_px"]
    assert abs(bar["orientation_deg"]) == pytest.approx(90)  # along the columns' direction
    assert measure_objects(np.zeros((3, 3), int)) == []
    far = measure_objects(np.array([[0, 2**30], [7, 0]]))
    assert [row["label"] for row in far] == [7, 2**30]


def test_a_large_object_and_a_long_outline(monkeypatch):
    mask = np.kron(np.eye(9, dtype=int), np.ones((2, 2), int))
    monkeypatch.setattr("unet_explorer.measure.LARGEST_SHAPE", 100)
    monkeypatch.setattr("unet_explorer.measure.LONGEST_OUTLINE", 20)
    (row,) = measure_objects(mask)
    assert row["area_px"] == 36 and "solidity" not in row
    assert outlines_of(mask)[1] == dict(bbox=[0, 0, 18, 18], outline=None)
    (feature,) = as_geojson(mask, [row])["features"]
    assert len(feature["geometry"]["coordinates"][0]) == 5


@pytest.fixture(scope="module")
def segmented(tmp_path_factory):
    "A folder of two pictures, one in a subfolder, segmented into all formats."
    folder = tmp_path_factory.mktemp("segmented")
    rng = np.random.default_rng(0)
    for name, h in (("b", 50), ("lot/a", 64)):
        save_image(folder / "in" / f"{name}.png", torch.from_numpy(rng.random((1, h, 60))).float())
    model = EffUNet(pretrained=False, decoder=(8, 8, 8, 8), convs=1, n_classes=3)
    model.about = dict(classes=["gap", "metal", "via"], pixel_nm=4.0)
    formats = ["labels", "coco", "geojson"]
    done = segment_folder(folder / "in", model, folder / "out", formats=formats, min_px=2)
    assert not done.skipped
    return folder, model


def test_all_formats_of_a_folder_say_the_same(segmented):
    out = segmented[0] / "out"
    with open(out / "objects.csv") as file:
        table = list(csv.DictReader(file))
    content = json.loads((out / "coco.json").read_text())
    assert [c["name"] for c in content["categories"]] == ["metal", "via"]
    assert [i["file_name"] for i in content["images"]] == ["b.png", "lot/a.png"]
    assert sum(bool(row["label"]) for row in table) == len(content["annotations"]) > 0
    drawings = {d.picture: d for d in read_outlines(out / "coco.json").drawings}
    for name in ("b", "lot/a"):
        mask = load_mask(out / "masks" / f"{name}.png").numpy()
        numbers = tifffile.imread(out / "labels" / f"{name}.tif")
        assert numbers.dtype == np.uint16 and numbers.shape == mask.shape
        rows = [row for row in table if row["image"] == name and row["label"]]
        assert [int(row["label"]) for row in rows] == list(range(1, numbers.max() + 1))
        for row in rows:
            inside = numbers == int(row["label"])
            k = ["gap", "metal", "via"].index(row["class"])
            assert inside.sum() == int(row["area_px"]) and (mask[inside] == k).all()
            assert float(row["area_nm2"]) == 16 * int(row["area_px"])
            assert 0 <= float(row["mean_intensity"]) <= 1 and float(row["feret_nm"]) > 4
        kept = np.where(numbers > 0, mask, 0)
        numbering = {"metal": 1, "via": 2}
        drawing = drawings[f"{name}.png"]
        assert np.array_equal(painted(drawing, mask.shape, numbering)[0], kept)
        (drawing,) = read_outlines(out / "geojson" / f"{name}.geojson").drawings
        assert np.array_equal(painted(drawing, mask.shape, numbering)[0], kept)
    assert "objects also in" in (out / "report.html").read_text()


def test_what_is_written_can_be_trained_on(segmented):
    folder = segmented[0]
    for masks in (folder / "out" / "coco.json", folder / "out" / "geojson"):
        ds = load_pairs(folder / "in", masks)
        assert list(ds["name"]) == ["b", "lot/a"]
        assert set(meta(ds)["classes"]) <= {"background", "metal", "via"}


def test_a_stopped_run_goes_on_with_the_same_files(segmented, tmp_path):
    folder, model = segmented
    how = dict(formats=["labels", "coco", "geojson"], min_px=2)
    with pytest.raises(KeyboardInterrupt):
        with pytest.MonkeyPatch.context() as patch:
            calls = []

            def stop(*args, **kwargs):
                calls.append(1)
                if len(calls) > 1:
                    raise KeyboardInterrupt
                return as_geojson(*args, **kwargs)

            patch.setattr("unet_explorer.segmentation.as_geojson", stop)
            segment_folder(folder / "in", model, tmp_path / "out", **how)
    assert not (tmp_path / "out" / "coco.json").exists()
    said = []
    segment_folder(folder / "in", model, tmp_path / "out", **how, say=said.append)
    assert "going on: 1 of 2 pictures were done" in said
    for path in (folder / "out").rglob("*"):
        if path.suffix in (".tif", ".json", ".geojson", ".csv"):
            other = tmp_path / "out" / path.relative_to(folder / "out")
            assert path.read_bytes() == other.read_bytes(), path.name
    again = dict(formats=["labels"], min_px=2, overwrite=True)
    segment_folder(folder / "in", model, tmp_path / "out", **again)
    assert not (tmp_path / "out" / "coco.json").exists()
    assert not list((tmp_path / "out").rglob("*.geojson"))


def test_unknown_formats_are_refused_before_anything_is_made(segmented, tmp_path):
    folder, model = segmented
    assert "choose one of labels, coco, geojson" in complaint(
        segment_folder, folder / "in", model, tmp_path / "new", formats=["svg"]
    )
    assert not (tmp_path / "new").exists()


# --- damaged files -----------------------------------------------------------------------------


def places_in(value, at=()):
    "The path of every value in a tree of JSON."
    yield at
    keys = (
        range(len(value)) if isinstance(value, list) else value if isinstance(value, dict) else ()
    )
    for key in keys:
        yield from places_in(value[key], (*at, key))


def mutated(content, at, new):
    content = copy.deepcopy(content)
    inner = content
    for key in at[:-1]:
        inner = inner[key]
    inner[at[-1]] = new
    return content


RLE = dict(size=[8, 10], counts="0P2")
SOUND = {
    "COCO": coco(dict(segmentation=[SQUARE, HOLE], area=12, bbox=[2, 1, 4, 4])),
    "runs": coco(dict(segmentation=RLE), names=("cell", "wall")),
    "labelme": drawn(
        shape("a", SQUARE),
        shape("b", [1, 1, 3, 1], "circle"),
        shape("b", [1, 1, 3, 3], "rectangle"),
        shape("m", [1, 1, 2, 2], "mask", mask=png(np.ones((2, 2), bool))),
    ),
    "QuPath": dict(
        type="FeatureCollection", features=[feature([closed(SQUARE), closed(HOLE)], "Tumor")]
    ),
}
ODD = [None, [], {}, "", "x", -1, 0, 1e308, 10**400, True, [[]], [None], "\u00e9\n", {"type": "x"}]


@pytest.mark.parametrize("name", SOUND)
def test_any_value_may_be_odd(tmp_path, name):
    "One value at a time is replaced: a drawing, or one line."
    refused = 0
    for i, at in enumerate(p for p in places_in(SOUND[name]) if p):
        for new in ODD[i % 3 :: 3]:
            path = write(tmp_path / "a.json", mutated(SOUND[name], at, new))
            try:
                one = read_outlines(path)
                numbers, *_ = class_numbers([one])
                for drawing in one.drawings:
                    painted(drawing, (8, 10), numbers)
            except InputError as e:
                assert "\n" not in str(e) and len(str(e)) < 500
                refused += 1
    assert refused > 10


def test_a_file_that_is_cut_off(tmp_path):
    text = json.dumps(SOUND["COCO"])
    for end in range(0, len(text) - 1, 97):
        assert "damaged" in complaint(read_outlines, write(tmp_path / "a.json", text[:end]))
