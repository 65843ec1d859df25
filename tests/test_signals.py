"""Sounds in a page, scores of sounds, and marks of beats."""

import base64
import io
import re

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
    heartbeats,
    hiss,
    mixed,
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


def test_speech():
    pytest.importorskip("espeakng_loader")
    wave = speak("Rice is often served in round bowls.")
    assert 8000 < len(wave) < 40000 and 0.05 < np.abs(wave).max() <= 1
    with pytest.raises(InputError, match="no voice"):
        speak("Rice", "nobody")
