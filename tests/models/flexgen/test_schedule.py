"""The order of the zig-zag schedule: what is begun when, and that the indices wrap."""

import pytest

from models.flexgen.schedule import Step, following, zigzag


class Log:
    """Logical threads that write down what they are asked, and check what must come before."""

    def __init__(self, batches):
        self.batches, self.calls = batches, []
        self.asked, self.here, self.states = [], None, {}

    def load_weight(self, step):
        assert not self.asked, "one load at a time: there are two buffers"
        self.asked.append((step.token, step.layer))
        self.calls.append("load_weight")

    def load_cache(self, step):
        self.calls.append("load_cache")

    def store_cache(self, step):
        self.calls.append("store_cache")

    def load_activation(self, step):
        # What is loaded was stored before, by the layer below.
        if step.layer:
            assert self.states[step.batch] == (step.token, step.layer - 1)
        self.calls.append("load_activation")

    def store_activation(self, step):
        self.states[step.batch] = (step.token, step.layer)
        self.calls.append("store_activation")

    def compute(self, step):
        assert self.here == (step.token, step.layer), "the weights that are here are the layer's"
        self.calls.append(step)

    def synchronize(self, layer_ends):
        if layer_ends and self.asked:
            self.here = self.asked.pop()

    def finished(self):
        return False


@pytest.mark.parametrize("batches", [1, 2, 5])
@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("tokens", [1, 2, 4])
def test_every_square_once_weights_once_a_layer(tokens, layers, batches):
    log = Log(batches)
    assert list(zigzag(tokens, layers, batches, log)) == list(range(tokens))
    steps = [call for call in log.calls if isinstance(call, Step)]
    grid = [Step(i, j, k) for i in range(tokens) for j in range(layers) for k in range(batches)]
    assert steps == grid
    assert log.calls.count("load_weight") == tokens * layers
    assert log.calls.count("load_cache") == len(grid) - 1
    assert log.calls.count("store_cache") == len(grid) - 1
    assert log.calls.count("load_activation") == (len(grid) - 1 if batches > 1 else 0)


def test_batches_then_layers_then_tokens():
    assert following(Step(0, 0, 0), 2, 2, 2) == Step(0, 0, 1)
    assert following(Step(0, 0, 1), 2, 2, 2) == Step(0, 1, 0)
    assert following(Step(0, 1, 1), 2, 2, 2) == Step(1, 0, 0)
    assert following(Step(1, 1, 1), 2, 2, 2) is None


def test_ends_when_all_have_finished():
    log = Log(1)
    log.finished = lambda: True
    assert list(zigzag(5, 2, 1, log)) == [0]
