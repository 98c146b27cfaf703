from __future__ import annotations

import pytest
import torch
from transformers import T5Config, T5ForConditionalGeneration

from slt_cli.models.decoder import TextSeq2SeqDecoder
from slt_cli.models.decoder.vocabulary import keep_rows
from tests.models.decoder.tiny import VOCABULARY, clips, tiny_decoder

ROWS = [0, 1, 2, 5, 7, 11, 12, 29]


@pytest.mark.parametrize("family", ["mbart", "t5"])
def test_logits_of_kept_tokens_do_not_change(family: str) -> None:
    decoder = tiny_decoder(family, 1).double()
    if family == "mbart":
        decoder.model.final_logits_bias.normal_()
    features, valid = clips([5, 3])
    tokens = torch.tensor([[1, 5, 7], [1, 29, 12]])
    new_tokens = torch.tensor([[ROWS.index(token) for token in row] for row in tokens.tolist()])
    before = decoder.decode(tokens, decoder.encode(features, valid))
    keep_rows(decoder.model, ROWS)
    after = decoder.decode(new_tokens, decoder.encode(features, valid))
    assert decoder.vocab_size == len(ROWS)
    torch.testing.assert_close(after, before[..., ROWS], rtol=0, atol=0)


def test_tied_weights_stay_one_and_own_heads_stay_apart() -> None:
    for family, tied in (("mbart", True), ("t5", False)):
        model = tiny_decoder(family, 1).model
        keep_rows(model, ROWS)
        shared = model.get_input_embeddings().weight
        assert (model.lm_head.weight is shared) is tied
        assert model.get_encoder().embed_tokens.weight is shared
        assert model.get_decoder().embed_tokens.weight is shared


def test_the_parameters_shrink_by_the_rows_that_went() -> None:
    for family, tables in (("mbart", 1), ("t5", 2)):
        decoder = tiny_decoder(family, 1)
        before = sum(p.numel() for p in decoder.parameters())
        keep_rows(decoder.model, ROWS)
        after = sum(p.numel() for p in decoder.parameters())
        assert before - after == tables * (VOCABULARY - len(ROWS)) * decoder.width


def test_a_row_may_start_two_tokens() -> None:
    decoder = tiny_decoder()
    keep_rows(decoder.model, [*ROWS, 5])
    weight = decoder.model.get_input_embeddings().weight
    assert torch.equal(weight[-1], weight[ROWS.index(5)])


def test_a_pruned_model_is_rebuilt_from_its_description() -> None:
    decoder = tiny_decoder("t5", 1)
    keep_rows(decoder.model, ROWS)
    again = TextSeq2SeqDecoder.from_config_dict(decoder.config_dict())
    again.load_state_dict(decoder.state_dict())


def test_a_tied_t5_of_version_1_0_stays_tied() -> None:
    values = T5Config(vocab_size=30, d_model=16, d_kv=8, d_ff=32, num_layers=1, num_heads=2)
    model = T5ForConditionalGeneration(values)
    keep_rows(model, ROWS)
    assert model.lm_head.weight is model.get_input_embeddings().weight
    assert model.lm_head.weight.shape[0] == len(ROWS)
