# three masks, as a run over a folder leaves them
room = TemporaryDirectory()
folder = Path(room.name)
for k in range(3):
    save_mask(folder / f"result/masks/chip{k}.png", torch.tensor([[0, 1, 1], [1, 1, k]]))


@told("one entry per mask, named like the file")
def metal_share_by_stem(masks_folder):
    "Named without the suffix."
    return {Path(name).stem: s for name, s in metal_share_solution(masks_folder).items()}


@told(": class 1 covers")
def metal_share_gap(masks_folder):
    "Class 0."
    files = Path(masks_folder).glob("*.png")
    return {p.name: (load_mask(p) == 0).float().mean().item() for p in files}


@told(": class 1 covers")
def metal_share_mean_number(masks_folder):
    "The mean of the class numbers."
    return {p.name: load_mask(p).float().mean().item() for p in Path(masks_folder).glob("*.png")}


@told(": class 1 covers")
def metal_share_pixels(masks_folder):
    "Pixels, not a share."
    files = Path(masks_folder).glob("*.png")
    return {p.name: int((load_mask(p) == 1).sum()) for p in files}


@told("marked it costs 0.9, not marked 0.4")
def is_metal_alarm_by_p(p, false_alarm, miss):
    "A false alarm as likely as metal."
    return p * false_alarm < p * miss


@told("equal prices: marked it costs 0.4")
def is_metal_alarm_for_sure(p, false_alarm, miss):
    "As if every mark were a false alarm."
    return false_alarm < p * miss


@told("p = 0.4: marked it costs 0.6")
def is_metal_likely(p, false_alarm, miss):
    "What is likely, whatever it costs."
    return p > 0.5


@told("a dear miss asks for a *lower* threshold")
def threshold_for_turned_round(false_alarm, miss):
    "The prices exchanged."
    return miss / (false_alarm + miss)


@told("equal prices: 0.5, not 1")
def threshold_for_ratio(false_alarm, miss):
    "The ratio of the prices."
    return false_alarm / miss


@told("miss 4, false alarm 1: 0.2, not 0.5")
def threshold_for_half(false_alarm, miss):
    "Always the usual one."
    return 0.5


@told("a large picture counts for more")
def share_of_all_mean_share(masks):
    "The mean of the shares."
    shares = [(mask == 1).sum().item() / (mask != 255).sum().item() for mask in masks]
    return sum(shares) / len(shares)


@told("2 of an info bar: 0.5, not 0.250")
def share_of_all_with_bar(masks):
    "The info bar is part of the whole."
    metal = sum((mask == 1).sum().item() for mask in masks)
    return metal / sum(mask.numel() for mask in masks)


@told("2 of an info bar: 0.5, not 0.750")
def share_of_all_above_0(masks):
    "The info bar is metal, too."
    metal = sum((mask > 0).sum().item() for mask in masks)
    return metal / sum(mask.numel() for mask in masks)
