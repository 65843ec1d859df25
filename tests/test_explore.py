"The widget engine without a browser: what is baked or refused, what a kernel draws and when."

import asyncio
import base64
import json
import re
import subprocess
import sys
import time
import zlib
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest

from unet_explorer import sliders
from unet_explorer.contracts import InputError
from unet_explorer.sliders import (
    DRAWING,
    Control,
    bake,
    circle,
    explore,
    line,
    picture_of,
    rect,
    shape,
    svg,
    text,
)


def square(side=2, colour="red"):
    "A square"
    return f'<svg viewBox="0 0 20 20"><rect width="{side}" height="{side}" fill="{colour}"/></svg>'


def ramp(side=2, shift=0):
    "A ramp"
    return (np.arange(side * 5).reshape(side, 5) * 7 + shift).astype(np.uint8)


def spec_of(fragment):
    data = re.search(r'<script type="application/json">(.*?)</script>', fragment, re.S)
    return json.loads(data[1])


def frames_of(panel):
    "The frames of a baked panel, unpacked as explore.js does it."
    data = zlib.decompress(base64.b64decode(panel["data"]))
    if panel["kind"] == "svg":
        tags, numbers = json.loads(data)
        return ["".join(tags[t] for t in f) for f in numbers]
    last, frames, at = {}, [], 0
    for hwc in map(tuple, panel["shapes"]):
        size = int(np.prod(hwc))
        frame = np.frombuffer(data[at : at + size], np.uint8).reshape(hwc)
        at += size
        frames.append(last.setdefault(hwc, np.zeros(hwc, np.uint8)) + frame)
        last[hwc] = frames[-1]
    assert at == len(data)
    return frames


def refused(f, *args, **kwargs):
    with pytest.raises(InputError) as e:
        f(*args, **kwargs)
    assert "\n" not in str(e.value)
    return str(e.value)


# Controls -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given, values",
    [
        ((1, 4), [1, 2, 3, 4]),
        ((0, 7, 0.5), [i / 2 for i in range(15)]),
        ((0, 1, 0.1), [i / 10 for i in range(11)]),
        ((0, 1, 0.3), [0, 0.3, 0.6, 0.9]),
        ((5, 5), [5]),
        ((np.int64(1), np.int64(3)), [1, 2, 3]),
        (["a", "b"], ["a", "b"]),
        ([3, 1], [3, 1]),
        (True, [False, True]),
    ],
)
def test_grid(given, values):
    seen = []

    def draw(x):
        seen.append(x)
        return square()

    control = spec_of(bake(draw, x=given))["controls"][0]
    assert seen[:-1] == values  # the last call is the test of purity
    assert len(control["texts"]) == len(values)


@pytest.mark.parametrize(
    "given, says",
    [
        ((4, 1), "low <= high"),
        ((1, 4, 0), "step above 0"),
        ((0, float("nan")), "not a control"),
        (("a", "b"), "a list of choices"),
        (3, "not a control"),
        ([], "at least one"),
        (["a", "a"], "twice"),
        ([1, "1"], "twice"),
        ((0, 1, 1e-9), "larger step"),
        (Control((1, 4), start=9), "start=9"),
    ],
)
def test_bad_controls(given, says):
    assert says in refused(bake, square, side=given)


def test_start():
    def start(**controls):
        return [c["start"] for c in spec_of(bake(square, **controls))["controls"]]

    assert start(side=(1, 4), colour=["blue", "red"]) == [1, 1]  # the draw function's own defaults
    assert start(side=(5, 9), colour=["blue"]) == [0, 0]  # not on the grid: the first
    stated = dict(side=Control((1, 4), start=4), colour=Control(["blue", "red"], start="blue"))
    assert start(**stated) == [3, 0]

    def draw(on=False):
        return square()

    control = spec_of(bake(draw, on=True))["controls"][0]
    assert control["start"] == 1  # what the author writes wins over the default


def test_units():
    edge = Control((1, 3), unit="px", label="edge")
    a, b = spec_of(bake(square, side=edge, colour=Control([10, 20], unit="%")))["controls"]
    assert a["texts"] == [f"{n}\N{NO-BREAK SPACE}px" for n in (1, 2, 3)]
    assert a["keys"] == ["1", "2", "3"] and a["label"] == "edge"
    assert b["texts"] == ["10%", "20%"]
    assert "unit" in refused(Control, (1, 3), unit=3)


# Panels -------------------------------------------------------------------------------------------


def test_union_of_controls_and_each_panel_its_own():
    calls = {"square": [], "ramp": []}

    def one(side, colour):
        calls["square"].append((side, colour))
        return square(side, colour)

    def two(side, shift):
        calls["ramp"].append((side, shift))
        return ramp(side, shift)

    spec = spec_of(bake(one, two, colour=["red", "blue"], side=(1, 3), shift=(0, 40, 10)))
    assert [c["name"] for c in spec["controls"]] == ["colour", "side", "shift"]
    assert [p["controls"] for p in spec["panels"]] == [[0, 1], [1, 2]]
    assert len(calls["square"]) == 2 * 3 + 1 and len(calls["ramp"]) == 3 * 5 + 1  # not 30 each
    first, second = map(frames_of, spec["panels"])
    colours, sides = ("red", "blue"), (1, 2, 3)  # the last control turns fastest
    assert first == [picture_of(square, side=s, colour=c)[1] for c in colours for s in sides]
    settings = [(s, k) for s in sides for k in range(0, 41, 10)]
    for frame, setting in zip(second, settings, strict=True):
        np.testing.assert_array_equal(frame[..., 0], ramp(*setting))


def test_frames_of_many_shapes_and_colours():
    rng = np.random.default_rng(0)
    shapes = [(3, 4), (5, 2), (3, 4), (3, 4, 3), (1, 1), (5, 2), (3, 4, 3)]
    pictures = [rng.integers(0, 256, s).astype(np.uint8) for s in shapes]

    def draw(i):
        return pictures[i]

    frames = frames_of(spec_of(bake(draw, i=(0, 6)))["panels"][0])
    for frame, picture in zip(frames, pictures, strict=True):
        np.testing.assert_array_equal(frame.squeeze(), picture.squeeze())


def test_figures_are_svg_and_closed():
    import matplotlib.pyplot as plt

    def draw(n):
        fig, ax = plt.subplots(figsize=(2, 1))
        ax.plot(range(n))
        ax.set_title("<&>")
        return fig

    before = plt.get_fignums()
    panel = spec_of(bake(draw, n=(2, 4)))["panels"][0]
    assert plt.get_fignums() == before
    for frame in frames_of(panel):
        assert frame.startswith("<svg") and frame.endswith("</svg>")
        assert "<style" not in frame and "<metadata" not in frame
    assert panel["paper"]

    def failing():
        plt.figure()
        raise InputError("no")

    refused(bake, failing)
    assert plt.get_fignums() == before


def test_no_controls_is_a_still_picture():
    spec = spec_of(bake(square))
    assert spec["controls"] == [] and len(frames_of(spec["panels"][0])) == 1


@pytest.mark.parametrize(
    "draws, controls, says",
    [
        ((), dict(a=(1, 2)), "at least one function"),
        ((square(),), {}, "without calling"),
        ((square,), dict(sid=(1, 2)), "no draw function has a parameter"),
        ((lambda a, b: square(),), dict(a=(1, 2)), "needs b"),
    ],
)
def test_functions_and_controls_must_fit(draws, controls, says):
    assert says in refused(bake, *draws, **controls)
    assert says in refused(explore, *draws, **controls)


# The pen ------------------------------------------------------------------------------------------


def test_the_pen_draws_well_formed_pictures():
    odd = "a < b & \"c\" > 'd'"
    shapes = [
        rect(1, 2.04, 1 / 3, 40.06, fill="none", stroke="red"),
        circle(3, 4, 5, class_="dot"),
        line([(0, 1), (2.24, 3)], stroke_dasharray=None),
        text(5, 6, odd, at="end", turn=-90),
        shape("g", circle(1, 1), opacity=0.45),
    ]
    picture = svg(30, 20, *shapes, label=odd)
    title, box, dot, path, words, group = ElementTree.fromstring(picture)
    assert title.text == words.text == odd
    assert (box.get("y"), box.get("width"), box.get("height")) == ("2", "0.33", "40.1")
    assert dot.get("class") == "dot" and path.get("stroke-dasharray") is None
    assert path.get("points") == "0.0,1.0 2.2,3.0" and group.get("opacity") == "0.45"
    assert words.get("transform") == "rotate(-90 5.0 6.0)" and len(group) == 1
    assert spec_of(bake(lambda: picture))


@pytest.mark.parametrize(
    "draw, given",
    [
        (rect, (float("nan"), 0, 1, 1)),
        (rect, (0, 0, -1, 1)),
        (circle, (None, 0)),
        (line, ([(0, 1), (2, float("inf"))],)),
        (line, ([1, 2],)),
        (line, (None,)),
        (text, ("a", 0, "b")),
        (text, (0, 0, "b", 13, "left")),
        (shape, (None,)),
        (svg, (0, 1)),
        (svg, (1, 1, None)),
    ],
)
def test_the_pen_refuses(draw, given):
    refused(draw, *given)


# Budgets ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "controls",
    [
        dict(a=(1, 401)),
        dict(a=(0, 2, 0.05), b=(0, 1, 0.1)),
        dict(a=list(range(500))),
        dict(a=(1, 30), b=["x", "y"], c=True, d=(1, 4)),
        dict(a=(0, 1, 0.001), b=(0, 1, 0.001)),
        dict(a=[1, 2, 3], b=(1, 200), c=[1, 2, 3, 4, 5]),
    ],
)
def test_too_many_frames_and_the_cure_works(controls):
    def draw(a, b=0, c=0, d=0):
        raise AssertionError("nothing is drawn before the frames are counted")

    says = refused(bake, draw, **controls)
    assert "at most 400" in says
    cured = dict(controls)
    for name, given in re.findall(r"(\w)=(\([^)]*\))", says.split("take ")[1]):
        cured[name] = eval(given)
    for n, name in re.findall(r"at most (\d+) choices of (\w)", says.split("take ")[1]):
        cured[name] = cured[name][: int(n)]
    assert cured != controls
    fewer = spec_of(bake(lambda a, b=0, c=0, d=0: square(), **cured))
    assert len(frames_of(fewer["panels"][0])) <= 400


def test_exactly_400_frames_are_fine():
    assert len(frames_of(spec_of(bake(square, side=(1, 400)))["panels"][0])) == 400


def test_too_many_bytes_and_the_cure_works():
    def noise(seed):
        return np.random.default_rng(seed).integers(0, 256, (64, 64)).astype(np.uint8)

    says = refused(bake, noise, seed=(0, 299))
    assert "at most 1 MB" in says
    cured = eval(re.search(r"seed=(\([^)]*\))", says)[1])
    assert len(bake(noise, seed=cured)) < 1e6

    def huge(seed):
        return np.random.default_rng(0).integers(0, 256, (1200, 1200)).astype(np.uint8)

    assert "draw smaller" in refused(bake, huge, seed=(0, 1))


def test_bytes_before_packing_are_limited_too():
    def flat(n):
        return np.zeros((1000, 1000), np.uint8)

    assert "draw them smaller" in refused(bake, flat, n=(1, 100))


def test_frames_share_what_they_have_in_common():
    boxes = [rect(i * 17 % 101, i * i % 97, 2, 3) for i in range(1500)]

    def draw(n):
        return svg(9, 9, *boxes, text(0, 0, n))

    assert len(draw(1)) > 32_768  # more than deflate can look back
    alone, many = len(bake(draw, n=(1, 1))), len(bake(draw, n=(1, 200)))
    assert many < 2 * alone, (alone, many)


# Escaping -----------------------------------------------------------------------------------------

EVIL = '</script><img src=x onerror="alert(1)">&\'"\u2028'


def test_everything_is_escaped():
    def draw(x):
        return square()

    draw.__doc__ = EVIL
    fragment = bake(draw, x=Control([EVIL, "b"], label=EVIL, unit=EVIL), note=EVIL)
    tags = []

    class Tags(HTMLParser):
        def handle_starttag(self, tag, attributes):
            tags.append(tag)
            assert not any(name.startswith("on") for name, _ in attributes)

    Tags().feed(fragment)
    assert tags == ["div", "style", "p", "div", "img", "p", "small", "script", "script"]
    c = spec_of(fragment)["controls"][0]
    assert c["label"] == EVIL and c["keys"][0] == EVIL  # and yet nothing is lost
    assert fragment.count("</script>") == 2


@pytest.mark.parametrize(
    "inside, says",
    [
        ("<script>1</script>", "must not run"),
        ('<rect onclick="f()"/>', "must not run"),
        ('<image href="https://example.com/a.png"/>', "load"),
        ('<a href="javascript:f()"/>', "load"),
        ('<rect fill="url(https://example.com#a)"/>', "load"),
        ("<style>@import 'a.css'</style>", "loads"),
        ("<foreignObject/>", "embed"),
        ("<rect>", "well-formed"),
        ("a < b", "html.escape"),
        ("&nbsp;", "well-formed"),
    ],
)
def test_pictures_that_run_or_load_are_refused(inside, says):
    def draw():
        return f'<svg viewBox="0 0 9 9">{inside}</svg>'

    assert says in refused(bake, draw)


@pytest.mark.parametrize(
    "inside",
    [
        '<use href="#a"/>',
        '<rect fill="url(#a)"/>',
        '<image href="data:image/png;base64,AA=="/>',
        "a &lt; b",
        "<style>rect {fill: red}</style>",
    ],
)
def test_what_stays_inside_the_picture_is_fine(inside):
    def draw():
        return f'<svg viewBox="0 0 9 9">{inside}</svg>'

    assert inside in frames_of(spec_of(bake(draw))["panels"][0])[0]


HOST = "https://spy.invalid/"
BOX9 = "width='9' height='9'"
RUN = "document.title='ran'"
BYPASSES = {  # name -> what is inside an SVG; "!" in front: the whole text
    "comment": f"<!--> <image href='{HOST}1'/> -->",
    "comment, other end": f"<!-- --!> <image href='{HOST}2'/> -->",
    "comment, script": f"<!--> <img src='x' onerror=\"{RUN}\"/> -->",
    "comment before": f"!<!-- <svg onload=\"{RUN}\"> --><svg viewBox='0 0 9 9'/>",
    "instruction": f"<?x > <image href='{HOST}3'/> ?>",
    "instruction, script": f"<?x ><img src='x' onerror=\"{RUN}\"/> ?>",
    "cdata in title": f"<title><![CDATA[<img src='{HOST}4'/>]]></title>",
    "cdata in desc": f"<desc><![CDATA[<img src='x' onerror=\"{RUN}\"/>]]></desc>",
    "elements in title": f"<title><img src='{HOST}5'/></title>",
    "embed": f"<embed src='{HOST}6'/>",
    "img": f"<img src='{HOST}7'/>",
    "srcset": f"<img srcset='{HOST}8 1x'/>",
    "picture": f"<picture><source srcset='{HOST}9'/><img/></picture>",
    "object": f"<object data='{HOST}10'/>",
    "video": f"<video poster='{HOST}11'/>",
    "iframe": f"<iframe srcdoc='&lt;img src={HOST}12&gt;'/>",
    "foreignObject": (
        f"<foreignObject><p xmlns='http://www.w3.org/1999/xhtml'>"
        f"<img src='{HOST}13'/></p></foreignObject>"
    ),
    "form": f"<form action='{HOST}'><input type='image' src='{HOST}14'/></form>",
    "link": f"<link rel='stylesheet' href='{HOST}15'/>",
    "image": f"<image href='{HOST}16'/>",
    "image, another space": (
        f"<image xmlns:y='http://www.w3.org/1999/xlink' xlink:href='{HOST}17'"
        f" y:href='#a' xmlns:xlink='z'/>"
    ),
    "image, capitals": f"<image HREF='{HOST}18'/>",
    "use": f"<use href='{HOST}19#a'/>",
    "feImage": f"<filter id='f'><feImage href='{HOST}20'/></filter><rect {BOX9} filter='url(#f)'/>",
    "style": f"<style>rect {{fill: url({HOST}21)}}</style><rect {BOX9}/>",
    "style, escaped": f"<style>svg {{background: u\\72l({HOST}22)}}</style>",
    "style, escaped import": f"<style>@\\69mport '{HOST}23';</style>",
    "style, import": f"<style>@import '{HOST}24';</style>",
    "style, cdata": f"<style><![CDATA[svg {{background: url({HOST}25)}}]]></style>",
    "style, comment": f"<style>svg {{background: /* */url(/**/{HOST}26)}}</style>",
    "style, font": (
        f"<style>@font-face {{font-family: f; src: url({HOST}27)}} text"
        f" {{font-family: f}}</style><text>a</text>"
    ),
    "style, image-set": f"<style>svg {{background: image-set('{HOST}28' 1x)}}</style>",
    "style, old image-set": (
        f"<style>svg {{background: -webkit-image-set(url({HOST}29) 1x)}}</style>"
    ),
    **{
        f"style, {word}": f"<style>.q {{{word}: {call}('#' .1x, '{spy}' 1x)}}</style><rect {BOX9}/>"
        for word, call, spy in [
            ("background", "image-set", "/\t/spy.invalid/50"),
            ("background-image", "image-set", f"{HOST}51"),
            ("content", "image-set", "spy.png?0"),
            ("cursor", "image-set", "spy.png?1"),
            ("list-style-image", "-webkit-image-set", "spy.png?2"),
            ("border-image-source", "image-set", "/spy.png?3"),
            ("mask-image", "IMAGE-SET", "spy.png?4"),
        ]
    },
    "style, host": "<style>:host {background: image-set('#' .1x, 'spy.png' 1x)}</style>",
    "style, host covers": "<style>:host {position: fixed; inset: 0; z-index: 9}</style>",
    "style, source": f"<style>.q {{background: src('{HOST}60')}}</style>",
    "style, cross-fade": (
        "<style>.q {background: -webkit-cross-fade(url(#a), image-set('#' .1x, 'spy.png' 1x), 50%)}"
        "</style>"
    ),
    "style, after a picture": (
        "<style>.q {--x: data:image/png;base64,url(spy.png); background: url(#a)}</style>"
    ),
    "style, a picture": "<style>.q {background: url(data:image/png;base64,spy)}</style>",
    "style, counter": f"<style>@counter-style a {{symbols: url({HOST}61)}}</style>",
    "style, layer": f"<style>@layer a; @import '{HOST}62';</style>",
    "attribute, image-set": (
        f"<g style=\"background: image-set('#' .1x, '{HOST}63' 1x)\"><rect {BOX9}/></g>"
    ),
    "root, image-set": (
        "!<svg viewBox='0 0 9 9' width='9' style=\"background: image-set('#' .1x,"
        " 'ht&#9;tps:/&#9;/spy.invalid/64' 1x)\"/>"
    ),
    "root, image-set here": (
        "!<svg viewBox='0 0 9 9' width='9' style=\"background: image-set('#' .1x, 'spy.png' 1x)\"/>"
    ),
    "root, mask": (
        "!<svg viewBox='0 0 9 9' width='9'"
        " style=\"mask-image: -webkit-image-set('#' .1x, 'spy.png' 1x)\"/>"
    ),
    "style, variable": f"<style>svg {{--a: url({HOST}30); background: var(--a)}}</style>",
    "attribute, escaped": (
        f"<rect {BOX9} style='background: u\\000072l({HOST}31); mask-image: \\75rl({HOST}31)'/>"
    ),
    "attribute, no slashes": f"<rect {BOX9} style='mask-image: url(https:spy.invalid)'/>",
    "attribute, entity": f"<rect {BOX9} style='mask-image: &#117;rl({HOST}32)'/>",
    "attribute, filter": f"<rect {BOX9} filter='url({HOST}33#a)'/>",
    "attribute, cursor": f"<rect {BOX9} cursor='url({HOST}34), auto'/>",
    "animation sets an address": f"<image {BOX9}><set attributeName='href' to='{HOST}35'/></image>",
    "animation of an address": (
        f"<image {BOX9}>"
        f"<animate attributeName='xlink:href' values='{HOST}36;{HOST}36' dur='1s'/></image>"
    ),
    "animation of a link": (
        f"<a><animate attributeName='href' values='javascript:{RUN}'/><text>a</text></a>"
    ),
    "script": f"<script>{RUN}</script>",
    "script, other space": f"<x:script xmlns:x='http://www.w3.org/2000/svg'>{RUN}</x:script>",
    "event": f"<image href='data:,' onerror=\"{RUN}\"/>",
    "event, capitals": f"<image href='data:,' ONERROR=\"{RUN}\"/>",
    "event of an animation": f"<animate attributeName='x' dur='1s' onbegin=\"{RUN}\"/>",
    "link that runs": f"<a href='java&#10;script:{RUN}'><text>a</text></a>",
    "entity": (
        f"!<!DOCTYPE svg [<!ENTITY e '<image href=\"{HOST}37\"/>'>]>"
        f"<svg viewBox='0 0 9 9'>&e;</svg>"
    ),
    "broken out": f"<p/><img src='{HOST}38'/>",
    "font breaks out": f"<font color='red'/><img src='{HOST}39'/>",
    "style in desc": f"<desc><style>&lt;/style&gt;<img src='{HOST}40'/></style></desc>",
    "math": f"<math><mtext><img src='{HOST}41'/></mtext></math>",
}


def bypass(name):
    "The whole text of one of `BYPASSES`."
    inside = BYPASSES[name]
    whole = f"<svg viewBox='0 0 9 9' width='9' class='q'>{inside}</svg>"
    return inside[1:] if inside[0] == "!" else whole


class Seen(HTMLParser):
    "What a parser of HTML finds."

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes = [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += [(k, v) for k, v in attributes if not k.startswith("xmlns")]


@pytest.mark.parametrize("name", BYPASSES)
def test_no_way_round_the_check(name):
    "Refused, or harmless as HTML has it."
    try:
        kind, drawn = picture_of(lambda: bypass(name))
    except InputError as e:
        assert "\n" not in str(e) and len(str(e)) < 300
        return
    seen = Seen(drawn)
    assert set(seen.tags) <= {tag.lower() for tag in DRAWING}, drawn
    for key, value in seen.attributes:
        assert not key.startswith("on") and "spy" not in value and RUN not in value, drawn
    assert "<!" not in drawn and "<?" not in drawn


NEW = ["style, background", "style, content", "style, host", "style, host covers", "root, mask"]


@pytest.mark.parametrize("name", [n for n in BYPASSES if "image-set" in BYPASSES[n] or n in NEW])
def test_functions_of_styles_that_load_are_refused(name):
    assert "load" in refused(picture_of, lambda: bypass(name))


@pytest.mark.parametrize(
    "meant, read",
    [
        ("<g/>", "<g/><img/>"),
        ("<g/>", "<script/><g/>"),
        ("<g/>", "<g onload='a'/>"),
        ("<g/>", "<g xlink:href='spy.png'/>"),
        ("<g id='a'/>", "<g id='b'/>"),
        ("<g id='a'/>", "<g/>"),
    ],
)
def test_browsers_find_the_same_elements_and_attributes_and_no_others(monkeypatch, meant, read):
    "Even if the parser of XML had missed something."
    meant, read = (f"<svg viewBox='0 0 9 9'>{inside}</svg>" for inside in (meant, read))
    monkeypatch.setattr(sliders, "svg_root", lambda *text: ElementTree.fromstring(meant))
    assert picture_of(lambda: meant)[0] == "svg"
    assert "otherwise" in refused(picture_of, lambda: read)


def test_what_browsers_and_xml_read_alike_stays_as_it_is():
    for inside in (
        "<!-- 0.5 --><path d='M0 0'/>",
        "<linearGradient id='g'><stop offset='0'/></linearGradient><rect fill='url(#g)'/>",
        "<clipPath id='c'><rect/></clipPath><g clip-path='url( \"#c\" )'/>",
        "<style>@media (prefers-color-scheme: dark) {rect {fill: rgb(1, 2, 3)}}</style>",
        "<image href='data:image/png;base64,iVBOR//w0KGgo='/>",
        "<image id='a' href='data:image/png;base64,iVBOR\n//w0KGgo='/>",
        "<style type='text/css'>*{stroke-linejoin: round;\n\tstroke-linecap: butt}</style>",
        "<style>.a:not(.b), g > path:nth-child(2n) {fill: var(--x, light-dark(red, blue));\n"
        "transform: translate(1px, 2px) rotate(calc(1deg + 2deg)); fill: url(#p3-a.b)}</style>",
        "<style>@keyframes a {from {opacity: 0}} /* (a note) */ g {animation: a 1s}</style>",
        "<path d='M0 0\nL1 1' style='fill: rgb(1, 2, 3); clip-path: url(#c)'/>",
        "<g id='plot (1)' class='a b' data-x='f(x)' aria-label='image-set(a)\\'/>",
        "<text font-family=\"'Open Sans', verdana\">url(a) and image-set(b)</text>",
        "<text aria-label='a // b'>https://example.com is only text</text>",
        "<a href='#there'><text>a</text></a>",
    ):
        whole = f"<svg {XMLNS} viewBox='0 0 9 9' width='9'>{inside}</svg>"
        assert picture_of(lambda: whole) == ("svg", whole)


def test_what_they_read_in_two_ways_is_written_anew():
    cdata = "<svg viewBox='0 0 9 9' width='9'><text><![CDATA[a < b]]></text><!-- <g> --></svg>"
    want = f'<svg {XMLNS} viewBox="0 0 9 9" width="9"><text>a &lt; b</text></svg>'
    assert picture_of(lambda: cdata) == ("svg", want)
    inkscape = (
        f"<?xml version='1.0'?><!-- <made> --><x:svg xmlns:x='{XMLNS[7:-1]}' viewBox='0 0 9 9'>"
        "<x:rect xmlns:xlink='http://www.w3.org/1999/xlink' xlink:title='a'/></x:svg>"
    )
    want = f'<svg {XMLNS} width="9" viewBox="0 0 9 9"><rect title="a" /></svg>'
    assert picture_of(lambda: inkscape) == ("svg", want)


@pytest.mark.parametrize(
    "text",
    [
        "<svg viewBox='0 0 9 9'>" + "<g>" * 5000 + "</g>" * 5000 + "</svg>",
        "<svg viewBox='0 0 9 9'><animate attributeName='x' values='0;1' dur='2s'/></svg>",
        "<!DOCTYPE svg [<!ENTITY a 'aa'><!ENTITY b '&a;&a;'>]><svg viewBox='0 0 9 9'>&b;</svg>",
        "<svg viewBox='a b c d'/>",
        "<svg viewBox='0 0 9'/>",
        "<svg viewBox='0 0 \" 9'/>",
        "\x00<svg viewBox='0 0 9 9'/>",
        "<svg viewBox='0 0 9 9'><text>\x01</text></svg>",
        "<svg viewBox='0 0 9 9'>\ud800</svg>",
    ],
)
def test_texts_that_are_no_drawings(text):
    with pytest.raises(InputError) as e:
        picture_of(lambda: text)
    assert "\n" not in str(e.value) and len(str(e.value)) < 300


@pytest.mark.parametrize("name", ["x onload", "a>", "", 'a"', "1a"])
def test_names_in_the_pen(name):
    for call in (lambda: shape(name), lambda: shape("g", **{name: 1})):
        with pytest.raises(InputError, match="no name in SVG"):
            call()


XMLNS = 'xmlns="http://www.w3.org/2000/svg"'
BOX = 'viewBox="0 0 9 5"'


@pytest.mark.parametrize(
    "given, want",
    [
        (f"<svg {BOX}/>", f'<svg {XMLNS} width="9" {BOX}/>'),
        (
            '<svg width="9pt" height="5pt"/>',
            f'<svg {XMLNS} {BOX} width="9pt" height="5pt"/>',
        ),
        (
            f'<?xml version="1.0"?>\n<svg {XMLNS} width="4" {BOX}></svg>\n',
            f'<svg {XMLNS} width="4" {BOX}></svg>',
        ),
    ],
)
def test_svg_gets_a_size_and_a_name_space(given, want):
    assert picture_of(lambda: given) == ("svg", want)
    ElementTree.fromstring(want)


@pytest.mark.parametrize(
    "out, says",
    [
        (np.zeros((2, 2)), "array of float64"),
        (None, "no picture"),
        (np.zeros((2, 2, 4), np.uint8), "shape"),
        (np.zeros((0, 2), np.uint8), "shape"),
        ("<p>no</p>", "not an <svg>"),
        ("<svg/>", "no size"),
        ("", "well-formed"),
    ],
)
def test_what_is_no_picture(out, says):
    def draw():
        return out

    assert says in refused(bake, draw)


def test_one_kind_of_picture():
    def draw(x):
        return square() if x else ramp()

    assert "decide for one" in refused(bake, draw, x=True)


# The same bytes again -----------------------------------------------------------------------------

CODE = """
import sys, hashlib, matplotlib; matplotlib.use("Agg")
import matplotlib.pyplot as plt, numpy as np
from unet_explorer.sliders import bake
def figure(k, mode):
    fig, ax = plt.subplots(figsize=(2, 2))
    ax.plot([0, k], "o-")
    ax.set_title(mode)
    ax.imshow(np.eye(3))
    return fig
def noise(k):
    return np.random.default_rng(k).integers(0, 9, (5, 5)).astype("uint8")
page = bake(figure, noise, k=(1, 3), mode=["a", "b"], note="x")
print(hashlib.sha256(page.encode()).hexdigest())
"""


def test_another_process_bakes_the_same_bytes():
    import os

    def once(seed):
        env = {**os.environ, "PYTHONHASHSEED": seed}
        command = [sys.executable, "-c", CODE]
        return subprocess.run(command, stdout=subprocess.PIPE, check=True, env=env).stdout

    assert once("1") == once("2")


def test_ids_come_from_the_content():
    def id_of(**k):
        return spec_of(bake(square, **k))["id"]

    assert id_of(side=(1, 3)) == id_of(side=(1, 3)) != id_of(side=(1, 4))


def test_impure_functions_are_found():
    count = iter(range(99))

    def draw(x):
        return square(next(count))

    assert "must be pure" in refused(bake, draw, x=(1, 2))


def test_names_become_part_of_links():
    assert spec_of(bake(square, name="sharp-edge"))["name"] == "sharp-edge"
    assert "part of a link" in refused(bake, square, name="a b")


# Errors in draw functions -------------------------------------------------------------------------


def picky(x):
    if x == 2:
        raise InputError("x=2: <never> two")
    return square(x)


def test_input_errors_are_shown_in_their_frame():
    panel = spec_of(bake(picky, x=(1, 3)))["panels"][0]
    assert panel["errors"] == {"1": "x=2: <never> two"} and frames_of(panel)[1] == ""
    assert "start" in refused(bake, picky, x=Control((1, 3), start=2))
    assert "never" in refused(bake, picky, x=(2, 2))


def test_other_errors_stop_the_baking_and_say_where():
    def draw(x, y=0):
        return square(1 // (x - 2))

    with pytest.raises(RuntimeError, match=r"draw\(x = 2\) stopped with ZeroDivisionError"):
        bake(draw, x=(1, 3))


# With a kernel ------------------------------------------------------------------------------------


@pytest.fixture
def live(monkeypatch):
    monkeypatch.delenv("UNET_EXPLORER_STATIC", raising=False)


def parts(shown):
    "`(controls by name, panels)` of a live widget."
    *_, rows, boxes = shown.widget.children
    flat = [w for r in rows.children for w in (r.children if hasattr(r, "children") else [r])]
    return {w.description: w for w in flat if hasattr(w, "description")}, boxes.children


def test_live_draws_only_what_has_moved(live):
    calls = []

    def one(a):
        calls.append(("one", a))
        return square(a)

    def two(a, b):
        calls.append(("two", a, b))
        return ramp(a, b)

    turns, panels = parts(explore(one, two, a=(1, 3), b=(0, 9)))
    assert calls == [("one", 1), ("two", 1, 0)]
    turns["b"].value = 4
    assert calls[2:] == [("two", 1, 4)]
    turns["a"].value = 2
    assert calls[3:] == [("one", 3), ("two", 3, 4)]
    now = picture_of(square, side=3)[1]
    assert base64.b64encode(now.encode()).decode() in panels[0].value


def test_live_errors_are_shown_and_go_away(live):
    def draw(x):
        if x == 3:
            raise KeyError("<b>")
        return picky(x)

    turns, (panel,) = parts(explore(draw, x=(1, 4)))
    good = panel.value
    turns["x"].value = 1
    assert (
        'role="alert"' in panel.value
        and "&lt;never&gt;" in panel.value
        and "Traceback" not in panel.value
    )
    turns["x"].value = 2
    assert "KeyError" in panel.value and "Traceback" in panel.value and "<b>'" not in panel.value
    turns["x"].value = 0
    assert panel.value == good


def test_live_play_and_checkbox(live):
    import ipywidgets as W

    def draw(t, on):
        return square(t, "red" if on else "blue")

    turns, (panel,) = parts(explore(draw, t=Control((1, 3), play=True, unit="s"), on=True))
    assert (
        isinstance(turns["Play t"], W.Play) and turns["t"].options[0][0] == "1\N{NO-BREAK SPACE}s"
    )
    before = panel.value
    turns["on"].value = False
    assert panel.value != before


def test_live_skips_stale_draws(live):
    "Of a burst of changes only the newest is drawn, and a round that is out of date ends early."
    calls = []

    def slow(x):
        time.sleep(0.03)
        calls.append(("slow", x))
        return square(x)

    def other(x):
        calls.append(("other", x))
        return square(x)

    async def burst():
        turns, _ = parts(explore(slow, other, x=(1, 40)))
        calls.clear()
        for i in range(1, 40):
            turns["x"].value = i
            if i % 10 == 0:
                await asyncio.sleep(0.02)
        await asyncio.sleep(0.3)

    asyncio.run(burst())
    assert calls[-2:] == [("slow", 40), ("other", 40)]
    assert len(calls) <= 12, calls  # of 78


def test_live_is_quick(live):
    "From a change to the finished text of the panel, without waiting and the way to the browser."

    def grey(side):
        return np.full((256, 256), side, np.uint8)

    turns, _ = parts(explore(square, grey, side=(1, 50)))
    times = []
    for i in range(1, 30):
        start = time.perf_counter()
        turns["side"].value = i
        times.append(time.perf_counter() - start)
    median = sorted(times)[len(times) // 2] * 1000
    print(f"live, two panels: {median:.1f} ms")
    assert median < 50


# What is shown ------------------------------------------------------------------------------------


def test_saved_output_is_html_and_nothing_else(monkeypatch):
    import IPython.display

    monkeypatch.setenv("UNET_EXPLORER_STATIC", "1")
    shown = []
    monkeypatch.setattr(IPython.display, "display", lambda *a, **k: shown.append((a, k)))
    explore(square, side=(1, 3))._ipython_display_()
    (((bundle,), options),) = shown
    assert set(bundle) == {"text/html"} and options == {"raw": True}
    assert bundle["text/html"] == bake(square, side=(1, 3))
    assert refused(explore, square, side=(1, 500))  # at once, not while it is displayed


def bundle_of(shown, monkeypatch):
    "What a notebook gets from `shown`: formats and data."
    import IPython.display

    told = []
    monkeypatch.setattr(IPython.display, "display", lambda data, raw: told.append(data))
    shown._ipython_display_()
    return told[0]


def test_a_live_widget_brings_its_page_along(live, monkeypatch):
    bundle = bundle_of(explore(square, side=(1, 3), note="n"), monkeypatch)
    assert bundle["text/html"] == bake(square, side=(1, 3), note="n")
    assert "application/vnd.jupyter.widget-view+json" in bundle


def test_a_page_too_large_or_too_slow_is_left_out(live, monkeypatch):
    def slow(x):
        time.sleep(0.2)
        return square(x)

    start = time.perf_counter()
    for shown in (explore(square, side=(1, 500)), explore(slow, x=(1, 300))):
        assert set(bundle_of(shown, monkeypatch)) >= {"application/vnd.jupyter.widget-view+json"}
        assert "text/html" not in bundle_of(shown, monkeypatch)
    assert time.perf_counter() - start < 5, "given up when it is clear, not after 60 s"


def test_fragment_names_no_other_host_and_has_no_blank_line():
    fragment = bake(square, ramp, side=(1, 3), note="n")
    assert not re.search(r"""(?:src|href)=["'](?!data:)""", fragment)
    assert "import(" not in fragment and "fetch(" not in fragment
    assert set(re.findall(r"https?://[\w.]+", fragment)) <= {"http://www.w3.org"}
    assert "\n\n" not in fragment  # which would end the HTML inside a markdown page


def test_import_is_quick_and_loads_no_torch():
    code = (
        "import sys, unet_explorer.sliders; "
        "assert not {'torch', 'matplotlib', 'ipywidgets', 'IPython'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
