@told("fifty layers: 5.8 pixels, not 40.8")
def field_sd_linear(n, k):
    "Standard deviations do not add up."
    return n * ((k * k - 1) / 12) ** 0.5


@told("one layer is as wide as itself: 0.82, not 2.45")
def field_sd_width(n, k):
    "The theoretical width."
    return (2 * n + 1) * ((k * k - 1) / 12) ** 0.5


@told("the closed network:")
def broken_frozen_only(model, x, y):
    "Asks what was frozen, and trains nothing."
    return [name for name, p in model.named_parameters() if not p.requires_grad]


@told("the sound network:")
def broken_not_copied(model, x, y):
    "What is kept moves along with the model."
    before = dict(model.named_parameters())
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    F.binary_cross_entropy_with_logits(model(x), y).backward()
    optimizer.step()
    return [name for name, p in model.named_parameters() if torch.equal(p, before[name])]


@told("the closed network:")
def broken_no_gradient(model, x, y):
    "A gradient of zero is a gradient, and moves nothing."
    F.binary_cross_entropy_with_logits(model(x), y).backward()
    return [name for name, p in model.named_parameters() if p.grad is None]


@told("the closed network:")
def broken_decayed(model, x, y):
    "Weight decay moves layers that learn nothing."
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    optimizer = torch.optim.AdamW(model.parameters(), 0.1, weight_decay=0.1)
    for _ in range(5):
        optimizer.zero_grad()
        F.binary_cross_entropy_with_logits(model(x), y).backward()
        optimizer.step()
    return [name for name, p in model.named_parameters() if torch.equal(p, before[name])]


@told("100 / (2/3) = 150, not")
def layers_for_linear(d, k):
    "The distance is not squared."
    return -(-12 * d // (k * k - 1))


@told("one layer of 3x3 has variance 2/3; two have 4/3, which")
def layers_for_rounded_down(d, k):
    "Rounded down: the field is too small."
    return 12 * d * d // (k * k - 1)


@told("one layer of 3x3 has variance 2/3; two have 4/3, which")
def layers_for_theoretical(d, k):
    "As far as the layers can reach, not as far as they look."
    return -(-2 * d // (k - 1))


@told("every map keeps its stride and its shape")
def keep_only_dropped(features, stride):
    "The other maps are left out, not replaced."
    return {stride: features[stride]}


@told("channel 0 at stride 2 holds 0, 1, 2, 3: its mean is 1.5")
def keep_only_zeros(features, stride):
    "Zeros are not the mean."
    return {s: f if s == stride else torch.zeros_like(f) for s, f in features.items()}


@told("channel 0 at stride 2 holds 0, 1, 2, 3: its mean is 1.5")
def keep_only_one_mean(features, stride):
    "One mean for all channels."
    return {s: f if s == stride else torch.full_like(f, f.mean()) for s, f in features.items()}


@told("the map at stride")
def keep_only_reversed(features, stride):
    "The map is taken away, and the others stay."
    return {s: REPLACEMENTS["mean"](f) if s == stride else f for s, f in features.items()}


@told("leave the given features as they were")
def keep_only_in_place(features, stride):
    "The features that were given are changed."
    for s, f in features.items():
        if s != stride:
            f[:] = f.mean((2, 3), keepdim=True)
    return dict(features)


@told("the map at stride")
def keep_only_none(features, stride):
    "Every map is replaced."
    return {s: REPLACEMENTS["mean"](f) for s, f in features.items()}


@told("only the pixel that has a gradient may light up, with")
def hires_cam_mean_gradient(gradient, maps):
    "The gradient is averaged, as in Seg-Grad-CAM."
    return (gradient.mean((1, 2), keepdim=True) * maps).sum(0).relu()


@told("with the same gradient everywhere it equals Seg-Grad-CAM")
def hires_cam_no_relu(gradient, maps):
    "Not cut off below zero."
    return (gradient * maps).sum(0)


@told("with the same gradient everywhere it equals Seg-Grad-CAM")
def hires_cam_relu_first(gradient, maps):
    "Each channel is cut off, before the sum."
    return (gradient * maps).relu().sum(0)


@told("with the same gradient everywhere it equals Seg-Grad-CAM")
def hires_cam_mean_of_channels(gradient, maps):
    "The mean over the channels, not their sum."
    return (gradient * maps).mean(0).relu()


@told("logits three times too large need T = 3, not")
def best_temperature_multiplied(logits, truth):
    "Multiplied by T, not divided."
    grid = torch.linspace(0.25, 4, 376)
    losses = [F.binary_cross_entropy_with_logits(logits * T, truth) for T in grid]
    return float(grid[torch.stack(losses).argmin()])


@told("honest logits need T = 1, not")
def best_temperature_of_the_mask(logits, truth):
    "By the number of right pixels, which no temperature changes."
    grid = torch.linspace(0.25, 4, 376)
    right = torch.stack([((logits / T > 0) == (truth > 0)).float().mean() for T in grid])
    return float(grid[right.argmax()])


@told("honest logits need T = 1, not")
def best_temperature_largest_loss(logits, truth):
    "Where the loss is largest."
    grid = torch.linspace(0.25, 4, 376)
    losses = [F.binary_cross_entropy_with_logits(logits / T, truth) for T in grid]
    return float(grid[torch.stack(losses).argmax()])


@told("honest logits need T = 1, not")
def best_temperature_index(logits, truth):
    "The place in the grid, not the temperature."
    grid = torch.linspace(0.25, 4, 376)
    losses = [F.binary_cross_entropy_with_logits(logits / T, truth) for T in grid]
    return int(torch.stack(losses).argmin())


@told("logits half as large need T = 0.5, not")
def best_temperature_always_humbler(logits, truth):
    "Only temperatures from 1 up: a model may be too modest."
    return max(1.0, best_temperature_solution(logits, truth))
