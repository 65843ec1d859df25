"""One dimension: drums taken out of strings and speech, and beats marked in a heart's line.

Three seeds each, kept as they are finished; the baselines are chosen on validation data, setting by
setting. With SYSTOLE_ECG, the path of Task1_ECG.npy from the sdist of the package systole (GPL-3,
25 minutes of a heart at 1000 Hz), also on that record: it is read, and nothing of it is kept."""

import os
import time
import warnings
from functools import cache
from itertools import product

import numpy as np
import torch
from common import SEEDS, earlier, facts, spread, write
from scipy.ndimage import gaussian_filter1d, median_filter
from scipy.signal import butter, find_peaks, istft, resample_poly, sosfiltfilt, stft
from unet_explorer.contracts import need
from unet_explorer.signals import (
    WaveUNet,
    beat_counts,
    beats_of,
    distortion,
    heart_batches,
    hiss,
    level,
    mixed,
    mixtures,
    noisy_heart,
    si_sdr,
    sound_pool,
)
from unet_explorer.train import fit_batches
from unet_explorer.unet import UNet

NAME = "signals"
RATE, KINDS, SNRS = 8000, ("strings", "speech"), (-5, 0, 5)
SOUND = dict(
    recipe="1000 steps of 8 mixtures of 1 s, AdamW, one cycle up to 3e-3, wrong over right in dB",
    split="parts share no pitch, drum, sentence or voice (sound_pool); validation chooses the "
    "settings of the baselines, 30 test lines of 1 s for each kind, SNR and seed",
)
HEART = dict(
    recipe="600 steps of 16 simulated records of 4 s, AdamW, one cycle up to 3e-3, cross-entropy",
    split="trained on simulated hearts alone; tested on pywt.data.ecg(), 3 beats, 10 copies in a "
    "row with noise of their own, 5 draws; the first copy does not count: 135 beats a cell",
)
RECORD, BEATS, FS = 1024, (190, 518, 848), 360
LEVELS, COLOURS = (30, 10, 5, 0, -3, -6), (0.0, 0.9)


# --- sounds ------------------------------------------------------------------------------------


def gated(x, noise, **how):
    "Spectral gating by noisereduce; `noise` is the drum of this very mixture, alone."
    import noisereduce

    return noisereduce.reduce_noise(x, RATE, y_noise=noise if how["stationary"] else None, **how)


def harmonic(x, n_fft, along, across, power):
    "The harmonic part by medians along time and across frequencies (Fitzgerald 2010)."
    at = dict(fs=RATE, nperseg=n_fft, noverlap=3 * n_fft // 4)
    z = stft(x, **at)[2]
    h, p = (median_filter(np.abs(z), size) ** power for size in ((1, along), (across, 1)))
    return istft(z * h / (h + p + 1e-12), **at)[1][: len(x)]


def settings():
    "Name, function of mixture and noise, and how it is set: all that validation chooses from."
    for still, drop, n_fft, by, smooth in product(
        (True, False), (0.8, 1.0), (256, 512), (1, 2, 3), ((500, 50), (None, None))
    ):
        how = dict(
            stationary=still,
            prop_decrease=drop,
            n_fft=n_fft,
            n_std_thresh_stationary=by,
            thresh_n_mult_nonstationary=by,
            freq_mask_smooth_hz=smooth[0],
            time_mask_smooth_ms=smooth[1],
            time_constant_s=0.5,
        )
        yield "gating", lambda x, n, how=how: gated(x, n, **how), how
    for n_fft, along, across, power in product((256, 512, 1024), (9, 17), (9, 17, 31), (1, 2)):
        how = dict(n_fft=n_fft, along=along, across=across, power=power)
        yield "median filters", lambda x, n, how=how: harmonic(x, **how), how


def cases(pool, noises, snrs=SNRS):
    "`(kind, snr, mixtures, wanted, what is mixed in)`."
    for kind, snr in product([k for k in KINDS if k in pool], snrs):
        x = np.stack([mixed(a, b, snr) for a, b in zip(pool[kind], noises)])
        yield kind, snr, x, pool[kind], x - pool[kind]


def mean_db(scores):
    "The mean; a line that was muted altogether counts as -30 dB."
    return float(np.maximum(scores, -30).mean())


def chosen(pool, noises):
    "`{(kind, snr): {name: (score, how, function)}}`, the best on validation data."
    best = {}
    for kind, snr, x, y, z in cases(pool, noises):
        here = best.setdefault((kind, snr), {})
        for name, f, how in settings():
            score = mean_db(si_sdr(np.stack([f(a, b) for a, b in zip(x, z)]), y))
            if score > here.get(name, (-99,))[0]:
                here[name] = (score, how, f)
    return best


def scored(net, best, pool, noises):
    "Mean SI-SDR in dB of each method, by kind and SNR."
    table = {}
    for kind, snr, x, y, z in cases(pool, noises):
        row = dict(mixture=si_sdr(x, y))
        with torch.no_grad():
            row["U-Net"] = si_sdr(net(torch.tensor(x).float()[:, None])[:, 0], y)
        for name, (_, _, f) in best[kind, snr].items():
            row[name] = si_sdr(np.stack([f(a, b) for a, b in zip(x, z)]), y)
        table[f"{kind} {snr}"] = {k: mean_db(v) for k, v in row.items()}
    return table


def noise_of(pool, what, seed):
    "The drums of a pool, or a steady hiss in their place."
    if what == "drums":
        return pool["drums"]
    rng = np.random.default_rng(seed)
    lines = [
        hiss(d.size, rng.uniform(-0.7, 0.9), seed=seed + i) for i, d in enumerate(pool["drums"])
    ]
    return 0.1 * np.stack(lines)  # as loud as the drums


def sound_run(seed, what="drums", steps=1000):
    "Train one network and score it beside the baselines."
    begin = time.process_time()
    train = sound_pool("train", 300, seed=seed)
    train["drums"] = noise_of(train, what, 1000 + seed)
    net = WaveUNet(seed=seed)
    losses = fit_batches(net, mixtures(train), distortion, steps=steps, seed=seed)
    spent = time.process_time() - begin
    valid, test = sound_pool("valid", 5, seed=seed), sound_pool("test", 30, seed=seed)
    best = chosen(valid, noise_of(valid, what, 2000 + seed))
    return dict(
        seed=seed,
        steps=steps,
        loss=float(np.mean(losses[-50:])),
        scores=scored(net, best, test, noise_of(test, what, 3000 + seed)),
        settings={f"{k} {s}": {n: b[1] for n, b in v.items()} for (k, s), v in best.items()},
        seconds=round(spent),
        on=" ".join([facts()["processor"], facts()["date"]]),
    )


# --- hearts ------------------------------------------------------------------------------------


def detectors():
    "The detectors of py-ecg-detectors: `{name: function of a line}`."
    found = need("ecgdetectors", "beyond").Detectors(FS).get_detector_list()

    def careful(f):
        def run(line):
            try:
                return np.array(f(line), int)
            except Exception:  # some of them stop where they find too few peaks
                return np.zeros(0, int)

        return run

    return {name: careful(f) for name, f in found}


def f1(counts):
    hits, false, missed = np.sum(counts, 0)
    return float(2 * hits / max(1, 2 * hits + false + missed))


def late(f):
    "By how many samples `f` is late, on simulated hearts with little noise: the median."
    off = []
    for seed in range(4):
        heart = noisy_heart(30.0, 15, seed=9000 + seed)
        far = f(heart.line)[:, None] - heart.beats
        if far.size:
            off += list(far[np.arange(len(far)), np.abs(far).argmin(1)])
    return int(np.median(off)) if off else 0


@cache
def delays():
    "`late` of each detector of the package."
    return {name: late(f) for name, f in detectors().items()}


def simulated(snr, colour):
    "Validation records: simulated, with the noise of the test."
    for seed in range(4):
        heart = noisy_heart(30.0, 40, seed=9100 + seed)
        yield mixed(heart.line, hiss(len(heart.line), colour, seed=seed), snr), heart.beats


def real(snr, colour, draws=5, copies=10):
    "The real record, ten times in a row, in noise; the beats of the first copy are left out."
    line = np.tile(need("pywt.data", "beyond").ecg().astype(float), copies)
    beats = np.concatenate([np.array(BEATS) + i * RECORD for i in range(copies)])
    for draw in range(draws):
        yield mixed(line, hiss(len(line), colour, seed=500 + draw), snr), beats


def settled(f):
    "`f` without what it marks in the first copy."
    return lambda line: (lambda m: m[m >= RECORD])(f(line))


def marks(net):
    def run(line):
        with torch.no_grad():
            return beats_of(net(level(line)[None])[0, 0].numpy())

    return run


def counted(f, records):
    "F1 of `f` on the real record, its first copy left out."
    return f1([beat_counts(settled(f)(x), b[b >= RECORD]) for x, b in records])


def on_time(name, f):
    "The detector `f` with its delay taken off."
    return lambda line: f(line) - delays()[name]


def classical():
    "F1 of every detector by colour and SNR: on validation data, and on the test."
    table = {}
    for colour, snr in product(COLOURS, LEVELS):
        valid, test = list(simulated(snr, colour)), list(real(snr, colour))
        ready = {name: on_time(name, f) for name, f in detectors().items()}
        table[f"{colour} {snr}"] = dict(
            valid={n: f1([beat_counts(f(x), b) for x, b in valid]) for n, f in ready.items()},
            test={n: counted(f, test) for n, f in ready.items()},
        )
        print("detectors", colour, snr, flush=True)
    return table


def bell_and_threshold(width, share):
    """A detector of six lines: a difference of two bells, turned over where its largest values
    point down, and its peaks above `share` of the 99th percentile, at least 0.3 s apart."""

    def run(line):
        y = gaussian_filter1d(line, width) - gaussian_filter1d(line, 3 * width)
        low, high = np.percentile(y, (1, 99))
        y = -y if -low > high else y
        return find_peaks(y, distance=110, height=share * max(high, -low))[0]

    return run


def smoother():
    """`bell_and_threshold`, beside the network: one setting for all noises, the best mean on the
    records on which a detector is chosen too, its delay taken off; and F1 where its settings are
    chosen for each noise, as the detector is."""
    noises = list(product(COLOURS, LEVELS))
    valid = {noise: list(simulated(noise[1], noise[0])) for noise in noises}
    made, scores = {}, {}
    for how in product((2, 3, 4, 5, 6), (0.4, 0.5, 0.6, 0.7, 0.8)):
        f = bell_and_threshold(*how)
        by = late(f)
        made[how] = lambda line, f=f, by=by: f(line) - by
        for noise in noises:
            scores[how, noise] = f1([beat_counts(made[how](x), b) for x, b in valid[noise]])
    one = max(made, key=lambda how: np.mean([scores[how, noise] for noise in noises]))
    table = dict(width=one[0], share=one[1], late=late(bell_and_threshold(*one)), test={}, each={})
    for colour, snr in noises:
        own = max(made, key=lambda how: scores[how, (colour, snr)])
        key, test = f"{colour} {snr}", list(real(snr, colour))
        table["test"][key] = counted(made[one], test)
        table["each"][key] = dict(width=own[0], share=own[1], test=counted(made[own], test))
    return table | dict(systole=long_record(made[one]))


def heart_net(seed, steps=600):
    net = UNet(1, 1, (8, 16, 32, 48, 64), padding=True, norm=True, dims=1, seed=seed)
    loss = torch.nn.functional.binary_cross_entropy_with_logits
    return net, fit_batches(net, heart_batches(), loss, steps=steps, seed=seed)


def heart_run(seed):
    begin = time.process_time()
    net, losses = heart_net(seed)
    spent = time.process_time() - begin
    scores = {}
    for colour, snr in product(COLOURS, LEVELS):
        scores[f"{colour} {snr}"] = counted(marks(net), real(snr, colour))
    return dict(
        seed=seed,
        loss=float(np.mean(losses[-50:])),
        scores=scores,
        seconds=round(spent),
        systole=long_record(marks(net)),
    )


@cache
def systole():
    "The long record at 360 Hz and its beats: peaks of the clean line, 5 to 20 Hz; or None."
    path = os.environ.get("SYSTOLE_ECG")
    if not path:
        return None
    line = resample_poly(np.load(path), 9, 25)
    band = sosfiltfilt(butter(3, (5, 20), "bandpass", fs=FS, output="sos"), line)
    tall = np.percentile(band.reshape(-1)[: len(band) // FS * FS].reshape(-1, FS).max(1), 50)
    beats, _ = find_peaks(band, height=0.5 * tall, distance=int(0.4 * FS))
    return line, beats


def long_record(f, snrs=(30, 0, -3, -6)):
    "F1 on the long record, in white noise."
    if systole() is None:
        return None
    line, beats = systole()
    return {
        str(s): f1([beat_counts(f(mixed(line, hiss(len(line), seed=7), s)), beats)]) for s in snrs
    }


def summary(rows):
    "Mean and spread over the runs, entry by entry."
    if not rows:
        return {}
    if isinstance(rows[0], dict):
        return {k: summary([r[k] for r in rows]) for k in rows[0]}
    return spread(rows)


def main():
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    old = earlier(NAME, sound=SOUND, heart=HEART)
    keys = ("sounds", "hearts", "hiss", "detectors", "detectors_systole", "smooth")
    have = {k: old.get(k, []) for k in keys}
    todo = os.environ.get("SIGNALS_PART", "sounds hearts hiss detectors smooth").split()

    def save():
        there = earlier(NAME, sound=SOUND, heart=HEART)  # another part may run beside this one
        have.update({k: there.get(k, have[k]) for k in keys if k.split("_")[0] not in todo})
        about = dict(sound=SOUND, heart=HEART, delays=delays())
        summaries = dict(
            sounds_mean=summary([r["scores"] for r in have["sounds"]]),
            hearts_mean=summary([r["scores"] for r in have["hearts"]]),
            systole_mean=summary([r["systole"] for r in have["hearts"] if r["systole"]]),
        )
        write(NAME, **about, **have, **summaries)

    for seed in SEEDS:
        for key, run in (("hearts", heart_run), ("sounds", sound_run)):
            if key in todo and seed not in [r["seed"] for r in have[key]]:
                have[key].append(run(seed))
                save()
    if "detectors" in todo and not have["detectors"]:
        have["detectors"] = classical()
        if systole() is not None:
            have["detectors_systole"] = {
                n: long_record(on_time(n, f)) for n, f in detectors().items()
            }
        save()
    if "smooth" in todo and not have["smooth"]:
        have["smooth"] = smoother()
        save()
    if "hiss" in todo and not have["hiss"]:
        have["hiss"] = [sound_run(0, "hiss", 700)]
        save()


if __name__ == "__main__":
    main()
