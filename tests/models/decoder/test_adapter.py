from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import GenerationConfig
from transformers.modeling_outputs import BaseModelOutput

from slt_cli.errors import InputError
from slt_cli.losses.translation import IGNORE, translation_loss
from slt_cli.models.decoder import Memory, TextSeq2SeqDecoder
from tests.models.decoder.tiny import (
    CODE,
    EOS,
    PAD,
    SHAPES,
    START,
    VOCABULARY,
    WIDTH,
    clips,
    labels,
    tiny_decoder,
)

KINDS = [
    *({"family": family, "encoder_layers": layers} for family, layers in SHAPES),
    {"family": "mbart", "encoder_layers": 2, "suffix": (EOS, CODE), "scaled": True},
    {"family": "mbart", "encoder_layers": 1, "suffix": (EOS, CODE), "prompt": 3},
    {"family": "t5", "encoder_layers": 1, "suffix": (EOS,), "prompt": 2},
]
LENGTHS = [7, 2, 11]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("padding", [0, 5])
def test_a_clip_reads_the_same_alone_and_in_any_padded_batch(kind: dict, padding: int) -> None:
    decoder = tiny_decoder(**kind).double()
    features, valid = clips(LENGTHS, padding=padding)
    features[~valid] = math.nan  # whatever stands in the padding
    together = decoder(features, valid, labels())
    for row, length in enumerate(LENGTHS):
        alone = decoder(*clips([length]), labels()[row : row + 1])
        torch.testing.assert_close(alone[0], together[row], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_every_parameter_gets_a_gradient(kind: dict) -> None:
    decoder = tiny_decoder(**kind).double().train()
    logits = decoder(*clips(LENGTHS), labels())
    translation_loss(logits, labels(), 0.1).backward()
    without = [name for name, p in decoder.named_parameters() if p.grad is None or not p.grad.any()]
    assert without == []


@pytest.mark.parametrize(("family", "layers"), SHAPES)
def test_forward_is_the_library_given_embeddings_and_labels(family: str, layers: int) -> None:
    decoder = tiny_decoder(family, layers).double()
    features, valid = clips(LENGTHS)
    full = labels()
    full[full == IGNORE] = EOS  # the library starts mBART's texts with the last token of each
    decoder.model.config.decoder_start_token_id = START
    tokens = torch.cat([torch.full((3, 1), START), full[:, :-1]], 1)
    found = decoder(features, valid, full)
    library = decoder.model(
        inputs_embeds=features.masked_fill(~valid[..., None], 0), attention_mask=valid.long(),
        decoder_input_ids=tokens, labels=full,
    )  # fmt: skip
    torch.testing.assert_close(found, library.logits, rtol=1e-12, atol=1e-12)
    own = F.cross_entropy(found.flatten(0, 1), full.flatten())
    torch.testing.assert_close(own, library.loss, rtol=1e-12, atol=1e-12)


def test_mbart_reads_scaled_features_then_end_and_language_as_the_library_reads_tokens() -> None:
    decoder = tiny_decoder("mbart", 2, suffix=(EOS, CODE), scaled=True).double()
    tokens = torch.tensor([[7, 9, 11, 4], [8, 3, PAD, PAD]])
    table = decoder.model.get_input_embeddings().weight
    memory = decoder.encode(table[tokens], tokens != PAD)
    with_code = torch.tensor([[7, 9, 11, 4, EOS, CODE], [8, 3, EOS, CODE, PAD, PAD]])
    library = decoder.model.get_encoder()(input_ids=with_code, attention_mask=with_code != PAD)
    assert memory.valid.tolist() == (with_code != PAD).tolist()
    torch.testing.assert_close(
        memory.hidden[memory.valid], library.last_hidden_state[memory.valid],
        rtol=1e-12, atol=1e-12,
    )  # fmt: skip


def test_a_scaled_model_multiplies_features_by_the_root_of_its_width() -> None:
    seen = []
    for scaled in (False, True):
        decoder = tiny_decoder("mbart", 0, scaled=scaled).double()
        encoder = decoder.model.get_encoder()
        encoder.register_forward_pre_hook(
            lambda _m, _a, kw: seen.append(kw["inputs_embeds"]), with_kwargs=True
        )
        decoder.encode(*clips([5]))
    torch.testing.assert_close(seen[1], seen[0] * WIDTH**0.5)


def test_teacher_forcing_shifts_the_labels_by_one() -> None:
    decoder = tiny_decoder()
    assert decoder.shifted(labels()).tolist() == [
        [START, 7, 8, 9],
        [START, 6, EOS, PAD],
        [START, 4, 4, EOS],
    ]


def test_decoding_step_by_step_gives_what_teacher_forcing_gives() -> None:
    decoder = tiny_decoder("t5", 1).double()
    memory = decoder.encode(*clips(LENGTHS))
    tokens = decoder.shifted(labels())
    whole = decoder.decode(tokens, memory)
    for length in range(1, tokens.shape[1] + 1):
        step = decoder.decode(tokens[:, :length], memory)[:, -1]
        torch.testing.assert_close(step, whole[:, length - 1], rtol=1e-10, atol=1e-10)


def greedy(decoder: TextSeq2SeqDecoder, memory: Memory, max_length: int) -> list[list[int]]:
    """Most probable token after token, one clip at a time."""
    found = []
    for row in range(len(memory.hidden)):
        tokens = torch.tensor([[START]])
        one = Memory(memory.hidden[row : row + 1], memory.valid[row : row + 1])
        while tokens.shape[1] <= max_length and tokens[0, -1] != EOS:
            best = decoder.decode(tokens, one)[:, -1].argmax(-1, keepdim=True)
            tokens = torch.cat([tokens, best], 1)
        found.append(tokens[0].tolist())
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_greedy_search_takes_the_most_probable_token_each_time(kind: dict) -> None:
    decoder = tiny_decoder(**kind).double()
    features, valid = clips(LENGTHS)
    found = decoder.generate(features, valid, beams=1, length_penalty=1.0, max_length=9)
    by_hand = greedy(decoder, decoder.encode(features, valid), 9)
    assert [trimmed(row) for row in found.tolist()] == by_hand
    assert len({tuple(row) for row in by_hand}) > 1  # the text depends on the clip


def trimmed(row: list[int]) -> list[int]:
    return row[: row.index(EOS) + 1] if EOS in row else row


@pytest.mark.parametrize(("family", "layers"), SHAPES)
def test_beam_search_is_the_library_s_own(family: str, layers: int) -> None:
    decoder = tiny_decoder(family, layers).double()
    features, valid = clips(LENGTHS)
    found = decoder.generate(features, valid, beams=4, length_penalty=0.5, max_length=8)
    library = decoder.model.generate(
        inputs_embeds=features.masked_fill(~valid[..., None], 0), attention_mask=valid.long(),
        generation_config=GenerationConfig(
            num_beams=4, length_penalty=0.5, max_new_tokens=8, early_stopping=True,
            decoder_start_token_id=START, bos_token_id=START, eos_token_id=EOS, pad_token_id=PAD,
        ),
    )  # fmt: skip
    assert found.tolist() == library.tolist()


def test_no_word_group_is_repeated_when_told_so() -> None:
    decoder = tiny_decoder("t5", 0)
    features, valid = clips(LENGTHS)
    search = {"beams": 1, "length_penalty": 1.0, "max_length": 20}

    def repeats(tokens: Tensor) -> int:
        pairs = [list(pairwise(row)) for row in map(trimmed, tokens.tolist())]
        return sum(len(row) - len(set(row)) for row in pairs)

    assert repeats(decoder.generate(features.float(), valid, **search)) > 0
    assert repeats(decoder.generate(features.float(), valid, no_repeat_ngram_size=2, **search)) == 0


def test_rules_of_a_pretrained_model_s_own_search_stay_out() -> None:
    decoder = tiny_decoder("mbart", 0).double()
    inputs = clips(LENGTHS)
    search = {"beams": 2, "length_penalty": 1.0, "max_length": 4}
    before = decoder.generate(*inputs, **search)
    decoder.model.generation_config = GenerationConfig(
        forced_eos_token_id=EOS, forced_bos_token_id=9, num_beams=4, no_repeat_ngram_size=3
    )
    again = TextSeq2SeqDecoder(decoder.model).eval().generate(*inputs, **search)
    assert again.tolist() == before.tolist()


def test_more_features_than_positions_are_refused_with_the_numbers() -> None:
    decoder = tiny_decoder("mbart", 1, suffix=(EOS, CODE))
    assert decoder.max_source == 22
    features, valid = clips([23])
    with pytest.raises(InputError, match="23 features, but the text model has positions for 22"):
        decoder.encode(features.float(), valid)
    assert tiny_decoder("t5").max_source is None


@pytest.mark.parametrize("kind", KINDS)
def test_the_description_and_the_weights_rebuild_the_decoder(kind: dict, tmp_path) -> None:
    decoder = tiny_decoder(**kind)
    torch.save({"decoder": decoder.config_dict(), "model": decoder.state_dict()}, tmp_path / "c.pt")
    payload = torch.load(tmp_path / "c.pt", weights_only=True)
    again = TextSeq2SeqDecoder.from_config_dict(payload["decoder"]).eval()
    again.load_state_dict(payload["model"])
    features, valid = clips(LENGTHS)
    torch.testing.assert_close(
        again(features.float(), valid, labels()), decoder(features.float(), valid, labels()),
        rtol=0, atol=0,
    )  # fmt: skip
    assert again.config_dict() == decoder.config_dict()
    assert "_name_or_path" not in payload["decoder"]["config"]


def test_sizes_and_start_are_the_configuration_s() -> None:
    decoder = tiny_decoder()
    assert (decoder.width, decoder.vocab_size, decoder.bos_id) == (WIDTH, VOCABULARY, START)


def test_the_memory_is_what_the_library_s_encoder_gives() -> None:
    decoder = tiny_decoder("t5", 1).double()
    features, valid = clips([4])
    hidden = decoder.model.get_encoder()(inputs_embeds=features).last_hidden_state
    torch.testing.assert_close(decoder.encode(features, valid).hidden, hidden)
    logits = decoder.model(
        encoder_outputs=BaseModelOutput(last_hidden_state=hidden),
        decoder_input_ids=torch.tensor([[START, 3]]),
    ).logits
    found = decoder.decode(torch.tensor([[START, 3]]), Memory(hidden, valid))
    torch.testing.assert_close(found, logits)
