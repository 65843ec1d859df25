@told("the first row of the table ends with 0.5, not -0.5")
def one_step_uphill(w, x, y, lr):
    "With the slope, not against it."
    return w + lr * 2 * (w * x - y) * x


@told("the first row of the table ends with 0.5, not 2")
def one_step_whole_slope(w, x, y, lr):
    "The learning rate is left out."
    return w - 2 * (w * x - y) * x


@told("that is overfitting, as without a stop")
def stop_in_time_by_training_loss(model, train, valid):
    "The best look is where the *training* loss is lowest."
    stop_in_time_solution(model, train, train)


@told("that is overfitting, as without a stop")
def stop_in_time_not_copied(model, train, valid):
    "`state_dict` shares its tensors with the model: what was kept moves on."
    optimizer, looks = torch.optim.Adam(model.parameters(), 0.003), {}
    for step in range(1, 101):
        loss = loss_on(model, train)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 10 == 0:
            looks[loss_on(model, valid).item()] = model.state_dict()
    model.load_state_dict(looks[min(looks)])


@told("it has learned from the validation pictures")
def stop_in_time_learns_valid(model, train, valid):
    "Trained on the validation pictures."
    stop_in_time_solution(model, valid, valid)


@told("on unseen pictures: ")  # which of the two it fails by depends on the processor
def stop_in_time_too_fast(model, train, valid):
    "A learning rate far too high."
    optimizer = torch.optim.Adam(model.parameters(), 0.1)
    for _ in range(100):
        optimizer.zero_grad()
        loss_on(model, train).backward()
        optimizer.step()


@told("0.5 everywhere: 1 - (2 * 0.5 + 1)/(2 + 1 + 1) = 0.5, not")
def my_dice_loss_squared(p, t, eps=1.0):
    "Squares below the line, as some papers have it: not what was asked for."
    return 1 - (2 * (p * t).sum() + eps) / ((p**2).sum() + (t**2).sum() + eps)


@told("with eps = 0.5: 1 - 1.5/3.5 = 0.571, not")
def my_dice_loss_thresholded(p, t, eps=1.0):
    "Thresholded: no slope is left, and nothing can be learned."
    return my_dice_loss_solution((p > 0.5).float(), t, eps)


@told("0.5 against 0.5: the overlap is the product, 4 * 0.25,")
def my_dice_loss_minimum(p, t, eps=1.0):
    "The smaller of the two instead of their product."
    return 1 - (2 * torch.minimum(p, t).sum() + eps) / (p.sum() + t.sum() + eps)


@told("all wrong: 1 - 1/(4 + 1) = 0.8 with eps = 1")
def my_dice_loss_no_eps(p, t, eps=1.0):
    "An empty picture divides by zero."
    return 1 - 2 * (p * t).sum() / (p.sum() + t.sum())


@told("a perfect prediction costs nothing")
def my_dice_loss_eps_below(p, t, eps=1.0):
    "eps below the line only: an empty picture costs 1."
    return 1 - 2 * (p * t).sum() / (p.sum() + t.sum() + eps)


@told("a perfect prediction costs nothing")
def my_dice_loss_score(p, t, eps=1.0):
    "The score, which is larger where it is better."
    return (2 * (p * t).sum() + eps) / (p.sum() + t.sum() + eps)


@told("a perfect prediction costs nothing")
def my_dice_loss_not_twice(p, t, eps=1.0):
    "The overlap counts once."
    return 1 - ((p * t).sum() + eps) / (p.sum() + t.sum() + eps)


@told("with eps = 0.5: 1 - 1.5/3.5 = 0.571, not")
def my_dice_loss_fixed_eps(p, t, eps=1.0):
    "eps is 1, whatever is given."
    return my_dice_loss_solution(p, t, 1.0)


@told("a quarter of the way up a cosine has risen by 15 %: not")
def one_cycle_linear(progress, top):
    "Straight lines."
    if progress < 0.25:
        return top / 25 + (top - top / 25) * progress / 0.25
    return top + (top / 1e5 - top) * (progress - 0.25) / 0.75


@told("a quarter of the way down it is still at 0.854, not")
def one_cycle_linear_down(progress, top):
    "A cosine up and a straight line down."
    if progress < 0.25:
        return one_cycle_solution(progress, top)
    return top * (1 - (progress - 0.25) / 0.75)


@told("half-way up a cosine is half-way between both ends")
def one_cycle_whole_cosine(progress, top):
    "A whole cosine up and down in the first quarter."
    if progress < 0.25:
        t = progress / 0.25
        return top / 25 + (top - top / 25) * (1 - math.cos(2 * math.pi * t)) / 2
    return one_cycle_solution(progress, top)


@told("it starts at top / 25")
def one_cycle_from_zero(progress, top):
    "Begins with 0."
    return one_cycle_solution(progress, top) if progress else 0


@told("the top comes after a quarter")
def one_cycle_top_in_the_middle(progress, top):
    "The top comes half-way."
    return one_cycle_solution(progress / 2, top)


@told("the top is what was given")
def one_cycle_top_of_one(progress, top):
    "The top is always 1."
    return one_cycle_solution(progress, 1.0)


@told("equal shares need no weight")
def rare_weight_inverse(p):
    "One over the share."
    return 1 / p


@told("with your weight the rare class sums to")
def rare_weight_upside_down(p):
    "The common class is made to count more."
    return p / (1 - p)


@told("equal shares need no weight")
def rare_weight_complement(p):
    "The share of the others."
    return 1 - p
