from __future__ import annotations

import json
import sys
from pathlib import Path
from textwrap import dedent

import pytest
import torch
from transformers import MBartConfig, MBartForConditionalGeneration, T5Config
from transformers import T5ForConditionalGeneration as T5

from slt_cli.builders.assets import pretrained_name
from slt_cli.builders.decoder import build_text_decoder
from slt_cli.builders.tokenizer import build_tokenizer
from slt_cli.data.tokenizer import TextTokenizer
from slt_cli.errors import InputError, MissingAsset, UsageError
from slt_cli.models.decoder import TextSeq2SeqDecoder
from slt_cli.settings.model import ModelSettings
from tests.data.sentences import TEXTS, train_sentencepiece

SMALL = {"d_model": 16, "decoder_heads": 2, "decoder_layers": 1, "temporal_heads": 2}
LIMITS = {"max_source": 20, "max_target": 12}


def settings(**values) -> ModelSettings:
    return ModelSettings(**{**SMALL, **values})


@pytest.fixture(scope="module")
def tokenizer() -> TextTokenizer:
    return TextTokenizer.train(TEXTS, 120)


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two small pretrained decoders, each with its tokenizer."""
    folder = tmp_path_factory.mktemp("shelf")
    torch.manual_seed(0)
    sizes = {
        "encoder_layers": 1, "decoder_layers": 2, "encoder_attention_heads": 2,
        "decoder_attention_heads": 2, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32,
    }  # fmt: skip
    mbart = folder / "owner" / "mbart-tiny"
    mbart.mkdir(parents=True)
    words = build_tokenizer(
        settings(), str(train_sentencepiece(mbart / "sentencepiece.bpe.model")), []
    )
    MBartForConditionalGeneration(
        MBartConfig(
            vocab_size=len(words), d_model=16, scale_embedding=True, max_position_embeddings=40,
            init_std=0.3, **sizes,
        )
    ).save_pretrained(mbart)  # fmt: skip
    t5 = folder / "t5-tiny"
    t5.mkdir()
    file = train_sentencepiece(t5 / "spiece.model", pad_id=0, eos_id=1, unk_id=2, bos_id=-1)
    model = T5(
        T5Config(
            vocab_size=len(build_tokenizer(settings(), str(file), [])) + 8, d_model=16, d_kv=8,
            d_ff=32, num_layers=1, num_heads=2, decoder_start_token_id=0,
            feed_forward_proj="gated-gelu",
        )
    )  # fmt: skip
    model.save_pretrained(t5)
    return folder


def weights(decoder: TextSeq2SeqDecoder) -> torch.Tensor:
    return decoder.model.get_input_embeddings().weight


@pytest.mark.parametrize("family", ["mbart", "t5"])
def test_named_families_have_the_size_of_the_settings(
    family: str, tokenizer: TextTokenizer
) -> None:
    decoder = build_text_decoder(
        settings(decoder_model=family, decoder_encoder_layers=2, decoder_layers=3), tokenizer,
        **LIMITS,
    )  # fmt: skip
    assert (decoder.width, decoder.vocab_size) == (16, len(tokenizer))
    stacks = [decoder.model.get_encoder(), decoder.model.get_decoder()]
    assert [len(s.layers if family == "mbart" else s.block) for s in stacks] == [2, 3]
    assert decoder.bos_id == tokenizer.bos_id
    assert pretrained_name(settings(decoder_model=family)) is None


def test_positions_are_made_for_features_codes_and_texts(tokenizer: TextTokenizer) -> None:
    words = build_tokenizer(settings(decoder_source_code="de_DGS"), None, TEXTS)
    decoder = build_text_decoder(settings(decoder_source_code="de_DGS"), words, **LIMITS)
    assert decoder.max_source == 20
    longer = build_text_decoder(settings(), tokenizer, max_source=5, max_target=33)
    assert longer.model.config.max_position_embeddings == 33


@pytest.mark.parametrize(
    ("name", "width", "without_tables", "tables"),
    [
        ("mbart-large", 1024, 610_851_840 - 250_027 * 1024, 1),
        ("t5-base", 768, 247_577_856 - 2 * 32_128 * 768, 2),
    ],
)
def test_published_sizes_build_at_full_size(
    name: str, width: int, without_tables: int, tables: int, tokenizer: TextTokenizer
) -> None:
    asked = settings(d_model=width, decoder_model=name, decoder_dropout=0.3)
    with torch.device("meta"):
        decoder = build_text_decoder(asked, tokenizer, max_source=100, max_target=100)
    count = sum(p.numel() for p in decoder.parameters())
    assert count == without_tables + tables * len(tokenizer) * width


def test_published_sizes_refuse_another_width_with_the_flag(tokenizer: TextTokenizer) -> None:
    with pytest.raises(UsageError, match="the decoder is 1024 wide, the encoder 16") as caught:
        build_text_decoder(settings(decoder_model="mbart-large"), tokenizer, **LIMITS)
    assert caught.value.hint == "set --d-model 1024"


def test_codes_start_the_output_and_end_the_source() -> None:
    asked = settings(decoder_source_code="de_DGS", decoder_target_code="de_DE")
    words = build_tokenizer(asked, None, TEXTS)
    decoder = build_text_decoder(asked, words, **LIMITS)
    assert decoder.bos_id == words.token_id("de_DE")
    assert decoder.suffix == (words.eos_id, words.token_id("de_DGS"))


def test_a_code_that_the_tokenizer_lacks_is_named(tokenizer: TextTokenizer) -> None:
    with pytest.raises(UsageError, match="no token de_DE") as caught:
        build_text_decoder(settings(decoder_target_code="de_DE"), tokenizer, **LIMITS)
    assert caught.value.where == "model.decoder_target_code"


def test_a_configuration_file_gives_a_decoder_of_its_shape(
    tokenizer: TextTokenizer, tmp_path: Path
) -> None:
    file = tmp_path / "config.json"
    T5Config(d_model=16, d_kv=4, d_ff=20, num_layers=1, num_decoder_layers=2, num_heads=3,
             vocab_size=999).save_pretrained(tmp_path)  # fmt: skip
    decoder = build_text_decoder(settings(decoder_config=file), tokenizer, **LIMITS)
    assert decoder.vocab_size == len(tokenizer)
    assert decoder.model.config.d_ff == 20
    with pytest.raises(UsageError, match="16 wide, the encoder 32"):
        build_text_decoder(settings(decoder_config=file, d_model=32), tokenizer, **LIMITS)


@pytest.mark.parametrize(
    "content", ["", "[]", '{"model_type": "gpt2"}', '{"model_type": "t5", "d_model": "x"}']
)
def test_another_configuration_is_refused(
    content: str, tokenizer: TextTokenizer, tmp_path: Path
) -> None:
    file = tmp_path / "config.json"
    file.write_text(content)
    with pytest.raises(InputError, match="not the configuration of a text decoder"):
        build_text_decoder(settings(decoder_config=file), tokenizer, **LIMITS)
    with pytest.raises(MissingAsset):
        build_text_decoder(settings(decoder_config=tmp_path / "none.json"), tokenizer, **LIMITS)


def test_a_configuration_that_no_model_can_have_is_refused(
    tokenizer: TextTokenizer, tmp_path: Path
) -> None:
    MBartConfig(d_model=16, decoder_attention_heads=3).save_pretrained(tmp_path)
    with pytest.raises(InputError, match="not a configuration that can be built"):
        build_text_decoder(settings(decoder_config=tmp_path / "config.json"), tokenizer, **LIMITS)


@pytest.mark.parametrize("name", ["mbart-tiny", "owner/mbart-tiny"])
def test_a_pretrained_decoder_is_found_by_name_with_its_weights(shelf: Path, name: str) -> None:
    path = [shelf, shelf / "owner"]
    asked = settings(decoder_model=name, decoder_search_path=path, decoder_target_code="es_XX")
    words = build_tokenizer(asked, None, TEXTS)
    decoder = build_text_decoder(asked, words, **LIMITS)
    library = MBartForConditionalGeneration.from_pretrained(shelf / "owner" / "mbart-tiny")
    assert torch.equal(weights(decoder), library.model.shared.weight)
    assert decoder.bos_id == words.token_id("es_XX")
    assert decoder.model.get_input_embeddings().embed_scale == 4.0


def test_a_pretrained_decoder_is_found_in_the_asset_folders(
    shelf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLT_ASSETS", str(shelf))
    asked = settings(decoder_model="t5-tiny")
    words = build_tokenizer(asked, None, TEXTS)
    decoder = build_text_decoder(asked, words, **LIMITS)
    library = T5.from_pretrained(shelf / "t5-tiny")
    assert torch.equal(weights(decoder), library.shared.weight)
    assert decoder.bos_id == words.pad_id == 0  # T5 starts with padding


def test_a_pretrained_decoder_is_found_in_the_cache_of_earlier_downloads(
    shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = tmp_path / "models--owner--cached" / "snapshots" / "abc"
    snapshot.parent.mkdir(parents=True)
    snapshot.symlink_to(shelf / "t5-tiny")
    (tmp_path / "models--owner--cached" / "refs").mkdir()
    (tmp_path / "models--owner--cached" / "refs" / "main").write_text("abc")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    asked = settings(decoder_model="owner/cached")
    decoder = build_text_decoder(asked, build_tokenizer(asked, None, TEXTS), **LIMITS)
    library = T5.from_pretrained(shelf / "t5-tiny")
    assert torch.equal(weights(decoder), library.shared.weight)


def test_a_decoder_that_is_nowhere_is_missing_with_every_place_named(
    tmp_path: Path, tokenizer: TextTokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLT_ASSETS", str(tmp_path / "assets"))
    asked = settings(decoder_model="facebook/mbart-x", decoder_search_path=[tmp_path / "a"])
    for build in (
        lambda: build_text_decoder(asked, tokenizer, **LIMITS),
        lambda: build_tokenizer(asked, None, TEXTS),
    ):
        with pytest.raises(MissingAsset) as caught:
            build()
        for place in ("a/facebook/mbart-x", "a/mbart-x", "assets/facebook/mbart-x"):
            assert str(tmp_path / place) in caught.value.message
        assert "config.json" in str(caught.value.hint)


def test_a_pruned_decoder_says_about_kept_words_what_the_whole_one_says(shelf: Path) -> None:
    path = [shelf / "owner"]
    asked = settings(decoder_model="mbart-tiny", decoder_search_path=path,
                     decoder_source_code="es_LSA", decoder_target_code="es_XX")  # fmt: skip
    whole_words = build_tokenizer(asked, None, TEXTS)
    small_words = build_tokenizer(asked, None, TEXTS[:1], prune=True)
    whole = build_text_decoder(asked, whole_words, **LIMITS).eval()
    small = build_text_decoder(asked, small_words, **LIMITS).eval()
    assert len(small_words) < len(whole_words)
    assert small.vocab_size == len(small_words)
    features, valid = torch.randn(1, 6, 16), torch.ones(1, 6, dtype=torch.bool)
    before = whole(features, valid, torch.tensor([whole_words.encode(TEXTS[0], 12)]))
    after = small(features, valid, torch.tensor([small_words.encode(TEXTS[0], 12)]))
    kept = [whole_words.rows.index(row) for row in small_words.rows]
    torch.testing.assert_close(after, before[..., kept], rtol=1e-5, atol=1e-5)


def test_a_new_code_of_a_known_language_starts_like_that_language(shelf: Path) -> None:
    asked = settings(decoder_model="mbart-tiny", decoder_search_path=[shelf / "owner"],
                     decoder_source_code="de_DGS", decoder_target_code="de_DE")  # fmt: skip
    words = build_tokenizer(asked, None, TEXTS)
    decoder = build_text_decoder(asked, words, **LIMITS)
    rows = weights(decoder)[[words.token_id("de_DGS"), words.token_id("de_DE")]]
    assert words.token_id("de_DGS") == decoder.vocab_size - 1
    assert torch.equal(rows[0], rows[1])
    with pytest.raises(UsageError, match="language qq"):
        build_tokenizer(asked.model_copy(update={"decoder_source_code": "qq_XX"}), None, TEXTS)


def test_dropout_of_a_pretrained_decoder_is_the_settings(shelf: Path) -> None:
    asked = settings(decoder_model="mbart-tiny", decoder_search_path=[shelf / "owner"],
                     decoder_dropout=0.3)  # fmt: skip
    decoder = build_text_decoder(asked, build_tokenizer(asked, None, TEXTS), **LIMITS)
    layer = decoder.model.get_decoder().layers[0]
    assert (layer.dropout, layer.self_attn.dropout) == (0.3, 0.1)


def test_a_pretrained_decoder_keeps_its_positions(shelf: Path) -> None:
    asked = settings(decoder_model="mbart-tiny", decoder_search_path=[shelf / "owner"])
    words = build_tokenizer(asked, None, TEXTS)
    with pytest.raises(UsageError, match="40 positions, clips and texts need 41"):
        build_text_decoder(asked, words, max_source=41, max_target=12)


def test_a_tokenizer_of_more_words_than_the_pretrained_decoder_is_refused(shelf: Path) -> None:
    asked = settings(decoder_model="t5-tiny", decoder_search_path=[shelf])
    with pytest.raises(UsageError, match="the tokenizer has ids up to"):
        build_text_decoder(asked, TextTokenizer.train(TEXTS, 400), **LIMITS)


def test_weights_that_do_not_fit_or_want_to_run_are_refused(shelf: Path, tmp_path: Path) -> None:
    source = shelf / "t5-tiny"
    words = build_tokenizer(settings(), str(source / "spiece.model"), [])
    config = json.loads((source / "config.json").read_text())

    def build(folder: Path) -> None:
        build_text_decoder(settings(decoder_model=str(folder)), words, **LIMITS)

    def folder_with(name: str, **changes) -> Path:
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(json.dumps({**config, **changes}))
        return tmp_path / name

    with pytest.raises(MissingAsset, match="no weights there"):
        build(folder_with("empty"))
    deeper = folder_with("deeper", num_decoder_layers=2)
    (deeper / "model.safetensors").write_bytes((source / "model.safetensors").read_bytes())
    with pytest.raises(InputError, match="do not fit"):
        build(deeper)
    cut = folder_with("cut")
    (cut / "model.safetensors").write_bytes((source / "model.safetensors").read_bytes()[:500])
    with pytest.raises(InputError, match="cannot be read"):
        build(cut)
    hostile = folder_with("hostile")
    torch.save({"shared.weight": _Opens(tmp_path / "ran")}, hostile / "pytorch_model.bin")
    with pytest.raises(InputError, match="cannot be read"):
        build(hostile)
    assert not (tmp_path / "ran").exists()


class _Opens:
    """Makes a file when a careless reader brings it back to life."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def test_weights_in_the_older_format_are_read(shelf: Path, tmp_path: Path) -> None:
    library = T5.from_pretrained(shelf / "t5-tiny")
    library.config.save_pretrained(tmp_path)
    torch.save(library.state_dict(), tmp_path / "pytorch_model.bin")
    words = build_tokenizer(settings(), str(shelf / "t5-tiny" / "spiece.model"), [])
    decoder = build_text_decoder(settings(decoder_model=str(tmp_path)), words, **LIMITS)
    assert torch.equal(weights(decoder), library.shared.weight)


def test_a_checkpoint_rebuilds_a_pretrained_decoder_without_its_folder(shelf: Path) -> None:
    asked = settings(decoder_model="mbart-tiny", decoder_search_path=[shelf / "owner"],
                     decoder_target_code="de_DE", decoder_source_code="de_DGS",
                     decoder_prompt_length=2)  # fmt: skip
    words = build_tokenizer(asked, None, TEXTS[:1], prune=True)
    decoder = build_text_decoder(asked, words, **LIMITS).eval()
    moved = asked.model_copy(update={"decoder_search_path": []})
    again = build_text_decoder(
        moved, TextTokenizer.from_json(words.to_json()), config=decoder.config_dict(), **LIMITS
    ).eval()
    again.load_state_dict(decoder.state_dict())
    features, valid = torch.randn(2, 5, 16), torch.ones(2, 5, dtype=torch.bool)
    search = {"beams": 2, "length_penalty": 1.0, "max_length": 6}
    found, expected = (
        again.generate(features, valid, **search),
        decoder.generate(features, valid, **search),
    )
    assert found.tolist() == expected.tolist()
    assert str(shelf) not in str(decoder.config_dict())


@pytest.mark.parametrize(
    ("asked", "length"),
    [
        ({}, None),
        ({"decoder_prompt_length": 3}, 3),
        ({"decoder_prompt_init": "tokens", "decoder_prompt_tokens": [5, 6]}, 2),
        (
            {
                "decoder_prompt_init": "tokens", "decoder_prompt_text": "la",
                "decoder_prompt_length": 7,
            },
            7,
        ),
        ({"decoder_prompt_init": "vocab", "decoder_prompt_length": 2}, 2),
    ],
)  # fmt: skip
def test_prompts_have_the_length_asked_for_or_that_of_their_tokens(
    asked: dict, length: int | None, tokenizer: TextTokenizer
) -> None:
    decoder = build_text_decoder(settings(**asked), tokenizer, **LIMITS)
    assert (None if decoder.prompt is None else len(decoder.prompt)) == length


def test_a_prompt_from_a_text_copies_its_embeddings(tokenizer: TextTokenizer) -> None:
    asked = settings(decoder_prompt_init="tokens", decoder_prompt_text="la escuela")
    decoder = build_text_decoder(asked, tokenizer, **LIMITS)
    ids = tokenizer.encode("la escuela")[:-1]
    assert torch.equal(decoder.prompt, weights(decoder)[ids])


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"decoder_prompt_init": "tokens", "decoder_prompt_tokens": [9000]}, "no token 9000"),
        ({"decoder_prompt_text": "la", "decoder_prompt_length": 2}, "takes no text"),
    ],
)
def test_prompts_that_cannot_be_are_refused(
    asked: dict, message: str, tokenizer: TextTokenizer
) -> None:
    with pytest.raises(UsageError, match=message):
        build_text_decoder(settings(**asked), tokenizer, **LIMITS)


OWN = """
    from torch import nn

    class Decoder(nn.Module):
        def __init__(self, d_model, vocab_size, eos_id, dropout=0.1):
            super().__init__()
            self.width, self.vocab_size, self.bos_id = d_model, vocab_size, 1
            self.eos_id, self.dropout = eos_id, dropout

        def encode(self, features, valid): ...
        def decode(self, tokens, memory): ...
        def forward(self, features, valid, labels): ...
        def generate(self, features, valid, **search): ...
        def config_dict(self): return {}

    class Wide(Decoder):
        def __init__(self, vocab_size):
            super().__init__(512, vocab_size, 2)

    class Broken(Decoder):
        def __init__(self): raise RuntimeError("no luck")

    class Half(nn.Module):
        def encode(self): ...

    class Plain(Decoder.__base__.__base__): ...

    thing = 3
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Name of a module in the current folder."""
    (tmp_path / "my_decoders.py").write_text(dedent(OWN))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "my_decoders", raising=False)
    return "my_decoders"


def test_a_decoder_of_one_s_own_gets_its_arguments_and_what_its_signature_names(
    own: str, tokenizer: TextTokenizer
) -> None:
    path = list(sys.path)
    asked = settings(decoder_class=f"{own}:Decoder", decoder_kwargs={"dropout": 0.0})
    decoder = build_text_decoder(asked, tokenizer, **LIMITS)
    assert (decoder.width, decoder.vocab_size) == (16, len(tokenizer))
    assert (decoder.eos_id, decoder.dropout) == (tokenizer.eos_id, 0.0)
    assert sys.path == path
    assert pretrained_name(asked) is None


@pytest.mark.parametrize(
    ("name", "kwargs", "message"),
    [
        ("my_decoders:Wide", {}, "the decoder is 512 wide, the encoder 16"),
        ("my_decoders:Broken", {}, "cannot be built: no luck"),
        ("my_decoders:Half", {}, "it has no decode, generate, config_dict"),
        ("my_decoders:Plain", {}, "is no text decoder"),
        ("my_decoders:thing", {}, "is no text decoder"),
        ("my_decoders:Nothing", {}, "my_decoders has no Nothing"),
        ("my_decoderz:Decoder", {}, "my_decoderz cannot be imported: No module named"),
        ("my_decoders:Decoder", {"colour": 1}, "unexpected keyword argument 'colour'"),
        ("subprocess:Popen", {"args": ["touch", "ran"]}, "is no text decoder"),
    ],
)
def test_what_is_wrong_with_a_decoder_of_one_s_own_is_said(
    own: str, name: str, kwargs: dict, message: str, tokenizer: TextTokenizer
) -> None:
    asked = settings(decoder_class=name, decoder_kwargs=kwargs)
    with pytest.raises(UsageError, match=message):
        build_text_decoder(asked, tokenizer, **LIMITS)
    assert not Path("ran").exists()
