"""Sounds in a page, scores of sounds, and marks of beats."""

import base64
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.io import wavfile
from unet_explorer.contracts import InputError
from unet_explorer.signals import (
    MAX_SOUND,
    PERIODS,
    SENTENCES,
    VOICES,
    WaveUNet,
    beat_counts,
    beat_mask,
    beats_of,
    distortion,
    drum,
    heartbeats,
    hiss,
    level,
    mixed,
    mixtures,
    noisy_heart,
    pluck,
    si_sdr,
    sound,
    sound_pool,
    speak,
)


def heard(made):
    "Rate and samples of a sound in a page."
    code = re.search(r'src="data:audio/wav;base64,([^"]+)"', made._repr_html_())[1]
    return wavfile.read(io.BytesIO(base64.b64decode(code)))


@pytest.mark.parametrize("bits,off", [(16, 1 / 32767), (8, 1 / 127)])
def test_a_sound_comes_back(bits, off):
    wave = np.sin(np.arange(4000) / 9)
    rate, samples = heard(sound(wave, 8000, "a tone", bits=bits))
    back = samples / 32767 if bits == 16 else (samples.astype(float) - 128) / 127
    assert rate == 8000 and np.abs(back - wave).max() <= off


def test_a_label_cannot_break_out():
    page = sound(np.zeros(9), 8000, '<b>"x"')._repr_html_()
    assert "<b>" not in page and 'aria-label="&lt;b&gt;&quot;x&quot;"' in page


@pytest.mark.parametrize("wave,word", [([2.0, 0.0], "peak"), (np.zeros(10**6), "s of its 125.0 s")])
def test_too_loud_and_too_long(wave, word):
    with pytest.raises(InputError, match=word):
        sound(wave, 8000, "x")


def test_what_the_budget_says_fits():
    with pytest.raises(InputError) as e:
        sound(np.zeros(10**6), 8000, "x")
    seconds = float(re.search(r"take ([\d.]+) s", str(e.value))[1])
    assert len(sound(np.zeros(int(seconds * 8000)), 8000, "x")._repr_html_()) < MAX_SOUND + 500


def test_the_pitch_of_a_string():
    for period in (20, 36, 71):
        wave = pluck(8000 / (period + 0.5), 2.0, ring=1.0, seed=period)
        spectrum = np.abs(np.fft.rfft(wave[4000:] * np.hanning(12000)))
        assert abs(spectrum[:1000].argmax() / 1.5 * (period + 0.5) / 8000 % 1 - 0.5) > 0.47


def test_si_sdr_forgives_loudness_and_nothing_else():
    rng = np.random.default_rng(0)
    truth, noise = rng.standard_normal((2, 3, 500))
    assert np.allclose(si_sdr(7 * (truth + noise) + 3, truth), si_sdr(truth + noise, truth))
    assert (si_sdr(np.roll(truth, 1), truth) < 0).all()
    assert si_sdr(truth[0], truth[0]) > 200


def test_a_mixture_is_as_loud_as_it_says():
    a, b = hiss(5000, 0.5, seed=1), hiss(5000, -0.5, seed=2)
    other = mixed(a, b, 6) - a
    assert np.isclose(10 * np.log10(a.var() / other.var()), 6)


def test_parts_share_nothing():
    for table in (PERIODS, SENTENCES, VOICES):
        names = list(table)
        for i, name in enumerate(names):
            for other in names[:i]:
                assert not set(table[name]) & set(table[other]), (name, other)
    a, b = sound_pool("valid", 1, 2000, seed=3), sound_pool("test", 1, 2000, seed=3)
    assert not np.allclose(a["drums"], b["drums"])


def test_any_length_and_loudness():
    net = WaveUNet((4, 8, 8)).eval()
    x = torch.randn(2, 1, 1001)
    with torch.no_grad():
        y = net(x)
        assert y.shape == x.shape
        torch.testing.assert_close(net(50 * x), 50 * y, rtol=1e-3, atol=1e-2)


def test_beats_survive_the_mask():
    heart = heartbeats(8.0, seed=4)
    assert len(heart.beats) >= 5
    inner = [b for b in heart.beats if 20 < b < len(heart.line) - 20]
    mask = beat_mask(inner, len(heart.line))[0].numpy()
    assert beats_of(20 * mask - 10).tolist() == inner


def test_the_r_wave_is_where_the_beat_is():
    for seed in range(12):
        line, beats = heartbeats(8.0, seed=seed)
        inside = [b for b in beats if 10 < b < len(line) - 10]
        near = [np.abs(line[b - 10 : b + 11]).argmax() - 10 for b in inside]
        assert np.abs(near).max() <= 1


@pytest.mark.parametrize(
    "found,true,counts",
    [
        ([100, 101], [100], (1, 1, 0)),  # one beat is found once
        ([100], [90, 110], (1, 0, 1)),  # and one mark finds one beat
        ([], [5], (0, 0, 1)),
        ([127], [100], (1, 0, 0)),  # 75 ms at 360 Hz
        ([128], [100], (0, 1, 1)),
        ([120, 140], [100, 125], (1, 1, 1)),
    ],
)
def test_counts(found, true, counts):
    assert beat_counts(found, true) == counts


LINE = np.arange(40.0)
NET = WaveUNet((4, 8, 8)).eval()


@pytest.mark.parametrize(
    "wave",
    [
        torch.zeros(2, 2, 100),  # stereo: the two channels are not one signal
        torch.zeros(100),
        torch.zeros(1, 100),
        torch.zeros(1, 1, 0),
        torch.zeros(1, 1, 100).double(),
        torch.zeros(1, 1, 100, dtype=torch.int16),
        np.zeros((1, 1, 100), "float32"),
        [0.0, 1.0],
        None,
    ],
)
def test_what_is_no_batch_of_waves(wave):
    with pytest.raises(InputError, match=r"^WaveUNet: x=.*into the batch: x.reshape\(-1, 1, n\)$"):
        NET(wave)


def test_channels_in_the_batch_do_not_see_each_other():
    stereo = torch.randn(2, 2, 400)
    with torch.no_grad():
        both = NET(stereo.reshape(-1, 1, 400)).reshape(stereo.shape)
        torch.testing.assert_close(both[:, 1:], NET(stereo[:, 1:]))


CONSTANT = np.full(8000, 0.1)  # its standard deviation is not 0, but 1e-17
POOL = dict(drums=np.ones((2, 30)), strings=np.ones((2, 30)))


@pytest.mark.parametrize(
    "call,word",
    [
        (lambda: mixed(CONSTANT, hiss(8000), 0), "mixed: a constant line"),
        (lambda: mixed(hiss(8000), CONSTANT, 0), "mixed: a constant line"),
        (lambda: mixed(LINE, LINE, -1e6), "mixed: snr="),
        (lambda: noisy_heart(1.0, 1e6), "noisy_heart: snr="),
        (lambda: si_sdr(hiss(8000), CONSTANT), "si_sdr: a truth that is constant"),
        (lambda: si_sdr("x", LINE), "si_sdr: estimate="),
        (lambda: si_sdr(LINE, [[1, 2], [3]]), "si_sdr: truth="),
        (lambda: distortion(torch.zeros(1, 2, 9), torch.zeros(1, 2, 9)), r"\(b 1 n\)"),
        (lambda: mixtures({}), "pool=nothing"),
        (lambda: mixtures(dict(drums=POOL["drums"])), "pool=drums; it needs"),
        (lambda: mixtures(POOL | dict(drums=[1.0, 2.0])), r"each must be \(k n\)"),
        (lambda: mixtures(POOL | dict(drums=np.ones((2, 31)))), "the same n"),
        (lambda: mixtures(POOL | dict(drums=np.ones((0, 30)))), "pool.'drums'."),
        (lambda: mixtures(POOL | dict(strings="x")), "pool.'strings'."),
        (lambda: pluck(2600), "at most 2285 Hz"),
        (lambda: pluck(1e-6), "from 10 Hz"),
        (lambda: sound(np.int16([20000, 0]), 8000, "x"), "32768"),
        (lambda: hiss(9, 0.999), "0.99"),
        (lambda: beats_of(torch.zeros(1, 9)), r"array of shape \(1, 9\).*one axis"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(call, word):
    with pytest.raises(InputError, match=word) as e:
        call()
    assert "\n" not in str(e.value)


def test_what_the_message_says_makes_it_fit():
    for wave in (drum("snare"), pluck(220)):
        with pytest.raises(InputError, match="divide by") as e:
            sound(wave, 8000, "x")
        sound(wave / float(re.search(r"divide by ([\d.]+)", str(e.value))[1]), 8000, "x")


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16, torch.int64])
def test_tensors_are_lines_too(kind):
    line = torch.tensor(40 * (beat_mask([20], 40).numpy()[0] - 0.5)).to(kind)
    assert beats_of(line).tolist() == [20]
    assert torch.equal(level(line), level(line.tolist()))
    assert np.array_equal(mixed(line, line, 3), mixed(line.tolist(), line.tolist(), 3))
    if line.is_floating_point():
        assert beats_of(line.requires_grad_()).tolist() == [20]
    assert "0.0 s" in repr(sound(line / 20, 8000, "x"))


def test_no_beat_is_a_list_of_whole_numbers():
    short = [heartbeats(0.01, seed=s).beats for s in range(9)]
    assert any(len(b) == 0 for b in short) and {b.dtype.kind for b in short} == {"i"}
    assert noisy_heart(0.05, seed=3).beats.dtype.kind == "i"


def plain_counts(found, beats, slack):
    "The nearest pair of all, again and again."
    far = np.abs(np.asarray(found, float)[:, None] - np.asarray(beats, float))
    hits = 0
    while far.size and far.min() <= slack:
        i, j = np.unravel_index(far.argmin(), far.shape)
        far[i], far[:, j], hits = np.inf, np.inf, hits + 1
    return hits, len(found) - hits, len(beats) - hits


def test_counts_and_masks_as_by_the_plain_way():
    rng = np.random.default_rng(0)
    for _ in range(400):
        span, quarter = rng.integers(5, 300), rng.choice([1, 4])
        found, beats = (rng.integers(-9, span, rng.integers(0, 9)) / quarter for _ in "ab")
        slack = float(rng.choice([0, 1, 5, 27, 27.5, 1000]))
        assert beat_counts(found, beats, slack) == plain_counts(found, beats, slack)
        half = int(rng.integers(1, 30))
        near = np.abs(np.arange(span)[:, None] - beats) <= half
        assert np.array_equal(beat_mask(beats, int(span), half)[0], near.any(1))


def test_long_records_take_no_minutes():
    n = 1800 * 360
    beats = np.arange(100, n, 300)
    assert int(beat_mask(beats, n).sum()) == 37 * len(beats)
    assert beat_counts(beats + 5, beats) == (len(beats), 0, 0)
    assert len(heartbeats(600.0).line) == 216_000


def test_one_process_repeats_what_it_said():
    pytest.importorskip("espeakng_loader")
    first = speak("Rice is often served.", "en-us+f2")
    kept = first.copy()
    first[:] = 0  # what a caller does to it is his
    speak("Something else.", "en-us")
    assert np.array_equal(speak("Rice is often served.", "en-us+f2"), kept)
    a, b = (sound_pool("valid", 2, 2000, seed=1) for _ in "ab")
    assert np.array_equal(a["speech"], b["speech"])


@pytest.mark.parametrize(
    "words,voice,said",
    [
        ("", "en-us", "no sound"),
        ("...", "en-us", "no sound"),
        ("Rice", "en-us+zz", "no voice"),
        ("Rice", "xx", "no voice"),
    ],
)
def test_silence_and_strangers(words, voice, said):
    pytest.importorskip("espeakng_loader")
    with pytest.raises(InputError, match=said):
        speak(words, voice)


def test_the_smoother_is_set_beside_the_network():
    "The bench holds a row of it for each row of the network."
    kept = json.loads((Path(__file__).parent.parent / "nbs/results/signals.json").read_text())
    assert kept["smooth"]["test"].keys() == kept["hearts_mean"].keys()
    assert kept["smooth"]["systole"].keys() == kept["systole_mean"].keys()


def test_speech():
    pytest.importorskip("espeakng_loader")
    wave = speak("Rice is often served in round bowls.")
    assert 8000 < len(wave) < 40000 and 0.05 < np.abs(wave).max() <= 1
    with pytest.raises(InputError, match="no voice"):
        speak("Rice", "nobody")
