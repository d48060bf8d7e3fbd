"""A pre-norm transformer over tokens of which some are to be overlooked."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


class Attention(nn.Module):
    """Multi-head self-attention with its own pre-norm."""

    def __init__(self, dim: int, heads: int, dim_head: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(dim)
        self.to_qkv = nn.Linear(dim, 3 * heads * dim_head, bias=False)
        self.to_out = nn.Linear(heads * dim_head, dim)

    def forward(self, tokens: Tensor, keys: Tensor | None) -> Tensor:
        """Attend from all tokens to those that ``keys`` ``[batch, 1, 1, token]`` allows (None: to all)."""
        batch, count, _ = tokens.shape
        qkv = self.to_qkv(self.norm(tokens)).view(batch, count, 3, self.heads, -1)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=keys)
        out: Tensor = self.to_out(mixed.transpose(1, 2).reshape(batch, count, -1))
        return out


class FeedForward(nn.Sequential):
    """Two linear layers around a GELU with their own pre-norm."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__(nn.LayerNorm(dim), nn.Linear(dim, hidden), nn.GELU(), nn.Linear(hidden, dim))


class Transformer(nn.Module):
    """Blocks of attention and feed-forward layers with residual connections, and a final LayerNorm."""

    def __init__(self, dim: int, depth: int, heads: int, dim_head: int, mlp_ratio: int) -> None:
        super().__init__()
        self.attention = nn.ModuleList(Attention(dim, heads, dim_head) for _ in range(depth))
        self.feed_forward = nn.ModuleList(FeedForward(dim, mlp_ratio * dim) for _ in range(depth))
        self.norm = nn.LayerNorm(dim)

    def forward(self, tokens: Tensor, valid: Tensor) -> Tensor:
        """Mix the tokens ``[batch, token, dim]`` of each sample; none looks at one that is not ``valid``.

        What comes out at invalid tokens has no meaning, but is finite.
        """
        # A softmax over nothing is not a number: a sample without any valid token attends to all of its padding.
        keys = (valid | ~valid.any(1, keepdim=True))[:, None, None, :]
        for attention, feed_forward in zip(self.attention, self.feed_forward, strict=True):
            tokens = tokens + attention(tokens, keys)
            tokens = tokens + feed_forward(tokens)
        out: Tensor = self.norm(tokens)
        return out
