# a table of scores, as a training leaves it
room = TemporaryDirectory()
folder = Path(room.name)
(folder / "model").mkdir()
(folder / "model/metrics.json").write_text(
    json.dumps(
        dict(
            scores=dict(dice=dict(gap=0.7, metal=0.9), mean_dice=0.8, mean_iou=0.6),
            baselines=[
                dict(name="Otsu", metric="mean IoU", value=0.3),
                dict(name="Otsu", metric="mean Dice", value=0.5),
            ],
        )
    )
)


@told("the model minus the baseline, not the reverse")
def headline_reversed(path):
    "The baseline minus the model."
    dice, better = headline_solution(path)
    return dice, -better


@told("it is under scores, dice, its name")
def headline_mean_dice(path):
    "The mean over the classes, not that of metal."
    r = json.loads(path.read_text())
    return r["scores"]["mean_dice"], headline_solution(path)[1]


@told("subtract the baseline whose metric is 'mean Dice'")
def headline_first_baseline(path):
    "The first baseline, whatever it measures."
    r = json.loads(path.read_text())
    return r["scores"]["dice"]["metal"], r["scores"]["mean_dice"] - r["baselines"][0]["value"]


@told("subtract the baseline whose metric is 'mean Dice'")
def headline_score_alone(path):
    "The score itself, not by how much it is better."
    r = json.loads(path.read_text())
    return r["scores"]["dice"]["metal"], r["scores"]["mean_dice"]


@told("then the test would have been used to choose")
def who_may_look_test_chooses():
    "The test part chooses the epoch."
    return who_may_look_solution() | {"best epoch": "test"}


@told("on the training part the last epoch nearly always wins")
def who_may_look_train_chooses():
    "The training part chooses the epoch."
    return who_may_look_solution() | {"best epoch": "train"}


@told("only what chose nothing can say how good the choice was")
def who_may_look_valid_judges():
    "The part that chose also judges."
    return who_may_look_solution() | {"next wafer": "valid"}


@told("the model is built from it; nothing else is needed")
def who_may_look_grey_anywhere():
    "As if it did no harm to look at the test pictures for so small a thing."
    return who_may_look_solution() | {"grey": "test"}


@told("the baseline learns, too, and from the same part")
def who_may_look_baseline_fits_the_test():
    "The baseline is fitted to what it is judged by."
    return who_may_look_solution() | {"dark or bright": "test"}


@told("then the test has chosen")
def told_score_test(valid, test):
    "The best on the test part."
    return max(test)


@told("nothing was chosen")
def told_score_last(valid, test):
    "The last epoch."
    return test[-1]


@told("the validation part takes epoch 2")
def told_score_valid(valid, test):
    "The score by which the epoch was chosen."
    return max(valid)


@told("they know the 40 by heart")
def best_step_last(net, train, valid):
    "The weights of the last step."
    opt = torch.optim.Adam(net.parameters(), 0.01)
    for _ in range(150):
        opt.zero_grad()
        loss_on(net, train).backward()
        opt.step()
    return net


@told("they know the 40 by heart")
def best_step_by_training_loss(net, train, valid):
    "The training part chooses."
    return best_step_solution(net, train, valid, chooses=train)


@told("state_dict() hands out the tensors that are trained on")
def best_step_no_copy(net, train, valid):
    "What was kept goes on learning."
    opt, lowest, kept = torch.optim.Adam(net.parameters(), 0.01), float("inf"), None
    for _ in range(150):
        opt.zero_grad()
        loss_on(net, train).backward()
        opt.step()
        loss = loss_on(net, valid).item()
        if loss < lowest:
            lowest, kept = loss, net.state_dict()
    net.load_state_dict(kept)
    return net


@told("it has learned nothing of use")
def best_step_not_trained(net, train, valid):
    "No step was made."
    return net


@told("it has learned nothing of use")
def best_step_rate_too_high(net, train, valid):
    "A learning rate far too high."
    return best_step_solution(net, train, valid, lr=3)
