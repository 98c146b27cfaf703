"""The tokenizer that fits a text decoder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from slt_cli.builders.assets import find_decoder, find_tokenizer, pretrained_name
from slt_cli.data.pretrained_tokenizer import load_tokenizer
from slt_cli.data.tokenizer import TextTokenizer
from slt_cli.data.vocabulary import pruned, with_codes
from slt_cli.errors import UsageError
from slt_cli.settings.model import ModelSettings


def build_tokenizer(
    settings: ModelSettings,
    name: str | None,
    texts: Sequence[str],
    *,
    prune: bool = False,
    search_path: Sequence[Path] = (),
) -> TextTokenizer:
    """The tokenizer called `name`, that of a pretrained decoder, or one trained on `texts`.

    It is looked for in the folders of `search_path`, then where decoders are looked for.
    With `prune`, a vocabulary that was not trained here keeps only what `texts` use; they must be
    training texts. Language codes that the settings name are added where they are not known yet; in
    a pretrained vocabulary they start from another code of the same language, as MSKA's de_DGS does
    from de_DE.

    Raises `MissingAsset` when the files are nowhere, `UsageError` for a code of a language that the
    pretrained decoder does not know.
    """
    pretrained = pretrained_name(settings)
    codes = [c for c in (settings.decoder_source_code, settings.decoder_target_code) if c]
    if name is None and pretrained is None:
        trained = TextTokenizer.train(texts, settings.vocab_size)
        return with_codes(trained, dict.fromkeys(codes))
    revision = settings.decoder_revision if name in (None, pretrained) else None
    if name is None:
        assert pretrained is not None
        name = str(find_decoder(pretrained, settings.decoder_search_path, revision))
    folders = (*search_path, *settings.decoder_search_path)
    tokenizer = load_tokenizer(find_tokenizer(name, folders, revision))
    if prune:
        tokenizer = pruned(tokenizer, texts)
    if pretrained is None:
        return with_codes(tokenizer, dict.fromkeys(codes))
    return with_codes(tokenizer, {code: _like(tokenizer, code) for code in codes})


def _like(tokenizer: TextTokenizer, code: str) -> int | None:
    """Id of the code, or of another one of its language: de_DE for de_DGS."""
    if (known := tokenizer.token_id(code)) is not None:
        return known
    language = code.split("_")[0]
    similar = [c for c in tokenizer.special_tokens() if c.startswith(f"{language}_")]
    if not similar:
        raise UsageError(
            f"the pretrained decoder has no code for the language {language}",
            where=f"language code {code}",
            hint="one of " + (", ".join(_codes(tokenizer)) or "none: leave the codes out"),
        )
    return tokenizer.token_id(similar[0])


def _codes(tokenizer: TextTokenizer) -> list[str]:
    return [token for token in tokenizer.special_tokens() if "_" in token and token[0].isalpha()]
