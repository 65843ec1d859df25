@told("would make metal less likely")
def gradient_truth_minus_softmax(weight, x, y):
    "The sign of the error is turned."
    error = torch.eye(len(weight))[y] - (x @ weight.T).softmax(1)
    return error.T @ x / len(x)


@told("section 1 has 1 as its first number")
def gradient_of_logits(weight, x, y):
    "The logits, and not what softmax makes of them."
    error = x @ weight.T - torch.eye(len(weight))[y]
    return error.T @ x / len(x)


@told("not what autograd finds for nine")
def gradient_sum(weight, x, y):
    "The sum over the pixels, not the mean."
    error = (x @ weight.T).softmax(1) - torch.eye(len(weight))[y]
    return error.T @ x


@told("is 3 on the channel itself")
def fold_times(weight, bias, mean, std):
    "Times the spread."
    weight = weight * std
    return weight, bias - weight @ mean


@told("that changes the bias")
def fold_bias_forgotten(weight, bias, mean, std):
    "The mean is forgotten."
    return weight / std, bias


@told("the logit should be")
def fold_old_weight(weight, bias, mean, std):
    "The bias is made of the old weight."
    return weight / std, bias - weight @ mean


@told("that is where it is surest")
def least_sure_largest(logits, labels):
    "The largest margin."
    first, second = logits.softmax(0).topk(2, dim=0).values
    return divmod(int((first - second).argmax()), labels.shape[1])


@told("there is paint already")
def least_sure_painted(logits, labels):
    "Paint is not looked at."
    first, second = logits.softmax(0).topk(2, dim=0).values
    return divmod(int((first - second).argmin()), labels.shape[1])


@told("so the margin is 0")
def least_sure_largest_class(logits, labels):
    "Only the first class is looked at, and the two before the last are compared."
    p = logits.softmax(0)
    margin = torch.where(labels == IGNORE, (p[0] - p[1]).abs(), torch.inf)
    return divmod(int(margin.argmin()), labels.shape[1])


@told("about what a coin knows")
def train_head_never_stepped(x, y):
    "The loss is computed, and no step is taken."
    weight, bias = torch.zeros(2, x.shape[1]), torch.zeros(2)
    for _ in range(60):
        torch.nn.functional.cross_entropy(x @ weight.T + bias, y)
    return weight, bias


@told("about what a coin knows")
def train_head_uphill(x, y):
    "Each step goes up the loss."
    weight, bias = torch.zeros(2, x.shape[1], requires_grad=True), torch.zeros(2)
    for _ in range(60):
        loss = torch.nn.functional.cross_entropy(x @ weight.T + bias, y)
        (slope,) = torch.autograd.grad(loss, weight)
        weight = (weight + 0.5 * slope).detach().requires_grad_()
    return weight, bias


@told("weights are not finite")
def train_head_far_too_fast(x, y):
    "A rate at which the weights blow up."
    weight, bias = torch.zeros(2, x.shape[1], requires_grad=True), torch.zeros(2)
    for _ in range(60):
        loss = torch.nn.functional.cross_entropy(x @ weight.T + bias, y)
        loss = loss + 0.005 * (weight**2).sum()
        (slope,) = torch.autograd.grad(loss, weight)
        weight = (weight - 1e6 * slope).detach().requires_grad_()
    return weight, bias
