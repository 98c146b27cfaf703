"""From features to text: one adapter over Hugging Face sequence-to-sequence models.

`families` builds the models, `adapter` feeds them features, `suffix` puts language codes behind the
features, `prompt` starts learned prompts, `vocabulary` keeps some rows of a pretrained vocabulary.
"""

from slt_cli.models.decoder.adapter import TextSeq2SeqDecoder
from slt_cli.models.decoder.families import build_seq2seq
from slt_cli.models.decoder.memory import Memory

__all__ = ["Memory", "TextSeq2SeqDecoder", "build_seq2seq"]
