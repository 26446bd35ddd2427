"""The convolutions of a feature encoder as products of matrices, for CPUs.

In bfloat16, what the libraries have for long convolutions of sound reaches a third of the speed
of their products: most of its time goes into turning channels, which change slowest, into columns.
Here channels change fastest from the first layer to the last; shapes stay as they are.
"""

import torch
from torch import nn
from torch.nn import functional


def quicken(feature_encoder: nn.Module) -> None:
    """Compute a feature encoder's convolutions otherwise, to the same results but for rounding.

    It learns and saves no more: this is for models that predict.

    Parameters
    ----------
    feature_encoder : module
        Of a stock family. Convolutions with padding, dilation or groups stay as they are, and
        norms over groups of several channels.
    """
    for module in list(feature_encoder.modules()):
        for name, part in list(module.named_children()):
            if isinstance(part, nn.Conv1d) and _is_plain(part):
                setattr(module, name, _Product(part))
            elif isinstance(part, nn.GroupNorm) and part.num_groups == part.num_channels:
                setattr(module, name, _NormOverTime(part))


def _is_plain(convolution):
    return (convolution.padding, convolution.dilation, convolution.groups) == ((0,), (1,), 1)


class _Product(nn.Module):
    """A convolution: the frames under its kernel, times its weights."""

    def __init__(self, convolution):
        super().__init__()
        (self.width,), (self.step,) = convolution.kernel_size, convolution.stride
        weight = convolution.weight.detach().transpose(1, 2).flatten(1)
        self.weight, self.bias = nn.Parameter(weight), convolution.bias

    def forward(self, sound: torch.Tensor) -> torch.Tensor:
        frames = sound.transpose(1, 2).unfold(1, self.width, self.step)  # of (channels, width) each
        columns = frames.transpose(2, 3).flatten(2)
        return functional.linear(columns, self.weight, self.bias).transpose(1, 2)


class _NormOverTime(nn.Module):
    """A norm of each channel over a clip's frames: that of a batch whose items are the frames."""

    def __init__(self, norm):
        super().__init__()
        self.weight, self.bias, self.eps = norm.weight, norm.bias, norm.eps

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        normed = torch.empty_like(clips.transpose(1, 2))
        for clip, of_clip in zip(clips, normed, strict=True):
            of_clip[:] = functional.batch_norm(
                clip.T, None, None, self.weight, self.bias, training=True, eps=self.eps
            )
        return normed.transpose(1, 2)
