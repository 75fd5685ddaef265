r"""An accuracy of one's own: each network reads digits after two epochs, scored with both halves.

    nas search --space mobile --data digits --device local --study mine --trials 20 \
        --accuracy examples/own_accuracy.py:two_epochs

The function runs in a process of its own, once for each network. What it needs it gets itself.
"""

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn.functional import cross_entropy, interpolate

BATCH, TRAINED = 32, 1200


def two_epochs(network: nn.Module, architecture) -> tuple[float, float]:
    """Accuracy on what was not trained on, in [0, 1], and its standard error.

    Args:
        network: untrained, as a PyTorch module: values by name in, values by name out.
        architecture: its choices in `architecture.choices`.
    """
    torch.manual_seed(0)
    pixels, digits = load_digits(return_X_y=True)
    side = int(architecture.choices["resolution"])
    images = torch.tensor(pixels, dtype=torch.float32).view(-1, 1, 8, 8) / 8 - 1
    images, labels = interpolate(images, (side, side), mode="bilinear"), torch.tensor(digits)

    adam = torch.optim.AdamW(network.parameters(), lr=4e-3)
    for _ in range(2):
        for batch in torch.randperm(TRAINED).split(BATCH):
            loss = cross_entropy(network({"image": images[batch]})["logits"], labels[batch])
            adam.zero_grad()
            loss.backward()
            adam.step()

    network.eval()
    with torch.inference_mode():
        answers = network({"image": images[TRAINED:]})["logits"].argmax(1)
    right = (answers == labels[TRAINED:]).float()
    return right.mean().item(), right.std().item() / len(right) ** 0.5
